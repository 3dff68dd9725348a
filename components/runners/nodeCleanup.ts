import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { asRoot } from "../../hosts/asRoot";
import { hostConnections } from "../../hosts/connection";
import type { HostNode, HostSsh } from "../../hosts/ssh";
import { refuseInvalid } from "../inputErrors";

/** A host on which a runner may leave something. */
export interface CleanupNode extends HostNode {
  /** True: what the runner left stays, and the node is not talked to. Default: false. */
  retain?: boolean;
}

/** The hosts that a component cleans up when it goes. */
interface CleanupHosts {
  nodes: CleanupNode[];
  ssh?: HostSsh;
  after?: Readonly<Record<string, pulumi.Resource>>;
}

/** What is run on each of them then. */
interface Removal {
  /** Words before a host's name in the names of the commands. */
  prefix: string;
  /** In POSIX sh, as root. */
  script: pulumi.Output<string>;
  /** Another value of one of these makes another command, and the old one's script still runs. */
  triggers?: pulumi.Input<string>[];
  /** How long it may take, seconds. Default: Pulumi's. */
  timeout?: number;
}

/**
 * A command for each host that does nothing, and connects to no host, until it goes itself.
 *
 * @param what the component, in the message for errors
 * @throws InvalidInputsError naming every error of the hosts and their logins
 */
export function cleanUpOnRemoval(
  component: pulumi.ComponentResource,
  what: string,
  { nodes, ssh, after }: CleanupHosts,
  { prefix, script, triggers, timeout }: Removal,
): void {
  const { connections, errors } = hostConnections(nodes, ssh);
  refuseInvalid(what, errors, component);
  for (const node of nodes) {
    const first = after?.[node.name];
    const password = node.sudoPassword ?? ssh?.sudoPassword;
    new remote.Command(
      `${prefix}-${node.name}`,
      {
        connection: connections.get(node.name)!,
        delete: script.apply((text) => asRoot(node.name, text)),
        stdin: password === undefined ? "\n" : pulumi.secret(password).apply((text) => `${text}\n`),
        addPreviousOutputInEnv: false,
        triggers,
      },
      {
        parent: component,
        retainOnDelete: node.retain,
        dependsOn: first === undefined ? [] : [first],
        customTimeouts: timeout === undefined ? undefined : { delete: `${timeout}s` },
      },
    );
  }
}
