import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import { hostConnections, type HostConnection } from "../../../hosts/connection";
import { describedAs } from "../../../hosts/describedAs";
import { hostCommands } from "../../../hosts/hostCommands";
import { hostCommand, hostInput } from "../../../hosts/hostProgram";
import { Rollout, rolloutErrors, type RolloutSettings } from "../../../hosts/rollout";
import type { HostNode, HostSsh } from "../../../hosts/ssh";
import { sshSend } from "../../../hosts/sshRun";
import { below, refuseInvalid, type InputError } from "../../inputErrors";
import type { NodeFacts } from "../../registryTrust/report";
import type { Inputs } from "../../schema";
import { makeIdentity } from "../manager/identity";
import { knownSettings, shownProxy } from "../proxyInput";
import type { Risk } from "../risk";
import { drainOf } from "../settings";
import { checkShellRunner } from "./errors";
import { hostBinary, isAddress, localFile } from "./places";
import { risk } from "./risk";
import type { componentSettings, ShellRunnerSettings } from "./settings";
import { shellHostSettings, shellProgram } from "./shellProgram";

/** A host that is to have the runner. */
export interface ShellNode extends HostNode {
  /** True: when the host leaves the stack, or on destroy, the runner stays there, and the host is not talked to. Default: false. */
  retain?: boolean;
}

/** Settings of ShellRunner; docs/reference/configuration.md says what each means. */
export interface ShellRunnerArgs extends Inputs<z.input<typeof componentSettings>> {
  /** The runner's authentication token, such as `RunnerToken.token`. Kept as a secret. */
  token: pulumi.Input<string>;
  /** Name of the runner and of its service; unique on each host. Default: the component's own name. */
  runnerName?: pulumi.Input<string>;
  /** Tags that the runner has in GitLab. They live there; here they are only passed on as an output. Default: none. */
  tags?: pulumi.Input<pulumi.Input<string>[]>;
  /** The hosts. */
  nodes: ShellNode[];
  /** How to reach them. */
  ssh?: HostSsh;
  /** Order and limits. */
  rollout?: RolloutSettings;
  /** Look at every host while previewing, and show what differs. Default: false. */
  probe?: boolean;
  /** Any text; another one applies everything again on every host, which puts drift right. */
  reapply?: string;
}

/** What a host reported when the runner was last applied there. */
export interface ShellHostReport {
  node: string;
  runner: string;
  /** The systemd service. */
  unit: string;
  /** Release of gitlab-runner. */
  version: string;
  /** How the change took effect: nothing to do, reload, start, or restart after the jobs. */
  how: "none" | "reload" | "start" | "restart";
  facts: NodeFacts;
  /** What the host's owner should know, each with its way out. */
  warnings: string[];
}

/** What is wrong with the hosts of a runner and the way to them, by paths such as `nodes[2].hostKey`. */
export function shellHostErrors(args: Pick<ShellRunnerArgs, "nodes" | "ssh" | "rollout">): InputError[] {
  const names = args.nodes.map(({ name }) => name);
  const none = { propertyPath: "nodes", reason: "is empty; give at least one host" };
  return [
    ...(names.length === 0 ? [none] : []),
    ...hostConnections(args.nodes, args.ssh).errors,
    ...below("rollout", rolloutErrors(names, args.rollout ?? {})),
  ];
}

/**
 * A GitLab runner with the shell executor on hosts, over SSH: installed, configured, kept as a system service, updated
 * after its jobs and taken away without a trace.
 *
 * What it makes on a host, and how to undo it by hand: docs/nodes.md.
 */
export class ShellRunner extends pulumi.ComponentResource {
  /** Name of the runner. */
  public readonly runnerName: pulumi.Output<string>;
  /** Its tags in GitLab. */
  public readonly tags: pulumi.Output<string[]>;
  /** What its jobs can do to a host. */
  public readonly risk: pulumi.Output<Risk>;
  /** What each host reported, by its name. */
  public readonly report: pulumi.Output<Record<string, ShellHostReport>>;

