import { z } from "zod";
import { about, optional, table, text, withoutDefaults } from "../../schema";
import { architectures } from "../architecture";
import { configRest } from "../configToml/rest";
import type { DockerSettings } from "../configToml/settings/docker";
import type { RunnerSettings } from "../configToml/settings/runner";
import { pullPolicy } from "../configToml/settings/values";
import { images } from "../images";
import { nodeSizes } from "../sizes";
import { dockerWays } from "./ways";

/** What a pod tolerates; as Kubernetes writes it. */
const toleration = z.strictObject({
  key: optional(text, { description: "Key of the taint.", defaultText: "every key, with `operator: Exists`" }),
  operator: optional(z.enum(["Exists", "Equal"]), {
    description: "`Exists`: whatever the taint's value is.",
    defaultText: "`Equal`",
  }),
  value: optional(z.string(), { description: "Value of the taint, with `Equal`.", defaultText: "empty" }),
  effect: optional(z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]), {
    description: "Effect of the taint.",
    defaultText: "every effect",
  }),
  tolerationSeconds: optional(z.int(), {
    description: "Seconds that a pod may stay on a node that gets the taint, with `NoExecute`.",
    defaultText: "for ever",
  }),
});

/** Kubernetes quantities by resource. */
const quantities = optional(table, { description: "Such as `{cpu: 500m, memory: 256Mi}`.", defaultText: "by `size`" });

export type Toleration = z.infer<typeof toleration>;

/** Where the node's Docker listens unless said otherwise, and where jobs find it. */
export const defaultDockerSocket = "/var/run/docker.sock";

/** TCP port of the runner's metrics, and of its probes. */
export const defaultMetricsPort = 9252;

/** How long jobs may go on after the runner was told to stop, seconds. As long as GitLab's default job timeout. */
export const defaultDrainTimeout = 3600;

/** The longest that it may be set to: a day. */
export const longestDrain = 86400;

/** How a pull policy may be given: one, or several that are tried in order. */
const pullPolicies = z.union([pullPolicy, z.array(pullPolicy).min(1)]).transform((given) => [given].flat());

/** What every runner on the Docker of the nodes may set, each setting declared here and nowhere else. */
export const commonSettings = {
  concurrent: about(
    z.int().min(1).max(100).default(1),
    "Jobs at the same time, per node: two share the Pi's few resources. A change reaches running runners without a restart.",
  ),
  checkInterval: about(z.int().min(1).max(3600).default(3), "Seconds between two questions for work."),
  architecture: about(z.enum(architectures).optional(), {
    description: "Architecture of the nodes: chooses nodes and helper image, and checks the images.",
    defaultText: "any; images have to be multi-platform then",
  }),
  nodeSelector: about(table.optional(), {
    description: "Labels of the nodes that get the runner.",
    defaultText: "every Linux node (of `architecture`)",
  }),
  tolerations: about(z.array(toleration).optional(), {
    description: "Taints that the pods tolerate, as in Kubernetes.",
    defaultText: "none",
  }),
  priorityClassName: about(text.optional(), {
    description: "PriorityClass of the pods.",
    defaultText: "the cluster's",
  }),
  size: about(
    z.enum(nodeSizes).default("4GB"),
    "Memory of the nodes: decides the defaults of requests and limits, of pod and jobs.",
  ),
  resources: about(z.strictObject({ requests: quantities, limits: quantities }).optional(), {
    description:
      "Requests and limits of the runner's own container, as Kubernetes writes quantities. What is left out keeps its default; the other one of request and limit follows where it would contradict.",
    defaultText: "by `size`",
  }),
  image: about(
    text.default(images.runner),
    "Image of gitlab-runner. A change rolls the pods, each after its jobs have ended.",
  ),
  helperImage: about(text.optional(), {
    description: "Image of the runner's helper, of the same release as `image`.",
    defaultText: "by `architecture` and the release of `image`, else chosen by the runner itself",
  }),
  jobImage: about(text.optional(), {
    description: "Image of jobs that name none.",
    defaultText: `\`${images.job}\`, with \`dind-job\` that of \`dindImage\``,
  }),
  pullPolicy: about(
    pullPolicies.default(["always", "if-not-present"]),
    "When images are pulled: `always`, `if-not-present`, `never`, or a list that is tried in order.",
  ),
  allowedImages: about(z.array(text).optional(), {
    description: "Patterns of the images that jobs may use.",
    defaultText: "all",
  }),
  allowedServices: about(z.array(text).optional(), {
    description: "Patterns of the images that jobs may use as services.",
    defaultText: "all",
  }),
  imagePullSecrets: about(z.array(text).optional(), {
    description: "Names of Secrets to pull `image` with.",
    defaultText: "none",
  }),
  mtu: about(z.int().min(576).max(9216).optional(), {
    description: "Bytes; of the networks of jobs and inner daemons, where the network carries less than 1500.",
    defaultText: "Docker's, 1500",
  }),
  metricsPort: about(
    z.int().min(1024).max(65535).default(defaultMetricsPort),
    "TCP port of metrics and probes. A change rolls the pods.",
  ),
  drainTimeout: about(
    z.int().min(30).max(longestDrain).default(defaultDrainTimeout),
    "Seconds that jobs may go on when a pod is to stop; GitLab's own default for a job is an hour.",
  ),
  dockerSocket: about(
    z
      .string()
      .regex(/^(\/[\w.@+-]+){2,}$/, {
        error: 'must be a path such as "/run/docker.sock": letters, digits and ._@+- in a folder',
      })
      .default(defaultDockerSocket),
    "Path of the Docker socket on the nodes; snap's Docker has the usual one.",
  ),
};

