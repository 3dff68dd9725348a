/** What the tests on the lab have in common: the lab's environment, Pulumi, kubectl-like reads, and its nodes. */
import { CoreV1Api, KubeConfig, type V1Pod } from "@kubernetes/client-node";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse, stringify } from "yaml";
import { LabGitlab } from "../../../lab/gitlab/client";
import type { StackName } from "../../../lab/machine/places";
import { temporaryFolder } from "../../temporaryFolder";

export const checkout = resolve(__dirname, "../../..");
export const namespace = "gitlab-runners";
export const gitlab = new LabGitlab("http://172.30.99.2:8929");
export const registryUrl = "http://172.30.99.2:5000";

export interface Finished {
  code: number;
  output: string;
}

/** Runs a command to its end and gives its exit code with everything that it printed. */
export async function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  const { execa } = await import("execa"); // cannot be required: some of its dependencies are ESM only
  const result = await execa(command, args, { cwd: checkout, env, all: true, reject: false, stdin: "ignore" });
  return { code: result.exitCode ?? -1, output: result.all };
}

export function lab(...args: string[]): Promise<Finished> {
  return run("tsx", ["lab/lab.ts", ...args]);
}

let labEnvironment: Promise<NodeJS.ProcessEnv> | undefined;

/** The environment in which Pulumi works on the lab, as `lab env` prints it. */
export function environment(): Promise<NodeJS.ProcessEnv> {
  labEnvironment ??= lab("env").then(({ code, output }) => {
    if (code !== 0) {
      throw new Error(`lab env failed:\n${output}`);
    }
    const pairs = [...output.matchAll(/^export (\w+)='?(.*?)'?$/gm)].map(([, name, value]) => [name, value]);
    return Object.fromEntries(pairs) as NodeJS.ProcessEnv;
  });
  return labEnvironment;
}

export async function pulumi(...args: string[]): Promise<Finished> {
  return run("pulumi", ["--non-interactive", ...args], await environment());
}

/** The parts of the dev stack's file that tests change. */
export interface DevConfig {
  "pi-runners:runners": {
    name: string;
    way: string;
    concurrent?: number;
    jobImage?: string;
    nodeSelector?: Record<string, string>;
    hosts?: string[];
  }[];
  "pi-runners:registries": { address: string; insecure?: boolean }[];
  "pi-runners:nodes": { name: string; host: string; hostKey?: string }[];
  "pi-runners:tokens": Record<string, unknown>;
  [misspelt: string]: unknown;
}

/** The file of a stack with changes, as a file of its own: the one in the checkout is never written. */
export function changedStack(change: (config: DevConfig) => void, stack: StackName = "dev"): string {
  const file = parse(readFileSync(join(checkout, `Pulumi.${stack}.yaml`), "utf8")) as { config: DevConfig };
  change(file.config);
  const path = join(temporaryFolder(), `Pulumi.${stack}.yaml`);
  writeFileSync(path, stringify(file));
  return path;
}

/** Runs `pulumi up` on a stack, by default dev as it stands in the checkout; a failure fails the test with the output. */
export async function up(configFile?: string, stack: StackName = "dev"): Promise<Finished> {
  const file = configFile === undefined ? [] : ["--config-file", configFile];
  const result = await pulumi("up", "--yes", "--skip-preview", "--stack", stack, ...file);
  if (result.code !== 0) {
    throw new Error(`pulumi up failed:\n${result.output}`);
  }
  return result;
}

/** Takes stack `ways` away, where a job has had it deployed. */
export async function destroyWays(): Promise<void> {
  const stacks = JSON.parse((await pulumi("stack", "ls", "--json")).output.replace(/^[^[]*/, "")) as { name: string }[];
  if (stacks.some(({ name }) => name === "ways")) {
    const { code, output } = await pulumi("destroy", "--yes", "--skip-preview", "--stack", "ways");
    if (code !== 0) {
      throw new Error(output);
    }
  }
}

export async function stackOutput<T>(name: string): Promise<T> {
  const { code, output } = await pulumi("stack", "output", "--stack", "dev", "--json", name);
  if (code !== 0) {
    throw new Error(output);
  }
  return JSON.parse(output) as T;
}

/** Runs a command on a node over SSH as root, with the lab's key and known host keys. */
export async function onNode(node: 1 | 2, command: string): Promise<string> {
  const options = ["-i", ".lab/id_ed25519", "-o", "UserKnownHostsFile=.lab/known_hosts", "-o", "BatchMode=yes"];
  const result = await run("ssh", [...options, `root@172.30.99.${10 + node}`, command]);
  if (result.code !== 0) {
    throw new Error(`On node${node}: ${command}: ${result.output}`);
  }
  return result.output;
}

export function cluster(): CoreV1Api {
  const config = new KubeConfig();
  config.loadFromFile(join(checkout, ".lab/kubeconfig"));
  return config.makeApiClient(CoreV1Api);
}

/** The pods of one runner, by default of stack dev, by node. */
export async function runnerPods(runner: string, within: string = namespace): Promise<V1Pod[]> {
  const labelSelector = `app.kubernetes.io/instance=${runner}`;
  const { items } = await cluster().listNamespacedPod({ namespace: within, labelSelector });
  // One that is not scheduled yet has no node.
  const nodeOf = ({ spec }: V1Pod): string => spec?.nodeName ?? "";
  return items.sort((a, b) => nodeOf(a).localeCompare(nodeOf(b)));
}

/** What tells a pod that nobody restarted: its uid, and how often its containers were restarted. */
export function lives(pods: V1Pod[]): string[] {
  return pods.map((pod) => {
    const restarts = pod.status?.containerStatuses?.map(({ restartCount }) => restartCount).join();
    return `${pod.spec!.nodeName} ${pod.metadata!.uid} ${restarts}`;
  });
}

/** Polls until a condition holds. */
export async function eventually<T>(what: string, seconds: number, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found !== undefined) {
      return found;
    }
    if (Date.now() > deadline) {
      throw new Error(`Not within ${seconds} s: ${what}`);
    }
    await new Promise((done) => setTimeout(done, 500));
  }
}
