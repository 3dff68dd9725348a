import * as pulumi from "@pulumi/pulumi";
import type { Registry } from "../node/registry";

/** How to reach nodes by SSH. Every field may also be set for one node, which then wins. */
export interface TrustSsh {
  /** User to log in as: root, or a user with sudo. Default: `root`. */
  user?: pulumi.Input<string>;
  /** TCP port of sshd. Default: 22. */
  port?: number;
  /** Private key as PEM text; kept as a secret. Default: the key in `privateKeyFile`, else the SSH agent. */
  privateKey?: pulumi.Input<string>;
  /** File with the private key, read when the program runs; `~/` is the home directory. */
  privateKeyFile?: string;
  /** Passphrase of the private key; kept as a secret. */
  privateKeyPassword?: pulumi.Input<string>;
  /** Socket of an SSH agent. Default: `SSH_AUTH_SOCK`. With an agent no key is in the state. */
  agentSocket?: string;
  /** Password of the SSH login; kept as a secret. Keys are better. */
  password?: pulumi.Input<string>;
  /** Password that sudo asks for; kept as a secret, sent on stdin. Default: none (root, or `NOPASSWD`). */
  sudoPassword?: pulumi.Input<string>;
  /** File(s) with host keys. Default: `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`. */
  knownHostsFile?: string | string[];
  /** A host to go through (jump host). It needs a known key as every node does. */
  bastion?: TrustBastion;
}

/** A jump host. */
export interface TrustBastion {
  host: string;
  port?: number;
  user?: pulumi.Input<string>;
  privateKey?: pulumi.Input<string>;
  privateKeyFile?: string;
  privateKeyPassword?: pulumi.Input<string>;
  password?: pulumi.Input<string>;
  agentSocket?: string;
  hostKey?: string;
}

/** What runs containers on a node and is to trust the registries. */
export type TrustEngine = "docker" | "containerd" | "microk8s" | "k3s" | "buildkit";

/** A host whose engines are to trust the registries. */
export interface TrustNode extends Omit<TrustSsh, "knownHostsFile"> {
  /** Short unique name, part of resource names and of every message. */
  name: string;
  /** Name or address that SSH connects to. */
  host: string;
  /** The host's public key, as in known_hosts or authorized_keys: `ssh-ed25519 AAAA…`. Default: from known_hosts. */
  hostKey?: string;
  /** Engines to configure. Default: every one that the node has; none at all is an error. */
  engines?: TrustEngine[];
  /** Install Docker when the node has no engine: by apt, or as a snap. Default: never. */
  installDocker?: "apt" | "snap";
  /** Overrides `allowRestart` of the component for this node. */
  allowRestart?: boolean;
  /** True: when the node leaves the stack, or on destroy, leave it as it is and do not talk to it. Default: false. */
  retain?: boolean;
}

/** In which order nodes get a change, and when to stop. */
export interface TrustRollout {
  /** How many nodes go first, alone, or their names; if one fails, no other node is touched. Default: 1. */
  canary?: number | string[];
  /** How many nodes after the canary at the same time. Default: 10. */
  batchSize?: number;
  /** How many nodes, the canary aside, may fail before no further batch is begun. Default: 1. */
  maxFailures?: number;
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
  ssh?: TrustSsh;
  /** Order and limits. */
  rollout?: TrustRollout;
  /** May an engine be restarted when a reload is not enough? Containers may stop then. Default: false. */
  allowRestart?: boolean;
  /** Look at every node while previewing, and show what differs. Default: false. */
  probe?: boolean;
}

/** What one node reported when trust was last applied. */
export interface NodeTrust {
  node: string;
  /** Machine architecture as the kernel names it: aarch64, armv7l, x86_64. */
  architecture: string;
  /** Engines that were looked at, with what was done for each. */
  engines: {
    engine: TrustEngine;
    version: string;
    /** How the change took effect: nothing to do, re-read files, reload (HUP), or restart. */
    how: "none" | "files" | "reload" | "restart";
    trusted: string[];
  }[];
  warnings: string[];
}
