/** A stack of the bench's own: a runner of each way, all for the same node, whose jobs at the same time can be changed. */
import {
  ApiException,
  CoreV1Api,
  KubeConfig,
  PatchStrategy,
  setHeaderOptions,
  type V1Pod,
} from "@kubernetes/client-node";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parse, stringify } from "yaml";
import { defaultMetricsPort } from "../components/runners/settings";
import { LabGitlab } from "../lab/gitlab/client";
import { adminKubeconfig, gitlabUrl } from "../lab/cluster/controlPlane";
import { checkout, stackNames } from "../lab/machine/places";
import { run } from "../lab/machine/processes";
import { labEnvironment } from "./labEnvironment";
import { clusterNodes, type DeployedRunner } from "./labRunners";
import { onEach } from "./rawSsh";
import { scratch } from "./scratch";
import { interrupted, whenDone } from "./stops";

const gitlab = new LabGitlab(gitlabUrl);
const stack = "bench-one-node";
/** Of the runner on the host itself, where other ones have the usual port. */
const hostPort = 9352;

interface RunnerEntry {
  name: string;
  way: string;
}

type StackFile = { config: Record<string, unknown> & { "pi-runners:runners": RunnerEntry[] } };

/** Deploys the stack with so many jobs at the same time, removes it at the end, and changes that number. */
export class OneNodeStack {
  private constructor(
    readonly runners: DeployedRunner[],
    private readonly pulumi: Pulumi,
  ) {}

  /** With a runner of each of these ways, as the lab's own stacks have them. */
  static async deploy(ways: readonly string[], concurrent: number): Promise<OneNodeStack> {
    const pulumi = await Pulumi.stack(ways);
    whenDone(`stack ${stack}`, () => pulumi.destroy());
    await pulumi.up(concurrent);
    const pipelines = await pulumi.pipelines();
    const runners = pulumi.entries.map(({ name, way }) => ({ name, way, tags: [name], pipeline: pipelines[name]! }));
    return new OneNodeStack(runners, pulumi);
  }

  /** Changes the number, and waits until each runner says that it has it. */
  async concurrent(jobs: number): Promise<void> {
    await this.pulumi.up(jobs);
    for (const end = Date.now() + 150_000; ; await sleep(1000)) {
      interrupted.throwIfAborted();
      const found = await concurrencies();
      if (found.length === this.runners.length && found.every((one) => one === jobs)) {
        return;
      }
      if (Date.now() > end) {
        throw new Error(
          `Runners of stack ${stack} have not got concurrent = ${jobs}: their metrics say ${found.join()}.`,
        );
      }
    }
  }

  destroy(): Promise<void> {
    return this.pulumi.destroy();
  }
}

/** Pulumi on the stack, whose file and state are in a folder of the bench. */
class Pulumi {
  /** What is deployed; nothing at first. */
  private concurrent: number | undefined;

  private constructor(
    private readonly file: string,
    private readonly env: NodeJS.ProcessEnv,
    readonly entries: RunnerEntry[],
  ) {}

  static async stack(ways: readonly string[]): Promise<Pulumi> {
    const folder = scratch(stack);
    const env = { ...(await labEnvironment()), PULUMI_BACKEND_URL: `file://${folder}` };
    const file = join(folder, `Pulumi.${stack}.yaml`);
    const { entries, config } = settings(ways);
    writeFileSync(join(folder, "Pulumi.yaml"), "name: pi-runners\nruntime: nodejs\n");
    await run("pulumi", ["stack", "init", stack, "--no-select", "--non-interactive"], { cwd: folder, env });
    writeFileSync(file, stringify({ ...(parse(readFileSync(file, "utf8")) as object), config }));
    const pulumi = new Pulumi(file, env, entries);
    for (const { name } of entries) {
      const { id, token } = await gitlab.createRunner({ description: name, tags: [name] });
      whenDone(`runner ${name}`, () => gitlab.deleteRunner(id));
      await pulumi.withFile(["config", "set", "--path", "--secret", `pi-runners:tokens.${name}`], token);
    }
    return pulumi;
  }

