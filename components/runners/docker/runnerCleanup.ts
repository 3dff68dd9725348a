import * as pulumi from "@pulumi/pulumi";
import type { HostSsh } from "../../../hosts/ssh";
import { cleanUpOnRemoval, type CleanupNode } from "../nodeCleanup";
import { cleanupScript } from "./cleanupScript";

/** Settings of RunnerCleanup. */
export interface RunnerCleanupArgs {
  /** The namespace of the runner. */
  namespace: pulumi.Input<string>;
  /** Name of the runner. Default: the component's own name. */
  runnerName?: pulumi.Input<string>;
  /** The hosts. Others keep what the runner left there; docs/nodes.md says what that is. */
  nodes: CleanupNode[];
  /** How to reach them. */
  ssh?: HostSsh;
  /**
   * By a node's name, what has to succeed there first, such as RegistryTrust's `commands`: a node that was never reached
   * has nothing to remove, and must not be asked for it. Default: nothing.
   */
  after?: Readonly<Record<string, pulumi.Resource>>;
}

/**
 * Removes what a runner leaves on its nodes when it goes: its folder, and the cache volumes of its jobs. Until then it does
 * nothing, and connects to no node. The runner and its namespace have to depend on it, so that they go first; where the
 * runner still runs, nothing is removed.
 */
export class RunnerCleanup extends pulumi.ComponentResource {
  /** @throws InvalidInputsError naming every error of the hosts and their logins */
  public constructor(name: string, args: RunnerCleanupArgs, opts?: pulumi.ComponentResourceOptions) {
    super(
      "pi-runners:index:RunnerCleanup",
      name,
      { namespace: args.namespace, runnerName: args.runnerName, nodes: args.nodes.map((node) => node.name) },
      opts,
    );
    const script = pulumi
      .all([args.namespace, args.runnerName ?? name])
      .apply(([namespace, runner]) => cleanupScript(namespace, runner));
    cleanUpOnRemoval(this, `RunnerCleanup ${name}`, args, { prefix: `${name}-cleanup`, script });
    this.registerOutputs({});
  }
}
