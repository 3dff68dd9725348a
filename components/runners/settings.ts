import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { about, optional, table, text } from "../schema";
import { architectures } from "./architecture";
import { configRest, type ConfigRest } from "./configToml/rest";
import type { RunnerSettings } from "./configToml/settings/runner";
import { pullPolicy } from "./configToml/settings/values";
import { images } from "./images";
import { proxySetting } from "./proxy";
import { nodeSizes } from "./sizes";

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
export const quantities = optional(table, {
  description: "Such as `{cpu: 500m, memory: 256Mi}`.",
  defaultText: "by `size`",
});

/** A folder on the nodes. */
export const folderPath = z.string().regex(/^(\/(?!\.\.(\/|$))[\w.@+-]+)+$/, {
  error: 'must be a path such as "/mnt/ssd/pi-runners": letters, digits and ._@+-, without ".."',
});

export type Toleration = z.infer<typeof toleration>;

/** Where a machine's Docker listens unless said otherwise, and where jobs find it. */
export const defaultDockerSocket = "/var/run/docker.sock";

/** TCP port of the runner's metrics, and of its probes. */
export const defaultMetricsPort = 9252;

/** How long jobs may go on after the runner was told to stop, seconds. As long as GitLab's default job timeout. */
export const defaultDrainTimeout = 3600;

/** The longest that it may be set to: a day. */
const longestDrain = 86400;

/** How a pull policy may be given: one, or several that are tried in order. */
const pullPolicies = z.union([pullPolicy, z.array(pullPolicy).min(1)]).transform((given) => [given].flat());

/** What every runner may set, whatever its executor. */
export const everySetting = {
  checkInterval: about(z.int().min(1).max(3600).default(3), "Seconds between two questions for work."),
  metricsPort: about(
    z.int().min(1024).max(65535).default(defaultMetricsPort),
    "TCP port of metrics and probes. A change restarts the runner, after its jobs have ended.",
  ),
  drainTimeout: about(
    z.int().min(30).max(longestDrain).default(defaultDrainTimeout),
    "Seconds that jobs may go on when the runner is to stop; GitLab's own default for a job is an hour.",
  ),
  proxy: proxySetting,
};

/** What every runner may set whose manager is a pod of the cluster. */
export const podSettings = {
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
  imagePullSecrets: about(z.array(text).optional(), {
    description: "Names of Secrets to pull `image` with.",
    defaultText: "none",
  }),
};

/** What every runner may set whose jobs are containers. */
export const containerSettings = {
  helperImage: about(text.optional(), {
    description: "Image of the runner's helper, of the same release as `image`.",
    defaultText: "by `architecture` and the release of `image`, else chosen by the runner itself",
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
};

/** A container registry that a runner's builds are to trust; RegistryTrust judges what stands in it. */
const registry = z.strictObject({ address: text, insecure: z.boolean().optional(), ca: z.string().optional() });

/** Registries that a runner's own builders are to trust. */
export const registriesSetting = z.array(registry).optional();

/** Pull-through mirrors of Docker Hub that a runner's own builders ask first. */
export const mirrorsSetting = z
  .array(
    z.string().regex(/^https?:\/\/[^/\s@]+\/?$/, {
      error: 'must be an address such as "http://10.43.7.7:5000", without a path',
    }),
  )
  .optional();

/** What a runner with an object in the cluster is given beside its own settings. */
export const placeSettings = {
  namespace: about(text, "Kubernetes namespace that its objects go to."),
  url: about(text, "Address of the GitLab instance, such as `https://gitlab.lan`."),
  hostAliases: about(table.optional(), {
    description: "Names that only the LAN knows, with their addresses; for pod, jobs and services.",
    defaultText: "none",
  }),
  serverCa: about(z.string().optional(), {
    description: "CA that signed the certificate of the GitLab instance, PEM.",
    defaultText: "the image's own CAs",
  }),
};

/** The rest of config.toml, with what a runner's executor says of lists that it adds to. */
export function configSetting(description: string): z.ZodOptional<typeof configRest> {
  return about(configRest.optional(), { description, defaultText: "nothing" });
}

/** The `[[runners]]` section of `config`. */
export function ownRunner(settings: { config?: ConfigRest }): Partial<RunnerSettings> {
  return settings.config?.runners?.[0] ?? {};
}

/** Timeouts of resources have to be known when the program runs: a drain that is not may be as long as any. */
export function drainOf({
  drainTimeout = defaultDrainTimeout,
}: {
  drainTimeout?: pulumi.Input<number | undefined>;
}): number {
  return typeof drainTimeout === "number" ? drainTimeout : longestDrain;
}
