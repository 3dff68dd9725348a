import { z } from "zod";
import { trustEngines } from "../components/registryTrust/engines";
import { about, type SettingMeta } from "../components/schema";
import { allowTlsOff, ownSettings, settableSettings } from "../components/runners/docker/settings";
import { dockerWays } from "../components/runners/docker/ways";

const text = z.string().min(1);
const table = z.record(z.string(), z.string());
const port = z.int().min(1).max(65535);

/** A text that must be encrypted in the stack file. */
function secret(description: string, defaultText = "none"): z.ZodOptional<z.ZodString> {
  return about(text.optional(), { description, defaultText, secret: true });
}

function optional<T extends z.ZodType>(type: T, meta: SettingMeta): z.ZodOptional<T> {
  return about(type.optional(), meta);
}

const registry = z.strictObject({
  address: about(
    text,
    "`host` or `host:port` as in image names, no scheme, no path; an insecure one may be a network.",
  ),
  insecure: about(z.boolean().optional(), {
    description: "`true`: plain HTTP, or HTTPS without verification.",
    defaultText: "`false`",
  }),
  caFile: optional(text, {
    description: "PEM file with the CA of the registry's certificate; better than `insecure`.",
    defaultText: "public CAs",
  }),
});

const user = optional(text, { description: "User to log in as: root, or one with sudo.", defaultText: "`root`" });
const sshPort = optional(port, { description: "TCP port of sshd.", defaultText: "22" });
const hostKey = optional(text, {
  description: "The host's public key, as in `/etc/ssh/ssh_host_ed25519_key.pub`: `ssh-ed25519 AAAA…`.",
  defaultText: "from `known_hosts`; an unknown host is refused",
});

/** Keys and passwords, of a node as of a jump host. */
const credentials = {
  privateKeyFile: optional(text, { description: "File with the private key.", defaultText: "the SSH agent" }),
  privateKey: secret("The private key itself, PEM.", "the one in `privateKeyFile`"),
  privateKeyPassword: secret("Passphrase of the private key."),
  agentSocket: optional(text, { description: "Socket of an SSH agent.", defaultText: "`SSH_AUTH_SOCK`" }),
  password: secret("Password of the SSH login; keys are better."),
};

const bastion = z.strictObject({
  host: about(text, "Name or address of the jump host."),
  port: sshPort,
  user,
  ...credentials,
  hostKey,
});

/** How to log in to a node. */
const login = {
  user,
  port: sshPort,
  ...credentials,
  sudoPassword: secret("Password that sudo asks for, sent on stdin.", "none (root, or `NOPASSWD`)"),
  bastion: optional(bastion, { description: "A jump host to go through.", defaultText: "none" }),
};

const node = z.strictObject({
  name: about(text, "A short unique name, part of resource names and messages."),
  host: about(text, "Name or address that SSH connects to."),
  hostKey,
  engines: optional(z.array(z.enum(trustEngines)).min(1), {
    description: "Container engines to configure.",
    defaultText: "all that the node has",
  }),
  installDocker: optional(z.enum(["apt", "snap"]), {
    description: "Install Docker where the node has none.",
    defaultText: "never",
  }),
  allowRestart: optional(z.boolean(), { description: "As `trust.allowRestart`, for this node." }),
  retain: optional(z.boolean(), {
    description: "`true`: leave the node as it is on destroy, and do not talk to it.",
    defaultText: "`false`",
  }),
  ...login,
});

const trust = z.strictObject({
  canary: optional(z.union([z.int().min(0), z.array(text)]), {
    description: "How many nodes go first, or their names; when one fails no other is touched.",
    defaultText: "1",
  }),
  batchSize: optional(z.int().min(1), { description: "Nodes at the same time after that.", defaultText: "10" }),
  maxFailures: optional(z.int().min(0), {
    description: "How many nodes, canary aside, may fail; once more have, no further batch begins.",
    defaultText: "1",
  }),
  allowRestart: optional(z.boolean(), {
    description: "May an engine be restarted where a reload is not enough? Its containers may stop.",
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
    description: "Under which name the nodes' ledgers keep what this stack adds; keep it once it is set.",
    defaultText: "project/stack/name",
  }),
});

