/** A stack of its own for the ways that build with Docker: its pods, jobs on its runners, and what registry and nodes saw. */
import type { V1Pod } from "@kubernetes/client-node";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { runnerVersion } from "../../components/runners/images";
import { findEngine } from "../../lab/engine/engine";
import type { FileInput, JobView, LabGitlab } from "../../lab/gitlab/client";
import { type FurtherImage, loadForPods } from "../../lab/images/nodeImages";
import { nodes } from "../../lab/machine/places";
import { checkout, cluster, environment, eventually, gitlab, run } from "../lab/stack/lab";
import { labConfig, tokenStack, type TokenStack } from "./tokenStack";

/** A runner of the stack file; the tests give each a node, as one is enough. */
export interface RunnerEntry extends Record<string, unknown> {
  name: string;
  way: string;
}

/** The label of nodes by which a runner is on one of them alone. */
export const only = (node: 1 | 2): { nodeSelector: Record<string, string> } => ({
  nodeSelector: { "kubernetes.io/hostname": `node${node}` },
});

/** What the resident engine needs on the lab, as in Pulumi.ways.yaml: it begins empty, and its data lies on a volume. */
export const engineFolder = "/var/lib/kubelet/pi-engines";
export const resident = {
  way: "dind-resident",
  jobImage: "registry.lab:5000/pi-lab/docker:cli",
  helperImage: `registry.lab:5000/pi-lab/gitlab-runner-helper:${runnerVersion}`,
  engineFolder,
};

/** What a runner of each way with Docker needs on the lab. */
export const dockerWays = {
  dood: { way: "dood" },
  dind: { way: "dind" },
  "dind-job": { way: "dind-job", jobImage: "pi-lab/docker:dind" },
  "dind-plain": { way: "dind-plain", allowTlsOff: true },
  "dind-resident": resident,
} as const satisfies Record<string, Record<string, unknown>>;
export type DockerWay = keyof typeof dockerWays;

/** Puts images for pods into the cluster's nodes that stack dev does without. */
export async function loadOnNodes(...images: FurtherImage[]): Promise<void> {
  await loadForPods((await findEngine())!, nodes(2), images, () => undefined);
}

/** A stack with runners in a namespace of the same name. */
export class EngineStack {
  private constructor(
    public readonly namespace: string,
    public readonly stack: TokenStack,
    private readonly tokens: Map<string, string>,
    private readonly instance: LabGitlab,
  ) {}

  /** Makes its runners in GitLab, the lab's or another; nothing is deployed yet. */
  public static async of(namespace: string, runners: RunnerEntry[], instance = gitlab): Promise<EngineStack> {
    if (runners.some(({ way }) => way === "kubernetes")) {
      await loadOnNodes("buildah");
    }
    const tokens = new Map<string, string>();
    for (const { name } of runners) {
      tokens.set(name, (await instance.createRunner({ description: name, tags: [name] })).token);
    }
    return new EngineStack(namespace, await tokenStack(namespace), tokens, instance);
  }

  /** Deploys these runners, with other settings of the stack in place of the lab's, and secrets by their paths. */
  public async up(
    runners: RunnerEntry[],
    more: Record<string, unknown> = {},
    secrets: Record<string, string> = {},
  ): Promise<string> {
    await this.write(runners, more, secrets);
    return this.stack.pulumi("up", "--yes", "--skip-preview");
  }

  /** Writes the stack file only. */
  public async write(
    runners: RunnerEntry[],
    more: Record<string, unknown> = {},
    secrets: Record<string, string> = {},
  ): Promise<void> {
    const file = parse(readFileSync(join(checkout, "Pulumi.dev.yaml"), "utf8")) as { config: Record<string, unknown> };
    const hosts = { ssh: file.config["pi-runners:ssh"], nodes: file.config["pi-runners:nodes"] };
    this.stack.configure({ ...labConfig(this.namespace), ...hosts, runners, ...more });
    for (const { name } of runners) {
      await this.stack.secret(`pi-runners:tokens.${name}`, this.tokens.get(name)!);
    }
    for (const [path, value] of Object.entries(secrets)) {
      await this.stack.secret(`pi-runners:${path}`, value);
    }
  }

  /** Makes a runner in GitLab again, with another token. */
  public async renew(name: string): Promise<void> {
    this.tokens.set(name, (await this.instance.createRunner({ description: name, tags: [name] })).token);
  }

  /** Takes it away; nothing of it is left in GitLab. */
  public async destroy(): Promise<void> {
    const { code, output } = await this.stack.attempt("destroy", "--yes", "--skip-preview");
    const runners = (await this.instance.runners()).filter(({ description }) => this.tokens.has(description));
    await Promise.all(runners.map(({ id }) => this.instance.deleteRunner(id)));
    await this.stack.remove();
    if (code !== 0) {
      throw new Error(output);
    }
  }

