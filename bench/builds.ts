/** How long building and pushing an image takes, and what it pulls: by each way, and as the article that this project began with does it. */
import { setTimeout as sleep } from "node:timers/promises";
import { runnerVersion } from "../components/runners/images";
import { labDockerVersion } from "../lab/builds/builds";
import { LabGitlab, type JobView } from "../lab/gitlab/client";
import { gitlabUrl } from "../lab/cluster/controlPlane";
import { gitlabRegistry, registry } from "../lab/machine/places";
import { articleRunners } from "./articleRunners";
import { figure, ratio, type Figure, type Section } from "./figures";
import { keptLayersRunner } from "./keptLayersRunner";
import { clusterNodes, deployedRunners, type DeployedRunner } from "./labRunners";
import { onEach } from "./rawSsh";
import { pulledBytes } from "./registryLog";
import { say } from "./say";
import { interrupted } from "./stops";
import { writtenBytes } from "./writtenBytes";

const gitlab = new LabGitlab(gitlabUrl);
/** A cold build has to remove what was there before each run; three of them will do. */
const coldRuns = 3;
const mebibytes = 100;

export async function builds(runs: number): Promise<Section> {
  const runners = await deployedRunners();
  await pushLargeImage();
  const rest = await atRest();
  const measured = await buildsOf([...runners, ...(await articleRunners())], runs);
  // Last, as it takes the place of a runner that was measured before.
  for (const [way, found] of await buildsOf([await keptLayersRunner()], runs)) {
    measured.set(way, found);
  }
  const dood = measured.get("dood")!;
  return {
    title: "Building and pushing",
    about: [
      `The pipeline that the stack prints for each way, from hand-out to the job's end (gitlab-runner ${runnerVersion}, nodes with Debian 13 and Docker 26.1, jobs' own daemons Docker ${labDockerVersion}): a base image of ${mebibytes} MiB and more that does not compress, three layers, one file that changes.`,
      "Cold: the daemon that builds has neither the base image nor a build cache. Warm: another build of the project, on a node that had one before. Pulled: the bytes that the registry sent meanwhile, by its own log. The base shares no layer with anything that a node has, so everyone pulls all of it when cold. Jobs of way `kubernetes` with Buildah keep no layers, so they are cold each time; `kubernetes buildkit` is the same way with `buildCache`, by which BuildKit keeps them.",
      "The ways took turns: each has built cold before one does so again, then warm likewise. `kubernetes buildkit` came after them, as it takes the place of `kubernetes`.",
      "Written: what came to the machine's disk from before the build's hand-out until after its end, by the kernel's count for the disk (`/proc/diskstats`), with everything that waits in memory written out at both moments. So it has what the file system writes for itself, the registry's copy of what is pushed, and whatever else the lab writes, of which a figure shows how much that is at rest. A file that is removed again within seconds may never have come to the disk.",
      "Article: config.toml and .gitlab-ci.yml of the article that this project began with, as they stand there, but for addresses, the images' names, and `CI_JOB_TOKEN`, as GitLab has no `CI_BUILD_TOKEN` any more.",
    ],
    figures: [...[...measured].flatMap(([way, builds]) => figures(way, builds, dood)), rest],
    listing: listing(measured, dood),
    plot: {
      name: "builds",
      title: "Building and pushing an image",
      axis: "seconds (median)",
      bars: [...measured].flatMap(([way, { cold, warm }]) => [
        { of: way, series: "cold", value: figure(way, "s", cold).value },
        { of: way, series: "warm", value: figure(way, "s", warm).value },
      ]),
    },
  };
}

interface Builds {
  cold: number[];
  warm: number[];
  /** Pulled, in MB. */
  coldPulled: number[];
  warmPulled: number[];
  /** Written to disk, in MB. */
  coldWritten: number[];
  warmWritten: number[];
}

const daemonPerJob = ["dind", "dind-job", "dind-plain", "kubernetes buildkit"];