  /** @throws InvalidInputsError with every error in `args` at once, among them hosts whose key is unknown */
  public constructor(name: string, args: ShellRunnerArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("pi-runners:index:ShellRunner", name, visible(args), opts);
    refuseInvalid(`Runner ${name}`, shellHostErrors(args), this);
    const { token, tags, runnerName, nodes, ssh, rollout, probe, reapply, ...given } = args;
    const own = { ...given, name: runnerName ?? name, way: "shell" as const };
    const { settings, secrets } = knownSettings(own, undefined, (values) => checked(this, name, values));
    const { connections } = hostConnections(nodes, ssh);
    const owner = `${pulumi.getProject()}/${pulumi.getStack()}/${name}`;
    const salt = makeIdentity(name, { parent: this });
    const works = nodes.map((node) => {
      const of = (id: pulumi.Input<string | undefined>) =>
        pulumi
          .all([secrets, pulumi.secret(token), id])
          .apply(([plain, value, known]) => shellHostSettings(plain, value, node.name, owner, reapply, known));
      // The id is not known in the first preview; a host that has one keeps it, whichever is asked for.
      return { node, name: `${name}-${node.name}`, settings: of(salt), probed: of(undefined), retain: node.retain };
    });
    // Each host may first let its jobs finish.
    const slow = `${drainOf(args) * 2 + 1800}s`;
    const commands = hostCommands(this, works, {
      program: shellProgram,
      connections,
      ssh,
      rollout: new Rollout(
        nodes.map((node) => node.name),
        rollout,
      ),
      probe,
      described,
      first: maySend(args.binary)
        ? (node) =>
            sendBinary(this, settings, node, connections.get(node.name)!, node.sudoPassword ?? ssh?.sudoPassword)
        : undefined,
      timeouts: { create: slow, update: slow, delete: slow },
    });
    this.runnerName = settings.apply((plain) => plain.name);
    this.tags = pulumi.output(tags ?? []);
    this.risk = settings.apply(risk);
    // The hosts print nothing secret; that what goes to them is secret does not make their reports so.
    const lines = pulumi.unsecret(pulumi.all(commands.map((command) => command.stdout)));
    this.report = lines.apply((texts) => reportsOf(nodes, texts));
    this.registerOutputs({ runnerName: this.runnerName, tags: this.tags, risk: this.risk, report: this.report });
  }
}

/** What previews and the state show: the settings as they were given, without tokens, logins and `config`, whose words may be secrets. */
function visible({ token: _token, config: _config, ssh: _ssh, nodes, ...args }: ShellRunnerArgs): pulumi.Inputs {
  return { ...args, ...shownProxy(args), nodes: nodes.map((node) => node.name) };
}

function checked(parent: pulumi.Resource, name: string, given: unknown): ShellRunnerSettings {
  const { settings, errors } = checkShellRunner(given);
  refuseInvalid(`Runner ${name}`, errors, parent);
  return settings!;
}

/** May gitlab-runner be a file of this machine? What is not known yet may be one. */
function maySend(binary: ShellRunnerArgs["binary"]): boolean {
  return binary !== undefined && !(typeof binary === "string" && isAddress(binary));
}

/** Seconds for sending the file: a Pi behind a slow line takes its time. */
const sendLimit = 1800;

/**
 * Sends gitlab-runner to a host that does not have it, where it is a file of this machine. It is in no state. A host that
 * cannot be reached may have nothing to change: only a warning is given, and the host's command fails if it needs the file.
 */
async function sendBinary(
  parent: pulumi.Resource,
  settings: pulumi.Output<ShellRunnerSettings>,
  node: HostNode,
  connection: HostConnection,
  sudoPassword: pulumi.Input<string> | undefined,
): Promise<void> {
  const [plain, to, password] = await valueOf(pulumi.all([settings, connection, sudoPassword]));
  const binary = hostBinary(plain);
  if (binary === undefined || binary.url !== undefined) {
    return;
  }
  const file = localFile(plain.binary!);
  const task = { node: node.name, binary, limit: sendLimit };
  const input = hostInput(shellProgram, task, password);
  try {
    await sshSend(to, hostCommand(shellProgram, "receive"), input, file);
  } catch (error) {
    const reason = (error as Error).message;
    await pulumi.log.warn(`gitlab-runner (${file}) could not be sent to node ${node.name}: ${reason}`, parent);
  }
}

function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => output.apply(resolve));
}

/** What a run that only looked found, in words for a preview. */
function described(node: string, report: string): string {
  const { differs, warnings } = JSON.parse(report) as { differs: string[]; warnings: string[] };
  return describedAs(node, differs, warnings);
}

/** What the hosts printed, typed; nothing of hosts that --target left out. */
function reportsOf(nodes: HostNode[], lines: (string | undefined)[]): Record<string, ShellHostReport> {
  const found = lines.flatMap((line, index) => (line === undefined ? [] : [[nodes[index]!.name, line] as const]));
  return Object.fromEntries(found.map(([name, line]) => [name, JSON.parse(line) as ShellHostReport]));
}
