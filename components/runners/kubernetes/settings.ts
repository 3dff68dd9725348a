import { z } from "zod";
import { about, optional, table, text, withoutDefaults } from "../../schema";
import type { kubernetes } from "../configToml/settings/kubernetes";
import { waysByExecutor } from "../executors";
import { images } from "../images";
import {
  configSetting,
  containerSettings,
  everySetting,
  folderPath,
  mirrorsSetting,
  ownRunner,
  placeSettings,
  podSettings,
  registriesSetting,
} from "../settings";
import { deploymentPatch } from "./deployment";

/** The words of config.toml's `[runners.kubernetes]`. */
export type KubernetesSection = z.infer<typeof kubernetes>;

/** What stands for what is not said of `buildCache`. */
export const buildCacheDefaults = { image: images.buildkit, maxSize: "8GB", minFree: 20, olderThan: 168 } as const;

/** What a runner with the Kubernetes executor may set beside what every runner in the cluster may. */
export const commonSettings = {
  concurrent: about(
    z.int().min(1).max(100).default(4),
    "Jobs at the same time, per replica; each is a pod, which waits until a node has room for it. A change reaches running runners without a restart.",
  ),
  replicas: about(
    z.int().min(1).max(10).default(1),
    "Runner managers, each a pod that takes `concurrent` jobs. More than one keeps taking jobs while a node is drained.",
  ),
  ...everySetting,
  ...podSettings,
  ...containerSettings,
  jobImage: about(text.optional(), {
    description: "Image of jobs that name none.",
    defaultText: `\`${images.buildah}\``,
  }),
  buildCache: about(
    z
      .strictObject({
        hostFolder: about(
          folderPath,
          "Folder on the nodes below which layers are kept, such as `/var/lib/pi-runners-layers`, or one on an SSD. It has to be on a disk, not on an overlay. The level of the namespace becomes `privileged` by it; jobs' pods have the same rights as without. A change begins with an empty one, and removes the old one.",
        ),
        image: optional(text, {
          description:
            "Image of the printed pipeline, with `buildctl-daemonless.sh`, and `flock`. Jobs may always use it.",
          defaultText: `\`${images.buildkit}\``,
        }),
        maxSize: optional(z.string().regex(/^[1-9]\d*[MG]B$/, { error: 'must be a size such as "8GB"' }), {
          description:
            "What a project may have on a node, for each of its jobs at the same time; what was not used for longest goes first, and more of it while less of the disk is free than `minFree` and a quarter of it.",
          defaultText: `\`${buildCacheDefaults.maxSize}\``,
        }),
        minFree: optional(z.int().min(0).max(75), {
          description:
            "Percent of the disk, and of its inodes, that are to be free; with less, layers that no job has just now go. The kubelet removes images and pods with 10 to 15.",
          defaultText: `\`${buildCacheDefaults.minFree}\``,
        }),
        olderThan: optional(z.int().min(1).max(8760), {
          description: "Hours after which what no job used goes.",
          defaultText: `\`${buildCacheDefaults.olderThan}\`, a week`,
        }),
        seLinuxOptions: optional(table, {
          description:
            "On nodes with SELinux: `seLinuxOptions` of the pods that use the folder, as Kubernetes writes them.",
          defaultText: "the cluster's",
        }),
      })
      .optional(),
    {
      description:
        "Builds with BuildKit keep layers and build cache on each node for the next job of the same project, and the printed pipeline builds with BuildKit. Branches of a project share them, protected ones too; docs/ways.md says what to do about it.",
      defaultText: "none: each build begins with nothing",
    },
  ),
  hostUsers: about(z.boolean().optional(), {
    description:
      "`false`: root in a job's pod is nobody on the node (user namespaces for pods). It needs Kubernetes 1.33, containerd 2.0, runc 1.2 and Linux 6.3 on each node.",
    defaultText: "the cluster's, `true`",
  }),
};

/** What one runner says for itself only. */
export const ownSettings = {
  config: configSetting(
    "Everything else that config.toml accepts, in its own words: all of `[runners.kubernetes]` with `pod_spec`, and `[runners.cache]`. Values replace those of the build mode; entries of `environment`, `volumes`, `host_aliases` and `pod_spec` are added to its own.",
  ),
  deployment: optional(deploymentPatch, {
    description:
      "What the manager's Deployment is to have besides, in Kubernetes' own words: `{metadata: …, spec: {strategy: …, template: {metadata: …, spec: …}}}`. It goes over ours as a strategic merge patch does; the manager's container is called `runner`, and `null` removes. What the runner depends on is refused; Kubernetes judges the rest. docs/ways.md has an example. A change of the template rolls the pods, each after its jobs have ended.",
    defaultText: "nothing",
  }),
};

/** Registries that builds in pods are to trust. */
const buildRegistries = {
  registries: about(registriesSetting, {
    description: "Registries that builds in the jobs' pods are to trust.",
    defaultText: "none",
  }),
  mirrors: about(mirrorsSetting, {
    description: "Mirrors of Docker Hub that builds in the jobs' pods ask first, such as `RegistryMirror.url`.",
    defaultText: "none",
  }),
};

/** What the component takes for settings. */
export const componentSettings = z.strictObject({
  ...placeSettings,
  ...commonSettings,
  ...buildRegistries,
  ...ownSettings,
});

/** Everything that decides how a runner with the Kubernetes executor looks, except its token. */
export const kubernetesRunnerSettings = z.strictObject({
  name: text,
  way: z.enum(waysByExecutor.kubernetes),
  ...componentSettings.shape,
});

/** The settings of a runner as they were checked, defaults filled in. */
export type KubernetesRunnerSettings = z.output<typeof kubernetesRunnerSettings>;

/** What is said of the layers that builds keep on nodes. */
export type BuildCache = NonNullable<KubernetesRunnerSettings["buildCache"]>;

/** The settings of a runner as they may be given. */
export type KubernetesRunnerInput = z.input<typeof kubernetesRunnerSettings>;

/** What the stack file may say of a runner, and of all of them, without the defaults. */
export const settableSettings = withoutDefaults(commonSettings);

/** The `[runners.kubernetes]` section of `config`. */
export function ownKubernetes(settings: Pick<KubernetesRunnerSettings, "config">): KubernetesSection {
  return ownRunner(settings).kubernetes ?? {};
}
