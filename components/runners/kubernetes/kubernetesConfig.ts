import { merge } from "../configToml/merge";
import type { ConfigToml } from "../configToml/settings/config";
import type { PullPolicy } from "../configToml/settings/values";
import { helperImage, images } from "../images";
import { presetConfig } from "../manager/config";
import { hostAliases, nodeLabels } from "../manager/pod";
import { hasProxy, proxyEnvironment } from "../proxy";
import type { Toleration } from "../settings";
import { budgets } from "../sizes";
import { keepLayersEnvironment, keepLayersScript, layersImage, layersPatch } from "./buildCache";
import { buildkitFolder, containersFolder, containersItems, imageStore } from "./buildFiles";
import { objectNames } from "./names";
import { ownKubernetes, type KubernetesRunnerSettings, type KubernetesSection } from "./settings";

/** The config.toml of a runner with the Kubernetes executor: the preset, and over it what the stack file says. */
export function kubernetesRunnerConfig(settings: KubernetesRunnerSettings, token: string): ConfigToml {
  const preset = presetConfig(settings, token, "kubernetes", {
    environment: [
      // Without privileges a RUN step gets a chroot, not a container of its own: the pod around it is one already.
      "BUILDAH_ISOLATION=chroot",
      `BUILDKITD_FLAGS=--config ${buildkitFolder}/buildkitd.toml --oci-worker-no-process-sandbox`,
      // As for the Docker executor: BuildKit's daemon, which knows the registry's CA, fetches its tokens.
      "BUILDKIT_NO_CLIENT_TOKEN=1",
      ...(settings.buildCache === undefined ? [] : keepLayersEnvironment),
    ],
    ...(settings.buildCache === undefined ? {} : { pre_build_script: keepLayersScript }),
    kubernetes: section(settings),
    // Without it gitlab-runner reads pod_spec, and does nothing with it. A job's own variable does not switch it off.
    ...(patchesPods(settings) ? { feature_flags: { [podSpecFlag]: true } } : {}),
  });
  return merge(preset, settings.config ?? {});
}

/** The feature flag that gitlab-runner 19.4 wants for `pod_spec` (executors/kubernetes/kubernetes.go, setupBuildPod). */
export const podSpecFlag = "FF_USE_ADVANCED_POD_SPEC_CONFIGURATION";

/** Whether something is to be put into the specification of jobs' pods. */
export function patchesPods(settings: KubernetesRunnerSettings): boolean {
  return [...(podSpec(settings).pod_spec ?? []), ...(ownKubernetes(settings).pod_spec ?? [])].length > 0;
}

/** `[runners.kubernetes]`. */
function section(settings: KubernetesRunnerSettings): KubernetesSection {
  const names = objectNames(settings.name);
  const { job } = budgets[settings.size];
  return {
    namespace: settings.namespace,
    image: jobImage(settings),
    helper_image: usedHelperImage(settings),
    pull_policy: usedPullPolicy(settings),
    // The runner holds its own policy against this list as well, so they are never two.
    allowed_pull_policies: usedPullPolicy(settings),
    allowed_images: allowedImages(settings),
    allowed_services: settings.allowedServices,
    image_pull_secrets: settings.imagePullSecrets,
    privileged: false,
    // Root in a build maps further users by newuidmap, a setuid program; Kubernetes' level `baseline` allows that.
    allow_privilege_escalation: true,
    service_account: names.jobs,
    automount_service_account_token: false,
    pod_labels: { "app.kubernetes.io/managed-by": "pi-runners", [jobLabel]: settings.name },
    node_selector: nodeLabels(settings),
    ...tolerations(settings.tolerations),
    // Seconds. The default of 3 is most of what passes between hand-out and a job's first line.
    poll_interval: 1,
    priority_class_name: settings.priorityClassName,
    host_aliases: hostAliases(settings.hostAliases),
    cpu_request: job.requests.cpu,
    memory_request: job.requests.memory,
    memory_limit: job.limits.memory,
    helper_cpu_request: "50m",
    helper_memory_request: "64Mi",
    helper_memory_limit: "256Mi",
    service_cpu_request: "50m",
    service_memory_request: "64Mi",
    service_memory_limit: job.limits.memory,
    volumes: {
      config_map: [
        {
          name: names.containers,
          mount_path: containersFolder,
          read_only: true,
          items: Object.fromEntries(containersItems(settings.registries ?? []).map(({ key, path }) => [key, path])),
        },
        { name: names.buildkit, mount_path: buildkitFolder, read_only: true },
      ],
      empty_dir: [{ name: "image-store", mount_path: imageStore }],
    },
    // An API server that starts again, or its host: without, a job that ends meanwhile leaves its pod. Each of these comes to
    // about ten minutes: 2 s between two tries, and 30 s for one that nobody answers.
    retry_limits: { "connection refused": 300, "no route to host": 120, "i/o timeout": 20 },
    cleanup_resources_timeout: "10m",
    ...podSpec(settings),
  };
}