  public async pods(runner: string): Promise<V1Pod[]> {
    const labelSelector = `app.kubernetes.io/instance=${runner}`;
    const { items } = await cluster().listNamespacedPod({ namespace: this.namespace, labelSelector });
    return items.filter(({ metadata }) => metadata!.deletionTimestamp === undefined);
  }

  /** Waits until the runner has a pod that is ready, another one than this. */
  public ready(runner: string, other?: V1Pod): Promise<V1Pod> {
    return eventually(`${runner} is ready`, 180, async () =>
      (await this.pods(runner)).find(
        ({ metadata, status }) =>
          metadata!.uid !== other?.metadata!.uid &&
          status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True"),
      ),
    );
  }

  public log(pod: string, container: string): Promise<string> {
    return cluster().readNamespacedPodLog({ namespace: this.namespace, name: pod, container });
  }
}

/** How a job ended, and what it printed. */
export interface Ended {
  status: string;
  trace: string;
  job: JobView;
}

/** Starts a pipeline of jobs by name, each with its script, on a runner. Gives its id. */
export async function startJobs(
  runner: string,
  project: string,
  scripts: Record<string, string[]>,
  files: Record<string, FileInput> = {},
): Promise<number> {
  const jobs = Object.entries(scripts).map(([name, script]) => [name, { tags: [runner], script }]);
  // JSON is YAML.
  const pipeline = JSON.stringify(Object.fromEntries(jobs));
  await gitlab.createProject(project, { files: { ...files, ".gitlab-ci.yml": pipeline } });
  return (await gitlab.startPipeline(project)).id;
}

export async function endOf(pipeline: number, seconds = 240): Promise<Ended[]> {
  const { jobs } = await gitlab.waitPipeline(pipeline, { timeoutMs: seconds * 1000 });
  return Promise.all(jobs.map(async (job) => ({ job, status: job.status, trace: clean(await gitlab.trace(job.id)) })));
}

/** Runs one job to its end. */
export async function runJob(
  runner: string,
  project: string,
  script: string[],
  files: Record<string, FileInput> = {},
): Promise<Ended> {
  return (await endOf(await startJobs(runner, project, { job: script }, files)))[0]!;
}

/** Waits until the first job of a pipeline has printed this. */
export async function printed(pipeline: number, words: string): Promise<JobView> {
  return eventually(`the job prints ${words}`, 180, async () => {
    const { jobs } = await gitlab.pipeline(pipeline);
    const trace = clean(await gitlab.trace(jobs[0]!.id));
    // The script itself is echoed behind a dollar sign.
    return trace.split("\n").some((line) => line.includes(words) && !line.includes("$ ")) ? jobs[0] : undefined;
  });
}

/** A trace without colours, sections and time stamps. */
function clean(trace: string): string {
  return trace
    .replaceAll(/\x1b\[[0-9;]*[mK]/g, "")
    .replaceAll(/^\S+Z \d\d[OE][ +]/gm, "")
    .replaceAll("\r", "\n");
}

/** A project whose image has a base to pull, a layer of its own, and a file that differs from build to build. */
export const buildFiles = (content: string): Record<string, string> => ({
  Dockerfile: "FROM registry.lab:5000/base:1\nRUN head -c 3000000 /dev/urandom >/layer\nCOPY changing /changing\n",
  changing: content,
});

const image = "registry.lab:5000/lab/$CI_PROJECT_NAME:$CI_JOB_ID";
export const buildScript = [
  // The log of BuildKit in words, not as a screen that changes.
  `docker build --progress plain -t ${image} .`,
  `docker push ${image}`,
];

/** Builds and pushes on node1, and gives how many layers were pulled from the lab's registry while it did. */
export async function build(runner: string, project: string, content: string): Promise<Ended & { pulled: number }> {
  const since = Math.ceil(Date.now() / 1000);
  const ended = await runJob(runner, project, buildScript, buildFiles(content));
  return { ...ended, pulled: await blobsPulled(since) };
}

/** How often the lab's registry without login has handed out a blob to node1 since then, by its access log. */
export async function blobsPulled(since: number): Promise<number> {
  const log = await onServer(`journalctl --unit lab-registry --since @${since} --output cat --no-pager`);
  return log
    .split("\n")
    .filter((line) => /^172\.30\.99\.11 .*"GET \/v2\/\S+\/blobs\/sha256:\S+ HTTP\/1\.1" 200/.test(line)).length;
}

/** Runs a command on the host of control plane, registry and GitLab's stand-in. */
export async function onServer(command: string): Promise<string> {
  const { code, output } = await run("docker", ["exec", "pi-lab-server", "sh", "-c", command], await environment());
  if (code !== 0) {
    throw new Error(`On pi-lab-server: ${command}: ${output}`);
  }
  return output;
}

/** Steps of a build that were taken from the cache. */
export const cachedSteps = (trace: string): number => trace.match(/^#\d+ CACHED/gm)?.length ?? 0;
