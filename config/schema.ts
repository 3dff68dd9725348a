import { z } from "zod";
import { mirrorSettings } from "../components/mirror/settings";
import { namespaceSettings } from "../components/namespace/settings";
import { trustNodeSettings, trustSettings } from "../components/registryTrust/args";
import { about, optional, table, text } from "../components/schema";
import * as docker from "../components/runners/docker/settings";
import { executorOf, waysByExecutor, type Executor } from "../components/runners/executors";
import * as kubernetes from "../components/runners/kubernetes/settings";
import * as shell from "../components/runners/shell/settings";
import { rolloutSettings } from "../hosts/rollout";
import { instanceSettings, tokenSettings } from "../components/token/settings";
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

/** What a node's entry says of the machine, for the sums of what runners may take of it. */
const machineSettings = {
  memory: optional(
    z.string().regex(/^\d+(\.\d+)?([KMG]i|[kMG])$/, {
      error: 'must be an amount of memory as Kubernetes writes it, such as "4Gi" or "3793Mi"',
    }),
    {
      description:
        "The node's memory, such as `4Gi`. Previews then warn where all runners that may run there could take more at once.",
      defaultText: "nothing is added up",
    },
  ),
  labels: optional(table, {
    description:
      "Labels that the node has in Kubernetes, as far as a `nodeSelector` or `architecture` asks for them: which runners count for its `memory`. Nothing is labelled by it.",
    defaultText:
      "`kubernetes.io/hostname` is its `name`; a label that any entry names, a node whose entry lacks it does not have; one that no entry names is taken for given",
  }),
};

const waitForNodes = optional(z.boolean(), {
  description: "`false`: a node that is switched off does not hold an update up, and an unhealthy pod is not noticed.",
  defaultText: "`true`",
});

const wayMeaning =
  "How its jobs build: `dood` (the node's Docker), `dind` (Docker in Docker as a service with TLS), `dind-job` (a daemon inside the job), `dind-plain` (a service without TLS), `dind-resident` (an engine in the runner's pod, for nodes without Docker), `kubernetes` (unprivileged pods, with Buildah), `shell` (a shell on hosts, with their Docker).";

/** What every runner says for itself, whatever its executor. */
const identity = {
  name: about(text, "Unique; name of the runner's objects, and key of its token."),
  tags: optional(z.array(text), {
    description: "Its tags in GitLab: a runner that the stack creates gets them, and the printed pipelines have them.",
    defaultText: "its name",
  }),
  gitlab: optional(z.strictObject(instanceSettings), {
    description: "Its GitLab instance, where that is another one than the stack's.",
    defaultText: "the stack's",
  }),
  ...tokenSettings,
};

/** What all runners of an executor may have in common; a stack file says it in `runnerDefaults` or of one runner. */
const defaults = {
  docker: { ...docker.settableSettings, waitForNodes },
  kubernetes: { ...kubernetes.settableSettings, waitForNodes },
  shell: shell.settableSettings,
} satisfies Record<Executor, z.ZodRawShape>;

/** A runner, by its executor: the way that it builds in says which. */
export const runnerSchemas = {
  docker: z.strictObject({
    ...identity,
    way: about(z.enum(waysByExecutor.docker), wayMeaning),
    allowTlsOff: docker.allowTlsOff,
    ...defaults.docker,
    ...docker.ownSettings,
  }),
  kubernetes: z.strictObject({
    ...identity,
    way: about(z.enum(waysByExecutor.kubernetes), wayMeaning),
    ...defaults.kubernetes,
    ...kubernetes.ownSettings,
  }),
  shell: z.strictObject({
    ...identity,
    way: about(z.enum(waysByExecutor.shell), wayMeaning),
    hosts: about(z.array(text).min(1), "Names of the `nodes` that get the runner."),
    ...shell.rolloutOfRunner,
    ...defaults.shell,
    ...shell.ownSettings,
  }),
} satisfies Record<Executor, z.ZodObject>;

const runner = z.discriminatedUnion("way", [runnerSchemas.docker, runnerSchemas.kubernetes, runnerSchemas.shell]);

/** A runner of the stack file with the executor that runs its way: one of these for each executor. */
export type RunnerEntry = {
  [E in Executor]: { executor: E; runner: z.infer<(typeof runnerSchemas)[E]> };
}[Executor];

/** Tells runners of different executors apart, for the compiler too. */
export function runnerEntry(given: z.infer<typeof runner>): RunnerEntry {
  return { executor: executorOf(given.way), runner: given } as RunnerEntry;
}

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
  gitlab: about(z.strictObject(instanceSettings), "The GitLab instance."),
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
    z.array(z.strictObject({ ...hostSettings, ...trustNodeSettings, ...machineSettings })).default([]),
    "Hosts whose container engines are to trust the registries, and on which runners of way `shell` may run. Without nodes no host is touched.",
  ),
  trust: about(
    z.strictObject({ ...rolloutSettings, ...trustSettings }).default({}),
    "How a change of trust is rolled out.",
  ),
  runnerDefaults: about(
    // What a setting of several executors means is said of the first.
    z.strictObject({ ...defaults.shell, ...defaults.kubernetes, ...defaults.docker }).default({}),
    "Settings that every runner has unless it sets them itself, each for the runners whose executor knows it.",
  ),
  runners: about(z.array(runner).min(1), "The runners, at least one."),
  tokens: about(z.record(z.string(), token).default({}), {
    description:
      "The runners' authentication tokens by name, as secrets: `pulumi config set --path --secret 'tokens.NAME' glrt-…`",
  }),
  registrationTokens: about(z.record(z.string(), token).default({}), {
    description:
      "Legacy registration tokens by runner, as secrets: a Job in the cluster registers the runner. GitLab has them off by default since 17.0, and removes them in 20.0; better `create`.",
  }),
  mirror: optional(
    z.strictObject({
      enabled: about(z.boolean().default(false), "`true`: the stack has the mirror."),
      ...mirrorSettings,
    }),
    {
      description:
        "A pull-through mirror of Docker Hub in the cluster, which the builders of all runners but `dood` and `shell` ask first. Where it does not answer, they ask Docker Hub itself.",
      defaultText: "none",
    },
  ),
  ...namespaceSettings,
});

/** The stack file as it was read: every key known, every value of the right kind. */
export type StackFile = z.infer<typeof stackSchema>;