const waitForNodes = optional(z.boolean(), {
  description: "`false`: a node that is switched off does not hold an update up, and an unhealthy pod is not noticed.",
  defaultText: "`true`",
});

const runner = z.strictObject({
  name: about(text, "Unique; name of the runner's objects, and key of its token."),
  way: about(
    z.enum(dockerWays),
    "How its jobs build: `dood` (the node's Docker), `dind` (Docker in Docker as a service with TLS), `dind-job` (a daemon inside the job), `dind-plain` (a service without TLS).",
  ),
  allowTlsOff,
  tags: optional(z.array(text), {
    description: "Its tags in GitLab, for the printed pipelines.",
    defaultText: "its name",
  }),
  ...settableSettings,
  waitForNodes,
  ...ownSettings,
});

const token = about(z.string(), { description: "A token.", secret: true });

/** The whole stack file, below the namespace `pi-runners:`. */
export const stackSchema = z.strictObject({
  kubeconfig: optional(text, {
    description: "Kubeconfig file, relative to the project or from `~/`.",
    defaultText: "what kubectl uses (`KUBECONFIG`, then `~/.kube/config`)",
  }),
  context: optional(text, { description: "Context of the kubeconfig.", defaultText: "its current one" }),
  namespace: about(
    text.default("gitlab-runners"),
    "Kubernetes namespace of the runners; this stack makes and removes it.",
  ),
  gitlab: about(
    z.strictObject({
      url: about(text, "Address of the instance, such as `https://gitlab.lan`."),
      caFile: optional(text, {
        description: "PEM file with the CA of its certificate, where that is a private one.",
        defaultText: "public CAs",
      }),
    }),
    "The GitLab instance.",
  ),
  registries: about(
    z.array(registry).min(1),
    "Container registries that nodes, runners and builds are to trust, at least one.",
  ),
  hostAliases: about(
    table.default({}),
    "Names that only the LAN knows, each with its address: `{gitlab.lan: 192.168.1.10}`. Runner pods, jobs and services get them in their hosts files.",
  ),
  ssh: about(
    z
      .strictObject({
        ...login,
        knownHostsFile: optional(z.union([text, z.array(text).min(1)]), {
          description: "File with host keys, or a list of them.",
          defaultText: "`~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`",
        }),
      })
      .default({}),
    "How to log in to the nodes. A node may set each key but `knownHostsFile` for itself.",
  ),
  nodes: about(
    z.array(node).default([]),
    "Hosts whose container engines are to trust the registries. Without nodes no host is touched.",
  ),
  trust: about(trust.default({}), "How a change of trust is rolled out."),
  runnerDefaults: about(
    z.strictObject({ ...settableSettings, waitForNodes }).default({}),
    "Settings that every runner has unless it sets them itself.",
  ),
  runners: about(z.array(runner).min(1), "The runners, at least one."),
  tokens: about(z.record(z.string(), token).default({}), {
    description:
      "The runners' authentication tokens by name, as secrets: `pulumi config set --path --secret 'tokens.NAME' glrt-…`",
  }),
  registrationTokens: about(z.record(z.string(), token).default({}), {
    description: "Legacy registration tokens. Not supported; here so that the refusal can say what to do.",
  }),
  metricsFrom: about(table.default({}), {
    description:
      "Labels of the namespaces whose pods may read the runners' metrics: `{kubernetes.io/metadata.name: monitoring}`.",
    defaultText: "none may",
  }),
  egressPorts: about(z.array(port).default([]), {
    description: "Further TCP ports that runner pods may reach, such as an S3 cache's.",
    defaultText: "only DNS and GitLab's",
  }),
  quota: about(table.default({}), {
    description: "Hard limits of the namespace's ResourceQuota.",
    defaultText: "no load balancers, node ports or storage claims",
  }),
});

/** The stack file as it was read: every key known, every value of the right kind. */
export type StackFile = z.infer<typeof stackSchema>;
