import { z } from "zod";
import { namespaceSettings } from "../components/namespace/settings";
import { trustNodeSettings, trustSettings } from "../components/registryTrust/args";
import { about, optional, table, text } from "../components/schema";
import { allowTlsOff, ownSettings, settableSettings } from "../components/runners/docker/settings";
import { dockerWays } from "../components/runners/docker/ways";
import { rolloutSettings } from "../hosts/rollout";
import { hostSettings, sshSettings } from "../hosts/ssh";

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
    z.strictObject(sshSettings).default({}),
    "How to log in to the nodes. A node may set each key but `knownHostsFile` for itself.",
  ),
  nodes: about(
    z.array(z.strictObject({ ...hostSettings, ...trustNodeSettings })).default([]),
    "Hosts whose container engines are to trust the registries. Without nodes no host is touched.",
  ),
  trust: about(
    z.strictObject({ ...rolloutSettings, ...trustSettings }).default({}),
    "How a change of trust is rolled out.",
  ),
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
  ...namespaceSettings,
});

/** The stack file as it was read: every key known, every value of the right kind. */
export type StackFile = z.infer<typeof stackSchema>;