  async up(concurrent: number): Promise<void> {
    if (this.concurrent === concurrent) {
      return;
    }
    const file = parse(readFileSync(this.file, "utf8")) as StackFile;
    for (const entry of file.config["pi-runners:runners"]) {
      Object.assign(entry, { concurrent });
    }
    writeFileSync(this.file, stringify(file));
    this.concurrent = concurrent;
    await this.withFile(["up", "--yes", "--skip-preview", "--suppress-outputs"]);
  }

  async destroy(): Promise<void> {
    if (this.concurrent !== undefined) {
      await this.withFile(["destroy", "--yes", "--skip-preview", "--suppress-outputs"]);
    }
    this.concurrent = undefined;
  }

  /** What the stack prints, by the names of its runners. */
  async pipelines(): Promise<Record<string, string>> {
    return JSON.parse(await this.run(["stack", "output", "pipelines", "--json"])) as Record<string, string>;
  }

  private withFile(words: string[], input?: string): Promise<string> {
    return this.run([...words, "--config-file", this.file], input);
  }

  private run(words: string[], input?: string): Promise<string> {
    const all = [...words, "--stack", stack, "--non-interactive", "--color=never"];
    return run("pulumi", all, { cwd: checkout, env: this.env, input });
  }
}

/** What the lab's own stacks say, with names of our own, for one node. */
function settings(ways: readonly string[]): { entries: RunnerEntry[]; config: Record<string, unknown> } {
  const files = stackNames.map(
    (name) => parse(readFileSync(join(checkout, `Pulumi.${name}.yaml`), "utf8")) as StackFile,
  );
  const [dev] = files as [StackFile, ...StackFile[]];
  const [node] = clusterNodes();
  const all = files.flatMap(({ config }) => config["pi-runners:runners"]);
  const entries = ways.map((way) => {
    const { name, ...entry } = all.find((one) => one.way === way)!;
    const place =
      way === "shell"
        ? { hosts: [node!.name], metricsPort: hostPort }
        : { nodeSelector: { "kubernetes.io/hostname": node!.name } };
    return { ...entry, ...place, name: `bench-${name}` };
  });
  const { "pi-runners:tokens": _tokens, ...config } = dev.config;
  return {
    entries,
    config: {
      ...config,
      "pi-runners:namespace": stack,
      "pi-runners:nodes": [node],
      "pi-runners:runners": entries,
    },
  };
}

/** What the runners say of themselves: how many jobs at the same time each of them has heard of. */
async function concurrencies(): Promise<number[]> {
  const kube = new KubeConfig();
  kube.loadFromFile(adminKubeconfig);
  const api = kube.makeApiClient(CoreV1Api);
  const labelSelector = "app.kubernetes.io/name=gitlab-runner";
  const { items: pods } = await api.listNamespacedPod({ namespace: stack, labelSelector });
  await Promise.all(pods.map((pod) => hurry(api, pod)));
  const urls = [
    `http://127.0.0.1:${hostPort}/metrics`,
    ...pods.map(({ status }) => `http://${status!.podIP}:${defaultMetricsPort}/metrics`),
  ];
  const ask = `python3 - <<'EOF'
import urllib.request
for url in ${JSON.stringify(urls)}:
    try:
        print(urllib.request.urlopen(url, timeout=5).read().decode())
    except OSError:
        pass
EOF`;
  const [printed] = [...(await onEach(clusterNodes().slice(0, 1), ask)).values()];
  return [...printed!.matchAll(/^gitlab_runner_concurrent (\d+)$/gm)].map(([, jobs]) => Number(jobs));
}

/** A change of a pod has kubelet look at its Secrets at once; by itself it does so every minute or so. */
async function hurry(api: CoreV1Api, { metadata }: V1Pod): Promise<void> {
  const body = { metadata: { annotations: { "pi-runners-bench/looked": new Date().toISOString() } } };
  const merge = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);
  // One that has just gone has nothing to hear.
  await api.patchNamespacedPod({ namespace: stack, name: metadata!.name!, body }, merge).catch((error: unknown) => {
    if (!(error instanceof ApiException && error.code === 404)) {
      throw error;
    }
  });
}
