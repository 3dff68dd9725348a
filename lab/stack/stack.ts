/** The stacks of this project on the lab: the environment in which Pulumi runs, and `pulumi up`. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { delimiter, join } from "node:path";
import { pulumiFolder } from "../builds/builds";
import { removeNamespace } from "../cluster/cluster";
import { adminKubeconfig } from "../cluster/controlPlane";
import { type Engine } from "../engine/engine";
import { languageHost } from "./languageHost";
import { checkout, inState, type LabNode, type StackName } from "../machine/places";
import { pulumiHome, type Plugins, plugins } from "./plugins";
import { attempt, CommandFailedError, run, type RunOptions } from "../machine/processes";

type Say = (line: string) => void;

const backend = inState("pulumi");

export interface Toolchain {
  env: Record<string, string>;
  plugins: Plugins;
}

/** Pulumi, its language host and plugins, and the environment that leads to them and to the lab. */
export async function toolchain(engine: Engine | undefined, say: Say): Promise<Toolchain> {
  const folders = [await pulumiFolder(say), await languageHost(say)].filter((folder) => folder !== undefined);
  mkdirSync(backend, { recursive: true });
  const env: Record<string, string> = {
    PATH: pathWith(folders),
    PULUMI_HOME: pulumiHome,
    PULUMI_BACKEND_URL: `file://${backend}`,
    PULUMI_CONFIG_PASSPHRASE: "lab", // the secrets of Pulumi.*.yaml are good for the lab only
    PULUMI_SKIP_UPDATE_CHECK: "true",
    KUBECONFIG: adminKubeconfig,
    ...(engine?.host === undefined ? {} : { DOCKER_HOST: engine.host }),
  };
  const found = await plugins({ ...process.env, ...env }, say);
  return { env: { ...env, PATH: pathWith([...folders, found.folder]) }, plugins: found };
}

const pathWith = (folders: string[]): string =>
  [...folders, join(checkout, "node_modules", ".bin"), process.env.PATH].join(delimiter);

const pulumi = (env: NodeJS.ProcessEnv, args: string[], options: RunOptions = {}): Promise<string> =>
  run("pulumi", [...args, "--non-interactive"], { env: surroundings(env), cwd: checkout, ...options });

/** The language host leaves folders in the place for temporary files, which goes with the lab's state. */
function surroundings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const temporary = inState("tmp");
  mkdirSync(temporary, { recursive: true });
  return { ...process.env, ...env, TMPDIR: temporary };
}

/**
 * Deploys a stack. Also looks at what is really there, so that a lab that was recreated in part is filled again.
 * @param newNodes nodes that were made since the last time: what the stack remembers of them is gone
 */
export async function deploy(
  env: NodeJS.ProcessEnv,
  stack: StackName,
  newNodes: readonly LabNode[],
  print: (line: string) => void,
): Promise<void> {
  await pulumi(env, ["stack", "select", "--create", stack]);
  if (stack !== "dev") {
    await pulumi(env, ["stack", "select", "dev"]); // what a shell that `make env` led here finds selected
  }
  await releaseDeadLocks(env, stack);
  await forget(env, stack, newNodes);
  // The program says where the cluster is: the state may remember the path of a checkout that is gone.
  const up = [
    "up",
    "--stack",
    stack,
    "--yes",
    "--skip-preview",
    "--continue-on-error", // a node that is off does not keep the others from being done
    "--refresh",
    "--run-program",
    "--suppress-outputs",
  ];
  const update = () => pulumi(env, up, { onLine: (line) => ambient.test(line) || print(line) });
  await update().catch(async (error: unknown) => {
    if (!(error instanceof CommandFailedError) || !/already exists/.test(error.output)) {
      throw error;
    }
    print("A Pulumi that was killed has made what the stack does not remember: the runners' namespace is recreated.");
    await removeNamespace(await runnersNamespace(env, stack));
    await update();
  });
}

async function runnersNamespace(env: NodeJS.ProcessEnv, stack: StackName): Promise<string> {
  const configured = await attempt("pulumi", ["config", "get", "namespace", "--stack", stack], {
    env: surroundings(env),
    cwd: checkout,
  });
  return configured.ok ? configured.stdout.trim() : "gitlab-runners"; // the default in config/schema.ts
}

/** Pulumi's warning, several times over, that a plugin is taken from PATH; the lab has said so before. */
const ambient = /warning: using pulumi-[\w-]+ from \$PATH at /;

/** A Pulumi that was killed leaves its lock on the stack. One whose process is gone is taken away. */
async function releaseDeadLocks(env: NodeJS.ProcessEnv, stack: StackName): Promise<void> {
  const folder = join(backend, ".pulumi", "locks", "organization", "pi-runners", stack);
  if (!existsSync(folder)) {
    return;
  }
  const locks = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".json"));
  if (locks.some((file) => isDead(join(folder, file)))) {
    await pulumi(env, ["cancel", "--yes", "--stack", stack]);
  }
}

function isDead(file: string): boolean {
  try {
    const lock = JSON.parse(readFileSync(file, "utf8")) as { pid?: number; hostname?: string };
    return lock.hostname === hostname() && lock.pid !== undefined && !existsSync(`/proc/${lock.pid}`);
  } catch {
    return true; // half written, by a process that a power cut ended
  }
}

interface StoredResource {
  urn: string;
  type: string;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
}

/**
 * A command that ran on a host has no read, so a refresh does not see that the host is another one. Its remembered inputs
 * are made to differ from the program's, which runs its update; a replacement would undo at its end what it did.
 */
async function forget(env: NodeJS.ProcessEnv, stack: StackName, newNodes: readonly LabNode[]): Promise<void> {
  if (newNodes.length === 0) {
    return;
  }
  const exported = await pulumi(env, ["stack", "export", "--stack", stack]);
  const stored = JSON.parse(exported) as { deployment: { resources?: StoredResource[] } };
  const affected = (stored.deployment.resources ?? []).filter(
    ({ type, urn }) => type === "command:remote:Command" && newNodes.some(({ name }) => urn.endsWith(`-${name}`)),
  );
  if (affected.length === 0) {
    return;
  }
  for (const resource of affected) {
    const environment = { HOST: "another one since" };
    resource.inputs = { ...resource.inputs, environment };
    resource.outputs = { ...resource.outputs, environment };
  }
  await pulumi(env, ["stack", "import", "--stack", stack], { input: JSON.stringify(stored) });
}

/** An output of a stack. @throws when the stack is not deployed */
export async function stackOutput<T>(env: NodeJS.ProcessEnv, stack: StackName, name: string): Promise<T> {
  const args = ["stack", "output", name, "--json", "--stack", stack];
  const result = await attempt("pulumi", args, { env: surroundings(env), cwd: checkout });
  if (result.ok) {
    return JSON.parse(result.stdout) as T;
  }
  throw new Error(`Stack ${stack} has no output ${name}: it is not deployed on this lab.\nRun make up.\n${result.all}`);
}
