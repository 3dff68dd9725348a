import { z } from "zod";
import { about, text, withoutDefaults } from "../../schema";
import type { kubernetes } from "../configToml/settings/kubernetes";
import { waysByExecutor } from "../executors";
import { images } from "../images";
import {
  configSetting,
  containerSettings,
  everySetting,
  mirrorsSetting,
  ownRunner,
  placeSettings,
  podSettings,
  registriesSetting,
} from "../settings";

/** The words of config.toml's `[runners.kubernetes]`. */
export type KubernetesSection = z.infer<typeof kubernetes>;

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
};

/** Registries that builds in pods are to trust. */
export const buildRegistries = {
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

/** The settings of a runner as they may be given. */
export type KubernetesRunnerInput = z.input<typeof kubernetesRunnerSettings>;

/** What the stack file may say of a runner, and of all of them, without the defaults. */
export const settableSettings = withoutDefaults(commonSettings);

/** The `[runners.kubernetes]` section of `config`. */
export function ownKubernetes(settings: Pick<KubernetesRunnerSettings, "config">): KubernetesSection {
  return ownRunner(settings).kubernetes ?? {};
}
