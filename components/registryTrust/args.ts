import type * as pulumi from "@pulumi/pulumi";
import { hostConnections } from "../../hosts/connection";
import { rolloutErrors, type RolloutSettings } from "../../hosts/rollout";
import type { HostNode, HostSsh } from "../../hosts/ssh";
import { below, type InputError } from "../inputErrors";
import type { TrustEngine } from "./engines";
import { registriesErrors, type Registry } from "./registry";

/** A host whose engines are to trust the registries. */
export interface TrustNode extends HostNode {
  /**
   * Engines that are to trust the registries. Default: every one that the node has; none at all is an error. An engine
   * that leaves this list loses what this stack gave it.
   */
  engines?: TrustEngine[];
  /** Install Docker where there is none: by apt, or as a snap. Default: never. */
  installDocker?: "apt" | "snap";
  /** Overrides `allowRestart` of the component for this node. */
  allowRestart?: boolean;
  /** True: when the node leaves the stack, or on destroy, leave it as it is and do not talk to it. Default: false. */
  retain?: boolean;
}

/** Settings of RegistryTrust. */
export interface RegistryTrustArgs {
  /** The hosts. */
  nodes: TrustNode[];
  /** What they are to trust. */
  registries: pulumi.Input<Registry[]>;
  /** Who adds these entries; entries that several owners added stay until the last one goes. Default: project/stack/name. */
  owner?: string;
  /** How to reach the nodes. */
  ssh?: HostSsh;
  /** Order and limits. */
  rollout?: RolloutSettings;
  /**
   * May an engine be restarted when a reload is not enough? Containers may stop then. Such nodes go one at a time.
   * Default: false.
   */
  allowRestart?: boolean;
  /** Look at every node while previewing, and show what differs. Default: false. */
  probe?: boolean;
  /** Any text; changing it applies everything again on every node, which puts right what `probe` has found. */
  reapply?: string;
}

/**
 * Everything that RegistryTrust refuses, before any host is touched, by paths such as `nodes[2].hostKey`. What is an
 * output of another resource is judged once it is known.
 *
 * @param rollout what the reader of the errors calls `rollout`
 */
export function registryTrustErrors(args: RegistryTrustArgs, rollout = "rollout"): InputError[] {
  const names = args.nodes.map(({ name }) => name);
  return [
    ...hostConnections(args.nodes, args.ssh).errors,
    ...(Array.isArray(args.registries) ? below("registries", registriesErrors(args.registries)) : []),
    ...below(rollout, rolloutErrors(names, args.rollout ?? {})),
  ];
}
