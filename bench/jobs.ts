/** How soon a job's script begins, by each way of the lab's stacks. */
import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import { setTimeout as sleep } from "node:timers/promises";
import { runnerVersion } from "../components/runners/images";
import { labDockerVersion } from "../lab/builds/builds";
import { LabGitlab, type JobView } from "../lab/gitlab/client";
import { adminKubeconfig, gitlabUrl } from "../lab/cluster/controlPlane";
import { figure, ratio, type Figure, type Section } from "./figures";
import { deployedRunners, type DeployedRunner } from "./labRunners";
import { say } from "./say";
import { interrupted } from "./stops";

const gitlab = new LabGitlab(gitlabUrl);

export async function jobs(runs: number): Promise<Section> {
  const found = (await deployedRunners()).map((runner) => ({ runner, ...noStarts() }));
  const api = clusterApi();
  const pods: number[] = [];
  await barePod(api); // not counted, as the first job of each way is not
  for (let run = 0; run < runs; run++) {
    for (const place of found) {
      say(`jobs: first script line by ${place.runner.way}, ${run + 1} of ${runs}`);
      await start(place);
    }
    say(`jobs: a bare pod, ${run + 1} of ${runs}`);
    pods.push(await barePod(api));
  }
  const figures = found.flatMap(({ runner: { way }, begun, queued }): Figure[] => [
    figure(`handed out to first script line, ${way}`, "s", begun, way === "kubernetes" ? {} : { goal: { most: 2 } }),
    figure(`queued to handed out, ${way}`, "s", queued),
  ]);
  figures.push(figure("a bare pod of two containers, created to running", "s", pods));
  const { begun } = found.find(({ runner }) => runner.way === "kubernetes")!;
  figures.push(ratio("first script line by kubernetes : a bare pod", begun, pods, { most: 1.2 }));
  return {
    title: "Jobs",
    about: [
      `Jobs on the runners of the lab's two stacks (gitlab-runner ${runnerVersion}, on nodes with Debian 13 and Docker 26.1, jobs' own daemons Docker ${labDockerVersion}), with the stand-in for GitLab keeping the times: queued, handed out. When a script begins the job says itself, by the same clock. Before what is measured, one job of the kind has run on the node. The ways took turns, the bare pod among them.`,
      "Bare pod: two containers of an image that the node has, created through the API, looked at every 50 ms until both run.",
    ],
    figures,
  };
}

/** Of one runner: seconds from hand-out to the script's first line, and from queued to handed out. */
const noStarts = () => ({ begun: [] as number[], queued: [] as number[], seen: new Set<string>() });

/** A job on a node that had one of this kind before. */
async function start({ runner, begun, queued, seen }: { runner: DeployedRunner } & ReturnType<typeof noStarts>) {
  const project = `bench-start-${runner.name}`;
  const ci = { probe: { tags: runner.tags, script: ['echo "script began at $(date +%s%3N)"'] } };
  await gitlab.createProject(project, { files: { ".gitlab-ci.yml": JSON.stringify(ci) } });
  for (;;) {
    const job = await finishedJob(project);
    const node = job.runner!.systemId;
    if (seen.has(node)) {
      const began = Number(/script began at (\d{13})/.exec(await gitlab.trace(job.id))?.[1]);
      queued.push((job.handedOutAt! - job.pendingAt!) / 1000);
      begun.push((began - job.handedOutAt!) / 1000);
      return;
    }
    seen.add(node);
  }
}

async function finishedJob(project: string): Promise<JobView> {
  interrupted.throwIfAborted();
  const { jobs } = await gitlab.runPipeline(project, { mustSucceed: true, timeoutMs: 300_000, intervalMs: 100 });
  return jobs[0]!;
}

function clusterApi(): CoreV1Api {
  const config = new KubeConfig();
  config.loadFromFile(adminKubeconfig);
  return config.makeApiClient(CoreV1Api);
}

/** Seconds that starting a pod takes by itself: the floor for a job of the Kubernetes executor. */
async function barePod(api: CoreV1Api): Promise<number> {
  interrupted.throwIfAborted();
  const name = `bench-bare-${Date.now()}`;
  const at = { namespace: "default", name };
  const container = (of: string) => ({
    name: of,
    image: "pi-lab/docker:cli",
    imagePullPolicy: "IfNotPresent",
    command: ["sleep", "600"],
  });
  const spec = {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
    containers: ["one", "two"].map(container),
  };
  const remove = async () => void (await api.deleteNamespacedPod({ ...at, gracePeriodSeconds: 0 }));
  const began = Date.now();
  await api.createNamespacedPod({ namespace: at.namespace, body: { metadata: { name }, spec } });
  try {
    for (const end = began + 120_000; Date.now() < end; await sleep(50)) {
      const { status } = await api.readNamespacedPod(at);
      const running = status?.containerStatuses?.filter(({ state }) => state?.running !== undefined) ?? [];
      if (running.length === 2) {
        return (Date.now() - began) / 1000;
      }
    }
    throw new Error(`The bare pod ${name} does not run after two minutes.\nkubectl describe pod ${name} says why.`);
  } finally {
    await remove();
  }
}
