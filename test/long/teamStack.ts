/** A stack beside stack dev, with a runner, a namespace and a state of its own, in a checkout of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { ownCheckout } from "../../lab/stack/ownCheckout";
import { checkout, environment, eventually, gitlab, type Finished } from "../lab/stack/lab";
import { labConfig } from "./tokenStack";

/** What these tests change of the stack's file. */
export interface TeamConfig {
  "pi-runners:runners": { name: string; way: string; concurrent?: number }[];
  "pi-runners:registries": { address: string; insecure?: boolean }[];
  "pi-runners:nodes"?: { name: string; host: string; hostKey?: string }[];
  [key: string]: unknown;
}

export interface TeamStack {
  name: string;
  namespace: string;
  folder: string;
  /** What leads Pulumi to the lab, to this stack's state, and by an agent to the nodes. */
  env: NodeJS.ProcessEnv;
  /** The stack's file with changes; with none, as it was deployed first. */
  file(change?: (config: TeamConfig) => void): string;
  /** The same, written where Pulumi reads it. */
  write(change?: (config: TeamConfig) => void): void;
  run(command: string, args: string[], input?: string): Promise<Finished>;
  /** Runs Pulumi on this stack. */
  pulumi(...args: string[]): Promise<Finished>;
  /** Destroys what is deployed, and removes every trace of it. */
  remove(): Promise<void>;
}

/**
 * Makes the stack; nothing is deployed.
 *
 * @param backend where Pulumi keeps the state; default: a folder of the checkout
 * @param more further variables, such as who may use the backend
 */
export async function teamStack(name: string, backend?: string, more: Record<string, string> = {}): Promise<TeamStack> {
  const { folder, remove } = await ownCheckout();
  const namespace = `gitlab-runners-${name}`;
  const home = join(folder, ".home");
  mkdirSync(join(home, ".ssh"), { recursive: true });
  copyFileSync(join(checkout, ".lab/known_hosts"), join(home, ".ssh/known_hosts"));
  mkdirSync(join(folder, ".state"));
  const { agent, socket } = await sshAgent(folder);
  const env = {
    ...(await environment()),
    ...more,
    HOME: home,
    SSH_AUTH_SOCK: socket,
    PULUMI_BACKEND_URL: backend ?? `file://${join(folder, ".state")}`,
  };
  const run = (command: string, args: string[], input?: string): Promise<Finished> =>
    runIn(folder, env, command, args, input);
  const file = join(folder, `Pulumi.${name}.yaml`);
  writeFileSync(file, stringify({ config: prefixed({ ...firstConfig(namespace), runners: [{ name, way: "dood" }] }) }));
  const must = async (args: string[], input?: string): Promise<void> => {
    const { code, output } = await run("pulumi", ["--non-interactive", ...args, "--stack", name], input);
    if (code !== 0) {
      throw new Error(`pulumi ${args.join(" ")}:\n${output}`);
    }
  };
  const { code, output } = await run("pulumi", ["--non-interactive", "stack", "init", name]);
  if (code !== 0) {
    throw new Error(output);
  }
  const runner = await gitlab.createRunner({ description: name, tags: [name] });
  await must(["config", "set", "--path", "--secret", `pi-runners:tokens.${name}`], runner.token);
  const first = readFileSync(file, "utf8");
  const changed = (change?: (config: TeamConfig) => void): string => {
    const parsed = parse(first) as { config: TeamConfig };
    change?.(parsed.config);
    return stringify(parsed);
  };
  return {
    ...{ name, namespace, folder, env, run },
    file: changed,
    write: (change) => writeFileSync(file, changed(change)),
    pulumi: (...args) => run("pulumi", ["--non-interactive", ...args, "--stack", name]),
    remove: async () => {
      writeFileSync(file, first);
      await must(["cancel", "--yes"]);
      await must(["destroy", "--yes", "--skip-preview"]);
      agent.kill();
      await gitlab.deleteRunner(runner.id);
      remove();
    },
  };
}

/** As docs/merge-requests.md has it: kubeconfig, key and host keys are not in the stack's file. */
function firstConfig(namespace: string): Record<string, unknown> {
  const { kubeconfig: _kubeconfig, ...config } = labConfig(namespace);
  const registries = (config["registries"] as { insecure?: boolean }[]).filter(({ insecure }) => insecure);
  return { ...config, registries };
}

const prefixed = (config: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(config).map(([key, value]) => [`pi-runners:${key}`, value]));

/** An SSH agent with one key, by default the lab's; whoever starts it ends it. */
export async function sshAgent(
  folder: string,
  key = ".lab/id_ed25519",
): Promise<{ agent: ChildProcess; socket: string }> {
  const socket = join(folder, ".agent");
  const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  await once(agent, "spawn");
  await eventually("the SSH agent listens", 10, async () => existsSync(socket) || undefined);
  const env = { ...process.env, SSH_AUTH_SOCK: socket };
  const { code, output } = await runIn(checkout, env, "ssh-add", ["-q", key]);
  if (code !== 0) {
    throw new Error(output);
  }
  return { agent, socket };
}

/** Runs a command to its end in that folder, with nothing but that environment's variables beside ours. */
export async function runIn(
  cwd: string,
  env: NodeJS.ProcessEnv,
  command: string,
  args: string[],
  input = "",
): Promise<Finished> {
  const { execa } = await import("execa"); // cannot be required: some of its dependencies are ESM only
  const result = await execa(command, args, { cwd, env, all: true, reject: false, input });
  return { code: result.exitCode ?? -1, output: result.all };
}
