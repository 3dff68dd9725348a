/** How soon a job's script begins, and how long building and pushing an image takes, by each way of the dev stack. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { LabGitlab, type JobView } from "../lab/gitlab/client";
import { gitlabUrl } from "../lab/cluster/controlPlane";
import { checkout, gitlabRegistry, registry } from "../lab/machine/places";
import { stackOutput } from "../lab/stack/stack";
import { figure, ratio, type Figure, type Section } from "./figures";
import { labEnvironment, needLab } from "./labEnvironment";
import { onEach } from "./rawSsh";
import type { KnownNode } from "./hosts";
import { say } from "./say";
import { interrupted } from "./stops";

const gitlab = new LabGitlab(gitlabUrl);
/** A cold build has to remove what was there before each run; three of them will do. */
const coldRuns = 3;

interface Runner {
  name: string;
  way: string;
  tags: string[];
}

export async function jobs(runs: number): Promise<Section> {
  await needLab();
  const env = (await labEnvironment()) as Record<string, string>;
  const runners = await stackOutput<Runner[]>(env, "dev", "runners");
  const pipelines = await stackOutput<Record<string, string>>(env, "dev", "pipelines");
  const figures: Figure[] = [];
  for (const runner of runners) {
    figures.push(...(await starts(runner, runs)));
  }
  const builds: Record<string, Builds> = {};
  for (const runner of runners) {
    const text = pipelines[runner.name]!;
    builds[runner.name] = await buildsOf(runner, text, runs);
    figures.push(figure(`build and push by ${runner.way}, cold`, "s", builds[runner.name]!.cold));
    figures.push(figure(`build and push by ${runner.way}, warm`, "s", builds[runner.name]!.warm));
  }
  return {
    title: "Jobs",
    about: [
      "Jobs on the dev stack's runners (gitlab-runner 19.4.0, on nodes with Debian 13 and Docker 26.1), with the stand-in for GitLab keeping the times: queued, handed out, done. When a script begins the job says itself, by the same clock. Before what is measured, one job of the kind has run on the node.",
      `Build and push: the pipeline that the stack prints, from hand-out to the job's end; a base image of ${registry.host}, two layers, one file that changes. Cold: the nodes' Docker has neither the base image nor a build cache.`,
    ],
    figures: [...figures, ...ratios(runners, builds)],
  };
}

interface Builds {
  cold: number[];
  warm: number[];
}

function ratios(runners: Runner[], builds: Record<string, Builds>): Figure[] {
  const dood = runners.find(({ way }) => way === "dood");
  if (dood === undefined) {
    return [];
  }
  const others = runners.filter(({ way }) => way !== "dood");
  return others.flatMap(({ name, way }) =>
    (["cold", "warm"] as const).map((kind) =>
      ratio(`build and push ${kind}, ${way} : dood`, builds[name]![kind], builds[dood.name]![kind]),
    ),
  );
}

/** Seconds from hand-out to the script's first line, and from queued to handed out. */
async function starts({ name, way, tags }: Runner, runs: number): Promise<Figure[]> {
  say(`jobs: first script line by ${way}, ${runs} runs`);
  const project = `bench-start-${name}`;
  const ci = { probe: { tags, script: ['echo "script began at $(date +%s%3N)"'] } };
  await gitlab.createProject(project, { files: { ".gitlab-ci.yml": JSON.stringify(ci) } });
  const [queued, begun]: [number[], number[]] = [[], []];
  await warmed(
    runs,
    () => finishedJob(project),
    async (job) => {
      const began = Number(/script began at (\d{13})/.exec(await gitlab.trace(job.id))?.[1]);
      queued.push((job.handedOutAt! - job.pendingAt!) / 1000);
      begun.push((began - job.handedOutAt!) / 1000);
    },
  );
  return [
    figure(`handed out to first script line, ${way}`, "s", begun, { goal: { most: 2 } }),
    figure(`queued to handed out, ${way}`, "s", queued),
  ];
}

/** Runs jobs until so many have come to a node that had run one before; only these count. */
async function warmed(
  runs: number,
  job: () => Promise<JobView>,
  use: (job: JobView) => Promise<void> | void,
): Promise<void> {
  const seen = new Set<string>();
  for (let counted = 0; counted < runs;) {
    const done = await job();
    const node = done.runner!.systemId;
    if (seen.has(node)) {
      await use(done);
      counted++;
    }
    seen.add(node);
  }
}

async function finishedJob(project: string): Promise<JobView> {
  interrupted.throwIfAborted();
  const { jobs } = await gitlab.runPipeline(project, { mustSucceed: true, timeoutMs: 300_000, intervalMs: 100 });
  return jobs[0]!;
}

async function buildsOf({ name, way }: Runner, pipeline: string, runs: number): Promise<Builds> {
  say(`jobs: build and push by ${way}`);
  const project = `bench-build-${name}`;
  const build = async (): Promise<JobView> => {
    const message = `${new Date().toISOString()}\n`;
    await gitlab.createProject(project, { files: { ".gitlab-ci.yml": pipeline, Dockerfile: dockerfile, message } });
    return finishedJob(project);
  };
  const took = ({ handedOutAt, finishedAt }: JobView): number => (finishedAt! - handedOutAt!) / 1000;
  const [cold, warm]: [number[], number[]] = [[], []];
  for (let run = 0; run < coldRuns; run++) {
    await onEach(devNodes(), chill);
    cold.push(took(await build()));
  }
  await warmed(runs, build, (job) => void warm.push(took(job)));
  return { cold, warm };
}

const dockerfile = `FROM ${registry.address}/base:1\nRUN echo layer >/layer\nCOPY message /message\nRUN cat /message\n`;

/** What builds have left on a node, and nothing else: the images of the lab's jobs stay. */
const chill = `
docker image ls --format '{{.Repository}}:{{.Tag}}' | grep -E '^(${registry.address}|${gitlabRegistry.address})/' | xargs -r docker image rm --force >/dev/null
docker image prune --force >/dev/null
docker builder prune --all --force >/dev/null
`;

/** The nodes of stack dev. */
function devNodes(): KnownNode[] {
  const file = parse(readFileSync(join(checkout, "Pulumi.dev.yaml"), "utf8")) as {
    config: { "pi-runners:nodes": KnownNode[] };
  };
  return file.config["pi-runners:nodes"];
}
