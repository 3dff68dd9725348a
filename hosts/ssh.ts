import type * as pulumi from "@pulumi/pulumi";

/** How to log in to a host by SSH. What is secret of it says `loginSecrets`. */
export interface HostLogin {
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
  /** Password of the SSH login; kept as a secret. Keys are better. */
  password?: pulumi.Input<string>;
  /** Socket of an SSH agent. Default: `SSH_AUTH_SOCK`. With an agent no key is in the state. */
  agentSocket?: string;
}

/** Settings of a login that are passwords or keys: secret in the state, and never shown. */
export const loginSecrets = ["privateKey", "privateKeyPassword", "password"] as const satisfies (keyof HostLogin)[];

/** How to reach hosts by SSH. Every field but the files with host keys may also be set for one host, which then wins. */
export interface HostSsh extends HostLogin {
  /** Password that sudo asks for; kept as a secret, sent on stdin. Default: none (root, or `NOPASSWD`). */
  sudoPassword?: pulumi.Input<string>;
  /** File(s) with host keys. Default: `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`. */
  knownHostsFile?: string | string[];
  /** A host to go through (jump host). It needs a known key as every host does. */
  bastion?: HostBastion;
}

/** A jump host. It is logged into as the hosts behind it are, unless it says otherwise; but its port is its own. */
export interface HostBastion extends HostLogin {
  /** Name or address that SSH connects to. */
  host: pulumi.Input<string>;
  /** Its public key, as in known_hosts. Default: from known_hosts. */
  hostKey?: pulumi.Input<string>;
}

/** A host that the program works on. */
export interface HostNode extends Omit<HostSsh, "knownHostsFile"> {
  /** Short unique name, part of resource names and of every message. */
  name: string;
  /** Name or address that SSH connects to. */
  host: pulumi.Input<string>;
  /** The host's public key, as in known_hosts or authorized_keys: `ssh-ed25519 AAAA…`. Default: from known_hosts. */
  hostKey?: pulumi.Input<string>;
}
