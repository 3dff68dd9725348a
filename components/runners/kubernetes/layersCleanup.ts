import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { asRoot } from "../../../hosts/asRoot";
import { hostConnections } from "../../../hosts/connection";
import type { HostSsh } from "../../../hosts/ssh";
import { refuseInvalid } from "../../inputErrors";
import type { CleanupNode } from "../cleanupNode";
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
    const { connections, errors } = hostConnections(args.nodes, args.ssh);
    refuseInvalid(`LayersCleanup ${name}`, errors, this);
    const patience = drainOf(args) + 300;
    const remove = pulumi
      .all([namespace, runnerName ?? name, hostFolder])
      .apply(([place, runner, folder]) => layersCleanupScript(place, runner, folder, patience));
    for (const node of args.nodes) {
      const after = args.after?.[node.name];
      const password = node.sudoPassword ?? args.ssh?.sudoPassword;
      new remote.Command(
        `${name}-layers-${node.name}`,
        {
          connection: connections.get(node.name)!,
          delete: remove.apply((script) => asRoot(node.name, script)),
          stdin: password === undefined ? "\n" : pulumi.secret(password).apply((text) => `${text}\n`),
          addPreviousOutputInEnv: false,
          // What is in another place belongs to another command: this one's delete still knows the old one.
          triggers: [namespace, runnerName ?? name, hostFolder],
        },
        {
          parent: this,
          retainOnDelete: node.retain,
          dependsOn: after === undefined ? [] : [after],
          customTimeouts: { delete: `${patience + 900}s` },
        },
      );
    }
    this.registerOutputs({});
  }
}