function figures(way: string, builds: Builds, dood: Builds): Figure[] {
  const ours = !way.startsWith("article");
  const most = way === "dind-resident" ? 1.15 : daemonPerJob.includes(way) ? 2 : undefined;
  const kept = ours && way !== "kubernetes";
  return [
    figure(`${way}, cold`, "s", builds.cold),
    figure(`${way}, warm`, "s", builds.warm),
    figure(`${way}, pulled cold`, "MB", builds.coldPulled),
    figure(`${way}, pulled warm`, "MB", builds.warmPulled, kept ? { goal: { most: 0.1 } } : {}),
    figure(`${way}, written cold`, "MB", builds.coldWritten),
    figure(`${way}, written warm`, "MB", builds.warmWritten),
    ...(way === "dood"
      ? []
      : [
          ratio(`${way} cold : dood cold`, builds.cold, dood.cold, ours ? { most: 1.25 } : undefined),
          ratio(`${way} warm : dood warm`, builds.warm, dood.warm, most === undefined ? undefined : { most }),
        ]),
  ];
}

/** Every figure a reader compares ways by, in one table. */
function listing(measured: Map<string, Builds>, dood: Builds): Section["listing"] {
  const middle = (what: string, values: number[]): number => figure(what, "s", values).value;
  return {
    head: ["way", "cold", "warm", "pulled cold", "pulled warm", "written cold", "written warm", "warm : dood warm"],
    rows: [...measured].map(([way, { cold, warm, coldPulled, warmPulled, coldWritten, warmWritten }]) => [
      way,
      `${middle(way, cold).toFixed(1)} s`,
      `${middle(way, warm).toFixed(1)} s`,
      `${middle(way, coldPulled).toFixed(1)} MB`,
      `${middle(way, warmPulled).toFixed(2)} MB`,
      `${middle(way, coldWritten).toFixed(1)} MB`,
      `${middle(way, warmWritten).toFixed(1)} MB`,
      ratio(way, warm, dood.warm).value.toFixed(2),
    ]),
  };
}

/** What the lab writes while it builds nothing; the median of five times ten seconds. */
async function atRest(): Promise<Figure> {
  say("builds: what is written while nothing builds");
  const megabytes: number[] = [];
  for (let run = 0; run < 5; run++) {
    megabytes.push((await writtenBytes(() => sleep(10_000, undefined, { signal: interrupted }))).megabytes);
  }
  return figure("nothing built for 10 s, written", "MB", megabytes);
}

/** Of each runner; they take turns. */
async function buildsOf(runners: DeployedRunner[], runs: number): Promise<Map<string, Builds>> {
  const places = runners.map((runner) => ({ runner, seen: new Set<string>(), found: noBuilds() }));
  // An engine of a pod pulls the images of its jobs first; a job for each node.
  for (const { runner } of places) {
    say(`builds: first ones by ${runner.way}`);
    for (const _ of clusterNodes()) {
      await build(runner, `bench-first-${runner.name}`);
    }
  }
  for (let run = 0; run < coldRuns; run++) {
    for (const { runner, found } of places) {
      say(`builds: cold by ${runner.way}, ${run + 1} of ${coldRuns}`);
      await onEach(clusterNodes(), chill);
      // A project of its own: daemons of jobs keep their layers by project.
      const { seconds, pulled, written } = await build(runner, `bench-cold-${runner.name}-${run}-${Date.now()}`);
      found.cold.push(seconds);
      found.coldPulled.push(pulled);
      found.coldWritten.push(written);
    }
  }
  for (let run = 0; run < runs; run++) {
    for (const { runner, seen, found } of places) {
      say(`builds: warm by ${runner.way}, ${run + 1} of ${runs}`);
      const { seconds, pulled, written } = await warmBuild(runner, seen);
      found.warm.push(seconds);
      found.warmPulled.push(pulled);
      found.warmWritten.push(written);
    }
  }
  return new Map(places.map(({ runner, found }) => [runner.way, found]));
}

