import * as pulumi from "@pulumi/pulumi";
import { createHash } from "node:crypto";
import { hostConnections } from "../../hosts/connection";
import { hostCommands } from "../../hosts/hostCommands";
import { Rollout } from "../../hosts/rollout";
import { below, refuseInvalid } from "../inputErrors";
import { registryTrustErrors, type RegistryTrustArgs, type TrustNode } from "./args";
import { registriesErrors, validity, type Registry } from "./registry";
import { described } from "./look";
import { reportsOf, type NodeTrust } from "./report";
import { trustProgram, type TrustSettings } from "./trustProgram";

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
    const alone = new Set(args.nodes.filter((node) => mayRestart(node, args)).map((node) => node.name));
    const rollout = new Rollout(
      args.nodes.map((node) => node.name),
      args.rollout,
      alone,
    );
    const works = args.nodes.map((node) => ({
      node,
      name: args.owner === undefined ? `${name}-${node.name}` : `${name}-${args.owner}-${node.name}`,
      settings: settingsOf(node, `${owner}/${node.name}`, registries, args),
      retain: node.retain,
    }));
    const commands = hostCommands(this, works, {
      program: trustProgram,
      connections,
      ssh: args.ssh,
      rollout,
      probe: args.probe,
      described: (node, report) => described(node, report, alone.has(node)),
    });
    this.commands = Object.fromEntries(args.nodes.map((node, index) => [node.name, commands[index]!]));
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
    registries: registries.apply((list) => Object.fromEntries(list.map((one) => [one.address, inWords(one)]))),
    nodes: args.nodes.map((node) => node.name),
    ...(args.allowRestart ? { allowRestart: true } : {}),
  };
}

function inWords(registry: Registry): string {
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

/** What goes to the node. */
function settingsOf(
  node: TrustNode,
  owner: string,
  registries: pulumi.Output<Registry[]>,
  args: RegistryTrustArgs,
): pulumi.Output<TrustSettings> {
  return registries.apply((list) => ({
    node: node.name,
    owner,
    registries: list.map((registry) => ({ ...registry, ...validity(registry) })),
    engines: node.engines,
    allowRestart: mayRestart(node, args) || undefined,
    installDocker: node.installDocker,
    reapply: args.reapply,
  }));
}
