import { z } from "zod";
import { about, inherited, optional, port, secret, text, type Arguments } from "../components/schema";

const hostKey = optional(text, {
  description: "The host's public key, as in `/etc/ssh/ssh_host_ed25519_key.pub`: `ssh-ed25519 AAAA…`.",
  defaultText: "from `known_hosts`; an unknown host is refused",
});

const secrets = {
  privateKey: secret("The private key itself, PEM.", "the one in `privateKeyFile`"),
  privateKeyPassword: secret("Passphrase of the private key."),
  password: secret("Password of the SSH login; keys are better."),
};

/** How to log in to a host by SSH, of a jump host too. */
const login = {
  user: optional(text, { description: "User to log in as: root, or one with sudo.", defaultText: "`root`" }),
  port: optional(port, { description: "TCP port of sshd.", defaultText: "22" }),
  privateKeyFile: optional(text, {
    description: "File with the private key, read when the program runs; `~/` is the home directory.",
    defaultText: "the SSH agent",
  }),
  agentSocket: optional(text, {
    description: "Socket of an SSH agent. With an agent no key is in the state.",
    defaultText: "`SSH_AUTH_SOCK`",
  }),
  ...secrets,
};

/** What stands for a setting that a host or a jump host leaves out. */
const asUnderSsh = "as under `ssh`";

/** A jump host. It is logged into as the hosts behind it are, unless it says otherwise; but its port is its own. */
const bastionSettings = {
  host: about(text, "Name or address of the jump host."),
  ...inherited(login, asUnderSsh),
  port: login.port,
  hostKey,
};

const shared = {
  ...login,
  sudoPassword: secret("Password that sudo asks for, sent on stdin.", "none (root, or `NOPASSWD`)"),
  bastion: optional(z.strictObject(bastionSettings), {
    description: "A jump host to go through. It needs a known key as every host does.",
    defaultText: "none",
  }),
};

/** How to reach hosts. Every setting but the files with host keys may also be one host's own, which then wins. */
export const sshSettings = {
  ...shared,
  knownHostsFile: optional(z.union([text, z.array(text).min(1)]), {
    description: "File with host keys, or a list of them.",
    defaultText:
      "`~/.ssh/known_hosts`, or what `PI_RUNNERS_KNOWN_HOSTS` in the environment names, and `/etc/ssh/ssh_known_hosts`",
  }),
};

/** A host that the program works on. */
export const hostSettings = {
  name: about(text, "A short unique name, part of resource names and messages."),
  host: about(text, "Name or address that SSH connects to."),
  hostKey,
  ...inherited(shared, asUnderSsh),
};

/** The name of a secret setting. */
export type LoginSecret = keyof typeof secrets;

/** Settings of a login that are passwords or keys: secret in the state, and never shown. */
export const loginSecrets = Object.keys(secrets) as LoginSecret[];

/** How to log in to a host by SSH. */
export interface HostLogin extends Arguments<typeof login, "user" | LoginSecret> {}

/** A jump host. */
export interface HostBastion extends Arguments<typeof bastionSettings, "host" | "hostKey" | "user" | LoginSecret> {}

/** How to reach a host, apart from where it is. */
export interface HostAccess extends Omit<Arguments<typeof shared, "user" | "sudoPassword" | LoginSecret>, "bastion"> {
  /** A jump host to go through. Default: none. */
  bastion?: HostBastion;
}

/** How to reach hosts by SSH. */
export interface HostSsh extends HostAccess, Pick<Arguments<typeof sshSettings>, "knownHostsFile"> {}

/** A host that the program works on. */
export interface HostNode
  extends HostAccess, Pick<Arguments<typeof hostSettings, "host" | "hostKey">, "name" | "host" | "hostKey"> {}
