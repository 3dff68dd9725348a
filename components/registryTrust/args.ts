import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { hostConnections } from "../../hosts/connection";
import { rolloutErrors, type RolloutSettings } from "../../hosts/rollout";
import type { HostNode, HostSsh } from "../../hosts/ssh";
import { below, type InputError } from "../inputErrors";
import { optional, text, type Arguments } from "../schema";
import { trustEngines } from "./engines";
import { registriesErrors, type Registry } from "./registry";

/** What a host says of trust, beyond how it is reached. */
export const trustNodeSettings = {
  engines: optional(z.array(z.enum(trustEngines)).min(1), {
    description:
      "Container engines that are to trust the registries; none at all is an error. An engine that leaves this list loses what this stack gave it.",
    defaultText: "all that the node has",
  }),
  installDocker: optional(z.enum(["apt", "snap"]), {
    description: "Install Docker where the node has none.",
    defaultText: "never",
  }),
  allowRestart: optional(z.boolean(), {
    description: "As `trust.allowRestart`, for this node.",
    defaultText: "as under `trust`",
  }),
  retain: optional(z.boolean(), {
    description: "`true`: when the node leaves the stack, or on destroy, leave it as it is and do not talk to it.",
    defaultText: "`false`",
  }),
};

/** What holds for all hosts of a stack. */
export const trustSettings = {
  allowRestart: optional(z.boolean(), {
    description:
      "May an engine be restarted where a reload is not enough? Its containers may stop. Such nodes go one at a time.",
    defaultText: "`false`",
  }),
  probe: optional(z.boolean(), {
    description: "Look at every node while previewing, and show what differs.",
    defaultText: "`false`",
  }),
  reapply: optional(text, {
    description: "Any text; another one applies everything again on every node, which puts drift right.",
  }),
  owner: optional(text, {
    description:
      "Under which name the nodes' ledgers keep what this stack adds; keep it once it is set. Entries of several owners stay until the last one goes.",
    defaultText: "project/stack/name",
  }),
};

/** A host whose engines are to trust the registries. */
export interface TrustNode extends HostNode, Arguments<typeof trustNodeSettings> {}

/** Settings of RegistryTrust. */
export interface RegistryTrustArgs extends Arguments<typeof trustSettings> {
  /** The hosts. */
  nodes: TrustNode[];
  /** What they are to trust. */
  registries: pulumi.Input<Registry[]>;
  /** How to reach the nodes. */
  ssh?: HostSsh;
  /** Order and limits. */
  rollout?: RolloutSettings;
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