/** What the stack file itself says that jobs may use is always among them. */
function allowedImages({ allowedImages: allowed, buildCache }: KubernetesRunnerSettings): string[] | undefined {
  const more = (allowed ?? []).length === 0 || buildCache === undefined ? [] : [layersImage(buildCache)];
  return allowed && [...allowed, ...more];
}

/** Label of the pods of one runner's jobs. */
export const jobLabel = "pi-runners/jobs-of";

/** What config.toml has no word for goes into the pod's specification as it is. */
function podSpec(settings: KubernetesRunnerSettings): Pick<KubernetesSection, "pod_spec"> {
  const patch = {
    ...(settings.hostUsers === undefined ? {} : { hostUsers: settings.hostUsers }),
    ...(settings.tolerations?.some(isBeyondToml) === true ? { tolerations: settings.tolerations } : {}),
    ...(settings.buildCache === undefined ? {} : layersPatch(settings, settings.buildCache)),
  };
  const patches = [
    ...(Object.keys(patch).length === 0 ? [] : [{ name: "pi-runners", patch }]),
    ...(hasProxy(settings) ? [{ name: "pi-runners-proxy", patch: proxyPatch(settings) }] : []),
  ];
  return patches.length === 0
    ? {}
    : {
        pod_spec: patches.map(({ name, patch }) => ({ name, patch_type: "strategic", patch: JSON.stringify(patch) })),
      };
}

/**
 * The proxy of a job's pod, out of the Secret: `environment` would stand in the pod itself, for all who may read pods. What the
 * job says itself is taken out there, as a variable with two values is refused; its scripts set it again.
 */
function proxyPatch(settings: KubernetesRunnerSettings): object {
  const variables = proxyEnvironment(settings, objectNames(settings.name).secret);
  const env = [...variables.map(({ name }) => ({ name, $patch: "delete" })), ...variables];
  return { containers: ["build", "helper"].map((name) => ({ name, env })) };
}

/** `node_tolerations` knows keys with or without a value, and their effect, and no more. */
function isBeyondToml({ key, operator, tolerationSeconds }: Toleration): boolean {
  return key === undefined || tolerationSeconds !== undefined || (operator !== "Exists" && key.includes("="));
}

function tolerations(given: Toleration[] | undefined): Pick<KubernetesSection, "node_tolerations"> {
  if (given === undefined || given.some(isBeyondToml)) {
    return {};
  }
  const entries = given.map(({ key, operator, value = "", effect = "" }) => [
    operator === "Exists" ? key! : `${key}=${value}`,
    effect,
  ]);
  return { node_tolerations: Object.fromEntries(entries) as Record<string, string> };
}

/** The image that a job without one of its own runs in. */
export function jobImage(settings: Pick<KubernetesRunnerSettings, "jobImage" | "config">): string {
  return ownKubernetes(settings).image ?? settings.jobImage ?? images.buildah;
}

/** The helper image that the runner is told to use; undefined: it chooses by itself. */
export function usedHelperImage(settings: KubernetesRunnerSettings): string | undefined {
  const own = ownKubernetes(settings).helper_image;
  return own ?? settings.helperImage ?? helperImage(settings.architecture, settings.image);
}

/** The pull policies in the end: `config` may say them in config.toml's own words. */
export function usedPullPolicy(settings: KubernetesRunnerSettings): PullPolicy[] {
  return [ownKubernetes(settings).pull_policy ?? settings.pullPolicy].flat();
}
