/** What the tests of the Kubernetes executor have in common: stack `ways`, its pods, and jobs on its runner. */
import { KubeConfig, RbacAuthorizationV1Api, type V1Pod, type V1PolicyRule } from "@kubernetes/client-node";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import type { Engine } from "../../../lab/engine/engine";
import { checkout, cluster, eventually, gitlab, pulumi, run } from "../../lab/stack/lab";
import { temporaryFolder } from "../../temporaryFolder";

export const namespace = "gitlab-ways";
export const runner = "kubernetes";

/** Deploys stack `ways`, and sees that a job builds and pushes. */
export async function deployWays(): Promise<void> {
  const { code, output } = await run("make", ["job", `WAY=${runner}`]);
  if (code !== 0) {
    throw new Error(output);
  }
}

interface StackFile {
  config: {
    "pi-runners:runners": { name: string; way: string }[];
    "pi-runners:runnerDefaults": Record<string, unknown>;
    "pi-runners:tokens": Record<string, unknown>;
  };
}

/** Deploys stack `ways` again with nothing but its runner of the Kubernetes executor, which has these settings besides. */
export async function deployOnlyPods(settings: Record<string, unknown> = {}): Promise<void> {
  const file = parse(readFileSync(join(checkout, "Pulumi.ways.yaml"), "utf8")) as StackFile;
  const [found] = file.config["pi-runners:runners"].filter(({ way }) => way === runner);
  file.config["pi-runners:runners"] = [{ ...found!, ...settings }];
  // Of use to none of the runners that are left, and so refused.
  const { prune: _prune, dindImage: _image, ...defaults } = file.config["pi-runners:runnerDefaults"];
  file.config["pi-runners:runnerDefaults"] = defaults;
  const { kubernetes } = file.config["pi-runners:tokens"];
  file.config["pi-runners:tokens"] = { kubernetes };
  const path = join(temporaryFolder(), "Pulumi.ways.yaml");
  writeFileSync(path, stringify(file));
  const { code, output } = await pulumi("up", "--yes", "--skip-preview", "--stack", "ways", "--config-file", path);
  if (code !== 0) {
    throw new Error(output);
  }
}

/** Makes a project with one job that runs this script, and starts it. Gives the pipeline's id. */
export async function startJob(project: string, ...script: string[]): Promise<number> {
  const lines = script.map((line) => `    - ${JSON.stringify(line)}\n`).join("");
  await gitlab.createProject(project, {
    files: { ".gitlab-ci.yml": `job:\n  tags: [${runner}]\n  script:\n${lines}` },
  });
  return (await gitlab.startPipeline(project)).id;
}

/** How a job ended, and what it printed. */
export async function ended(id: number): Promise<{ status: string; trace: string }> {
  const { jobs } = await gitlab.waitPipeline(id, { timeoutMs: 180_000 });
  return { status: jobs[0]!.status, trace: await gitlab.trace(jobs[0]!.id) };
}

/** Waits until a job has printed this; all that it has printed by then. */
export async function printed(id: number, words: string): Promise<string> {
  return eventually(`the job prints ${words}`, 120, async () => {
    const { jobs } = await gitlab.pipeline(id);
    const trace = await gitlab.trace(jobs[0]!.id);
    return trace.includes(words) ? trace : undefined;
  });
}

const podsWith = async (labelSelector: string): Promise<V1Pod[]> =>
  (await cluster().listNamespacedPod({ namespace, labelSelector })).items;

/** Pods of jobs that nobody has told to go. */
export const jobPods = async (): Promise<V1Pod[]> =>
  (await podsWith(`pi-runners/jobs-of=${runner}`)).filter(({ metadata }) => metadata!.deletionTimestamp === undefined);

export const managerPods = (): Promise<V1Pod[]> => podsWith(`app.kubernetes.io/instance=${runner}`);

export const restarts = (pod: V1Pod): number => pod.status!.containerStatuses![0]!.restartCount;

/** Kills a manager's process from its node, as the kernel does when memory is short. */
export async function killManager(engine: Engine, pod: V1Pod): Promise<void> {
  const container = pod.status!.containerStatuses![0]!.containerID!.replace("containerd://", "");
  const node = `pi-lab-${pod.spec!.nodeName}`;
  await engine.exec(node, ["ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", container]);
}

/** The Secrets that the manager made for jobs. */
export async function jobSecrets(): Promise<string[]> {
  const { items } = await cluster().listNamespacedSecret({ namespace });
  return items.map(({ metadata }) => metadata!.name!).filter((name) => name.startsWith("runner-"));
}

/** Takes away whatever jobs have left. */
export async function sweep(): Promise<void> {
  for (const { metadata } of await podsWith(`pi-runners/jobs-of=${runner}`)) {
    const gone = { namespace, name: metadata!.name!, gracePeriodSeconds: 0 };
    await cluster().deleteNamespacedPod(gone).catch(ifGone);
  }
  for (const name of await jobSecrets()) {
    await cluster().deleteNamespacedSecret({ namespace, name }).catch(ifGone);
  }
}

function ifGone(error: unknown): void {
  if ((error as { code?: number }).code !== 404) {
    throw error;
  }
}

/** The rules of the manager's Role, or others in their place. */
export async function rights(others?: V1PolicyRule[]): Promise<V1PolicyRule[]> {
  const config = new KubeConfig();
  config.loadFromFile(join(checkout, ".lab/kubeconfig"));
  const api = config.makeApiClient(RbacAuthorizationV1Api);
  const place = { namespace, name: `${runner}-manager` };
  const role = await api.readNamespacedRole(place);
  if (others !== undefined) {
    await api.replaceNamespacedRole({ ...place, body: { ...role, rules: others } });
  }
  return role.rules ?? [];
}