/** What only the build modes with an inner daemon take. */
export const innerDaemonSettings = {
  dindImage: about(text.optional(), {
    description: "Image of the inner daemon; not for `dood`.",
    defaultText: `\`${images.dind}\``,
  }),
};

/** What one runner says for itself only. */
export const ownSettings = {
  config: about(configRest.optional(), {
    description:
      "Everything else that config.toml accepts, in its own words. Values replace those of the build mode; entries of `environment`, `volumes`, `extra_hosts` and `services` are added to its own, and take the place of those with the same name, destination, host or alias; `pre_build_script` runs after its own.",
    defaultText: "nothing",
  }),
};

/** Consent to a daemon that asks for no certificate. */
export const allowTlsOff = about(z.boolean().optional(), {
  description: "`true`: yes, without TLS; needed for `dind-plain`, and for nothing else.",
  defaultText: "`false`",
});

/** A container registry that inner daemons are to trust; RegistryTrust judges what stands in it. */
const registry = z.strictObject({ address: text, insecure: z.boolean().optional(), ca: z.string().optional() });

/** What a runner is given beside its own settings. */
export const placeSettings = {
  namespace: about(text, "Kubernetes namespace that its objects go to."),
  url: about(text, "Address of the GitLab instance, such as `https://gitlab.lan`."),
  serviceAccountName: about(text.optional(), {
    description: "Account that the pods run as; no token is mounted.",
    defaultText: "the namespace's `default`",
  }),
  hostAliases: about(table.optional(), {
    description: "Names that only the LAN knows, with their addresses; for pod, jobs and services.",
    defaultText: "none",
  }),
  serverCa: about(z.string().optional(), {
    description: "CA that signed the certificate of the GitLab instance, PEM.",
    defaultText: "the image's own CAs",
  }),
};

/** Registries that an inner daemon is to trust. */
export const innerRegistries = {
  registries: about(z.array(registry).optional(), {
    description: "Registries that the inner daemon is to trust.",
    defaultText: "none",
  }),
};

/** What every component of a runner takes for settings. */
export const componentSettings = z.strictObject({ ...placeSettings, ...commonSettings, ...ownSettings });

/** What those with an inner daemon take beside. */
export const innerDaemonComponentSettings = z.strictObject({
  ...innerDaemonSettings,
  ...innerRegistries,
  allowTlsOff,
});

/** Everything that decides how a runner with the Docker executor looks, except its token. */
export const dockerRunnerSettings = z.strictObject({
  name: text,
  way: z.enum(dockerWays),
  allowTlsOff,
  ...placeSettings,
  ...commonSettings,
  ...innerDaemonSettings,
  ...innerRegistries,
  ...ownSettings,
});

/** The settings of a runner as they were checked, defaults filled in. */
export type DockerRunnerSettings = z.output<typeof dockerRunnerSettings>;

/** The settings of a runner as they may be given. */
export type DockerRunnerInput = z.input<typeof dockerRunnerSettings>;

/** What the stack file may say of a runner, and of all of them, without the defaults. */
export const settableSettings = withoutDefaults({ ...commonSettings, ...innerDaemonSettings });

/** The `[[runners]]` section of `config`. */
export function ownRunner(settings: Pick<DockerRunnerSettings, "config">): Partial<RunnerSettings> {
  return settings.config?.runners?.[0] ?? {};
}

/** The `[runners.docker]` section of `config`. */
export function ownDocker(settings: Pick<DockerRunnerSettings, "config">): DockerSettings {
  return ownRunner(settings).docker ?? {};
}