const noBuilds = (): Builds => ({
  cold: [],
  warm: [],
  coldPulled: [],
  warmPulled: [],
  coldWritten: [],
  warmWritten: [],
});

/** A build on a node that had one of this project before, which `seen` remembers. */
async function warmBuild(runner: DeployedRunner, seen: Set<string>) {
  for (;;) {
    const built = await build(runner, `bench-warm-${runner.name}`);
    const node = built.job.runner!.systemId;
    if (seen.has(node)) {
      return built;
    }
    seen.add(node);
  }
}

async function build(runner: DeployedRunner, project: string) {
  interrupted.throwIfAborted();
  const message = `${new Date().toISOString()}\n`;
  await gitlab.createProject(project, {
    files: { ".gitlab-ci.yml": runner.pipeline, Dockerfile: dockerfile, message },
  });
  const run = () => gitlab.runPipeline(project, { mustSucceed: true, timeoutMs: 300_000, intervalMs: 100 });
  const { result, megabytes: written } = await writtenBytes(() => pulledBytes(run));
  const job: JobView = result.result.jobs[0]!;
  return { job, seconds: (job.finishedAt! - job.handedOutAt!) / 1000, pulled: result.megabytes, written };
}

const large = { project: "bench-large", repository: "lab/bench-large:1" } as const;

/**
 * A project's image that everybody may pull, made on a node, of layers that no other image has: a system that was packed anew,
 * and what does not compress. It is in the lab's registry, and goes with the lab; nothing of it stays on the node.
 */
async function pushLargeImage(): Promise<void> {
  say(`builds: a base image of ${mebibytes} MiB`);
  await gitlab.createProject(large.project, {
    files: { "README.md": "The base of what the bench builds.\n" },
    public: true,
  });
  const image = `${registry.address}/${large.repository}`;
  const system = `${registry.address}/lab/bench-system:1`;
  const script = [
    "docker rm --force bench-system >/dev/null 2>&1 || :",
    `docker run --name bench-system ${registry.address}/base:1 sh -c 'head -c 16 /dev/urandom >/unique'`,
    `docker export bench-system | docker import --change 'CMD ["sh"]' - ${system}`,
    "docker rm bench-system",
    `printf 'FROM ${system}\\nRUN head -c ${mebibytes}M /dev/urandom >/large\\n' | docker build --quiet --tag ${image} -`,
    `docker push --quiet ${image}`,
    `docker image rm --force ${image} ${system}`,
    "docker builder prune --all --force >/dev/null",
  ];
  await onEach(clusterNodes().slice(0, 1), script.join("\n"));
}

const dockerfile = [
  `FROM ${gitlabRegistry.address}/${large.repository}`,
  "RUN echo first >/first",
  "RUN head -c 1M /dev/zero >/second",
  "COPY message /message",
  "",
].join("\n");

/** What builds have left, in the node's Docker and in engines of pods, and nothing else: the images of jobs stay. */
const chill = `
for socket in /var/run/docker.sock $(find /var/lib/kubelet/pods -path '*empty-dir/docker/docker.sock'); do
  # By a link, as the address of a socket has room for some 100 letters.
  ln -sfn "$(dirname "$socket")" /run/bench-docker
  export DOCKER_HOST=unix:///run/bench-docker/docker.sock
  docker version >/dev/null 2>&1 || continue # what an engine has left that is gone
  docker image ls --filter dangling=false --format '{{.Repository}}:{{.Tag}}' | grep -v '<none>' | grep -E '^(${gitlabRegistry.address}/lab|${registry.address}/(lab|base))' | xargs -r docker image rm --force >/dev/null
  docker image prune --force >/dev/null
  docker builder prune --all --force >/dev/null
done
rm /run/bench-docker
`;
