/**
 * Programs run by the real Pulumi with whatever plugins its environment has: the lab's stand-ins or the official ones.
 * The same tests hold for both, and that is the point of them.
 *
 * With KUBECONFIG set, its cluster and the Pulumi and plugins on PATH are used; otherwise those of the lab.
 */
import { AppsV1Api, CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import * as k8s from "@pulumi/kubernetes";
import { LocalWorkspace, type PulumiFn, type Stack } from "@pulumi/pulumi/automation";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import "../../inlinePrograms";
import { temporaryFolder } from "../../temporaryFolder";
import { environment } from "../stack/lab";

const backend = temporaryFolder();

let found: Promise<Record<string, string>> | undefined;

/** The environment of Pulumi: the lab's or the ambient one, but with a backend of these tests. */
function pulumiEnvironment(): Promise<Record<string, string>> {
  found ??= (async () => {
    const base = process.env.KUBECONFIG ? process.env : await environment();
    process.env.PATH = base.PATH; // where the Automation API looks for Pulumi itself
    return {
      PATH: base.PATH!,
      KUBECONFIG: base.KUBECONFIG!,
      ...(base.PULUMI_HOME && { PULUMI_HOME: base.PULUMI_HOME }), // where plugins are that were downloaded
      PULUMI_BACKEND_URL: `file://${backend}`,
      PULUMI_CONFIG_PASSPHRASE: "test",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      SSH_AUTH_SOCK: "",
    };
  })();
  return found;
}

/** A stack of this program, empty at first. */
export async function stackOf(project: string, program: PulumiFn): Promise<Stack> {
  const envVars = await pulumiEnvironment();
  const workDir = temporaryFolder();
  return LocalWorkspace.createOrSelectStack({ stackName: "test", projectName: project, program }, { workDir, envVars });
}

/** Destroys what a test left. */
export async function removed(stack: Stack | undefined): Promise<void> {
  if (stack === undefined) {
    return;
  }
  await stack.destroy();
  await stack.workspace.removeStack(stack.name);
}

/** Everything that a run printed when it failed; fails itself when the run did not. */
export async function failure(run: Promise<unknown>): Promise<string> {
  try {
    await run;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("It should have failed, and did not.");
}

/** The state as it is stored, where exportStack would lay its secrets open. */
export async function stateText(stack: Stack): Promise<string> {
  const { name } = await stack.workspace.projectSettings();
  return readFileSync(join(backend, ".pulumi", "stacks", name, `${stack.name}.json`), "utf8");
}

export interface Cluster {
  core: CoreV1Api;
  apps: AppsV1Api;
}

export async function cluster(): Promise<Cluster> {
  const config = new KubeConfig();
  config.loadFromFile((await pulumiEnvironment()).KUBECONFIG!);
  return { core: config.makeApiClient(CoreV1Api), apps: config.makeApiClient(AppsV1Api) };
}

/** A provider as index.ts makes it, with changes. */
export async function provider(changes: k8s.ProviderArgs = {}): Promise<k8s.Provider> {
  const { KUBECONFIG } = await pulumiEnvironment();
  return new k8s.Provider("cluster", {
    kubeconfig: KUBECONFIG,
    clusterIdentifier: "test",
    enableConfigMapMutable: true,
    enableSecretMutable: true,
    ...changes,
  });
}
