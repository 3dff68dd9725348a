import * as pulumi from "@pulumi/pulumi";
import type { HostSsh } from "../../../hosts/ssh";
import { cleanUpOnRemoval, type CleanupNode } from "../nodeCleanup";
import { drainOf } from "../settings";
import { layersCleanupScript } from "./layersCleanupScript";

/** Settings of LayersCleanup. */
export interface LayersCleanupArgs {
  /** The namespace of the runner. */
  namespace: pulumi.Input<string>;
  /** Name of the runner. Default: the component's own name. */
  runnerName?: pulumi.Input<string>;
  /** Folder on the hosts below which the runner's builds keep layers: its `buildCache.hostFolder`. */
  hostFolder: pulumi.Input<string>;
  /** The runner's `drainTimeout`: what its jobs have is waited for as long, seconds. Default: 3600. */
  drainTimeout?: pulumi.Input<number | undefined>;
  /** The hosts. Others keep what the runner left there; docs/nodes.md says what that is. */
  nodes: CleanupNode[];
  /** How to reach them. */
  ssh?: HostSsh;
  /** By a node's name, what has to succeed there first, as of RunnerCleanup. Default: nothing. */
  after?: Readonly<Record<string, pulumi.Resource>>;
}

/**
 * Removes the layers that a KubernetesRunner's builds kept on nodes, when the runner goes, keeps none any more, or keeps them
 * elsewhere. Until then it does nothing, and connects to no node. The runner has to depend on it, so that it goes, or is
 * changed, first.
 */
export class LayersCleanup extends pulumi.ComponentResource {
  /** @throws InvalidInputsError naming every error of the hosts and their logins */
  public constructor(name: string, args: LayersCleanupArgs, opts?: pulumi.ComponentResourceOptions) {
    const { namespace, runnerName, hostFolder } = args;
    const nodes = args.nodes.map((node) => node.name);
    super("pi-runners:index:LayersCleanup", name, { namespace, runnerName, hostFolder, nodes }, opts);
    const patience = drainOf(args) + 300;
    const script = pulumi
      .all([namespace, runnerName ?? name, hostFolder])
      .apply(([place, runner, folder]) => layersCleanupScript(place, runner, folder, patience));
    cleanUpOnRemoval(this, `LayersCleanup ${name}`, args, {
      prefix: `${name}-layers`,
      script,
      // What is in another place belongs to another command: this one's delete still knows the old one.
      triggers: [namespace, runnerName ?? name, hostFolder],
      timeout: patience + 900,
    });
    this.registerOutputs({});
  }
}
