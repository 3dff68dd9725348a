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
  const figures: Figure[] = [];
  const begun = new Map<string, number[]>();
  for (const runner of await deployedRunners()) {
    const { begun: seconds, queued } = await starts(runner, runs);
    begun.set(runner.way, seconds);
    const goal = runner.way === "kubernetes" ? {} : { goal: { most: 2 } };
    figures.push(figure(`handed out to first script line, ${runner.way}`, "s", seconds, goal));
    figures.push(figure(`queued to handed out, ${runner.way}`, "s", queued));
  }
  const pods = await barePods(runs);
  figures.push(figure("a bare pod of two containers, created to running", "s", pods));
  figures.push(ratio("first script line by kubernetes : a bare pod", begun.get("kubernetes")!, pods, { most: 1.2 }));
  return {
    title: "Jobs",
    about: [
      `Jobs on the runners of the lab's two stacks (gitlab-runner ${runnerVersion}, on nodes with Debian 13 and Docker 26.1, jobs' own daemons Docker ${labDockerVersion}), with the stand-in for GitLab keeping the times: queued, handed out. When a script begins the job says itself, by the same clock. Before what is measured, one job of the kind has run on the node.`,
      "Bare pod: two containers of an image that the node has, created through the API, looked at every 50 ms until both run.",
    ],
    figures,
  };
}

/** Seconds from hand-out to the script's first line, and from queued to handed out; each on a node that had run one. */
async function starts({ name, way, tags }: DeployedRunner, runs: number) {
  say(`jobs: first script line by ${way}, ${runs} runs`);
  const project = `bench-start-${name}`;
  const ci = { probe: { tags, script: ['echo "script began at $(date +%s%3N)"'] } };
  await gitlab.createProject(project, { files: { ".gitlab-ci.yml": JSON.stringify(ci) } });
  const [queued, begun]: [number[], number[]] = [[], []];
  const seen = new Set<string>();
  while (begun.length < runs) {
    const job = await finishedJob(project);
    const node = job.runner!.systemId;
    if (seen.has(node)) {
      const began = Number(/script began at (\d{13})/.exec(await gitlab.trace(job.id))?.[1]);
      queued.push((job.handedOutAt! - job.pendingAt!) / 1000);
      begun.push((began - job.handedOutAt!) / 1000);
    }
    seen.add(node);
  }
  return { begun, queued };
}

async function finishedJob(project: string): Promise<JobView> {
  interrupted.throwIfAborted();
  const { jobs } = await gitlab.runPipeline(project, { mustSucceed: true, timeoutMs: 300_000, intervalMs: 100 });
  return jobs[0]!;
}

/** What starting a pod costs by itself: the floor for a job of the Kubernetes executor. */
async function barePods(runs: number): Promise<number[]> {
  say(`jobs: bare pods, ${runs} runs`);
  const config = new KubeConfig();
  config.loadFromFile(adminKubeconfig);
  const api = config.makeApiClient(CoreV1Api);
  const seconds: number[] = [];
  // The first one is not counted, as with jobs.
  for (let run = 0; run <= runs; run++) {
    const took = await barePod(api, `bench-bare-${run}-${Date.now()}`);
    if (run > 0) {
      seconds.push(took);
    }
  }
  return seconds;
}

async function barePod(api: CoreV1Api, name: string): Promise<number> {
  interrupted.throwIfAborted();
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
