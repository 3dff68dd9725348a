import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { createHash } from "node:crypto";
import { hostConnections } from "../../hosts/connection";
import { Rollout } from "../../hosts/rollout";
import { trustCommand, trustInput } from "./trustProgram";
import { below, refuseInvalid } from "../inputErrors";
import { registryTrustErrors, type RegistryTrustArgs, type TrustNode } from "./args";
import { probeNodes, type Probe } from "./probe";
import { registriesErrors, validity, type Registry } from "./registry";
import { reportsOf, type NodeTrust } from "./report";

/**
 * Makes the container engines of hosts trust private registries, over SSH, and takes that back on destroy.
 *
 * What it promises, which files it touches and how to undo it by hand: docs/registry-trust.md.
 */
export class RegistryTrust extends pulumi.ComponentResource {
  /** What each node reported, by node name. */
  public readonly report: pulumi.Output<Record<string, NodeTrust>>;
  /** By a node's name, what brings it trust: for resources that make sense only on a node that can be reached. */
  public readonly commands: Readonly<Record<string, pulumi.Resource>>;

  /**
   * @throws InvalidInputsError with every error in `args` at once, among them nodes whose host key is unknown
   */
  constructor(name: string, args: RegistryTrustArgs, opts: pulumi.ComponentResourceOptions = {}) {
    refuseInvalid(`RegistryTrust ${name}`, registryTrustErrors(args));
    const owner = args.owner ?? `${pulumi.getProject()}/${pulumi.getStack()}/${name}`;
    const registries = pulumi.output(args.registries).apply((list) => usable(name, list));
    super("pi-runners:index:RegistryTrust", name, visible(owner, registries, args), opts);
    const { connections } = hostConnections(args.nodes, args.ssh);
    const rollout = new Rollout(
      args.nodes.map((node) => node.name),
      args.rollout,
      new Set(args.nodes.filter((node) => mayRestart(node, args)).map((node) => node.name)),
    );
    const probes: Probe[] = [];
    const commands = args.nodes.map((node) => {
      const childName = args.owner === undefined ? `${name}-${node.name}` : `${name}-${args.owner}-${node.name}`;
      const input = inputOf(node, `${owner}/${node.name}`, registries, args);
      const connection = connections.get(node.name)!;
      probes.push({ node: node.name, connection, input, mayRestart: mayRestart(node, args) === true });
      const command = new remote.Command(
        childName,
        {
          connection,
          create: trustCommand("apply"),
          delete: trustCommand("remove"),
          stdin: inTurn(rollout, node.name, input),
          // What a removal warns of has no output to stand in; all else that the program says is in its report or error.
          logging: "stderr",
          addPreviousOutputInEnv: false,
        },
        { parent: this, deleteBeforeReplace: true, retainOnDelete: node.retain },
      );
      follow(rollout, node.name, command);
      return command;
    });
    this.commands = Object.fromEntries(args.nodes.map((node, index) => [node.name, commands[index]!]));
    if (args.probe && pulumi.runtime.isDryRun()) {
      probeNodes(this, probes);
    }
    const reports = pulumi.all(commands.map((command) => command.stdout));
    this.report = reports.apply((lines) => reportsOf(args.nodes, lines));
    this.registerOutputs({ report: this.report });
  }
}

/** What a preview shows of the component itself: all that matters to a reader, and nothing secret. */
function visible(owner: string, registries: pulumi.Output<Registry[]>, args: RegistryTrustArgs): pulumi.Inputs {
  return {
    owner,
    // By address, so that a new one is one line of the diff, wherever it stands in the list.
    registries: registries.apply((list) => Object.fromEntries(list.map((one) => [one.address, described(one)]))),
    nodes: args.nodes.map((node) => node.name),
    ...(args.allowRestart ? { allowRestart: true } : {}),
  };
}

function described(registry: Registry): string {
  if (registry.insecure) {
    return "insecure";
  }
  return registry.ca === undefined ? "secure" : `CA ${fingerprint(registry.ca)}`;
}

function fingerprint(ca: string): string {
  return `sha256:${createHash("sha256").update(ca).digest("hex").slice(0, 16)}`;
}

/** The registries in an order of their own, if none of them has an error: another order in the list is no change. */
function usable(name: string, registries: Registry[]): Registry[] {
  refuseInvalid(`RegistryTrust ${name}`, below("registries", registriesErrors(registries)));
  return [...registries].sort((a, b) => (a.address < b.address ? -1 : 1));
}

function mayRestart(node: TrustNode, args: RegistryTrustArgs): boolean | undefined {
  return node.allowRestart ?? args.allowRestart;
}

/** What goes to the node's stdin; a secret only when it carries sudo's password. */
function inputOf(
  node: TrustNode,
  owner: string,
  registries: pulumi.Output<Registry[]>,
  args: RegistryTrustArgs,
): pulumi.Output<string> {
  const settings = registries.apply((list) => ({
    node: node.name,
    owner,
    registries: list.map((registry) => ({ ...registry, ...validity(registry) })),
    engines: node.engines,
    allowRestart: mayRestart(node, args) || undefined,
    installDocker: node.installDocker,
    reapply: args.reapply,
  }));
  const password = node.sudoPassword ?? args.ssh?.sudoPassword;
  return password === undefined
    ? settings.apply((plain) => trustInput(plain))
    : pulumi.all([settings, pulumi.secret(password)]).apply(([plain, secret]) => trustInput(plain, secret));
}

/**
 * Holds a node's registration back until its turn. Only order is made here, no dependency: what would be recorded as
 * one would also order destroy, where a dead node must not keep others from being cleaned. A preview waits for nothing.
 */
function inTurn(rollout: Rollout, node: string, input: pulumi.Output<string>): pulumi.Output<string> {
  if (pulumi.runtime.isDryRun()) {
    return input;
  }
  return input.apply((text) => rollout.turn(node).then(() => text));
}

/**
 * Tells the roll-out how a node's command ended. A failure reaches the program only with --continue-on-error. With
 * --target, a node that is left out and was never made has no output at all: it must not be waited for.
 */
function follow(rollout: Rollout, node: string, command: remote.Command): void {
  const { isKnown } = command.stdout as unknown as { isKnown: Promise<boolean> };
  isKnown.then(
    () => rollout.ended(node, "ok"),
    () => rollout.ended(node, "failed"),
  );
}
