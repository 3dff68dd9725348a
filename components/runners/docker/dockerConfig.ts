import type { Registry } from "../../registryTrust/registry";
import type { Architecture } from "../architecture";
import { helperImage, images } from "../images";
import { dockerMajor, innerDaemonFiles, nodeFolder } from "./innerDaemon";
import { merge } from "../configToml/merge";
import type { ConfigRest } from "../configToml/rest";
import { preBuildScripts } from "./scripts";
import type { ConfigToml } from "../configToml/settings/config";
import type { DockerSettings } from "../configToml/settings/docker";
import type { RunnerSettings } from "../configToml/settings/runner";
import type { PullPolicy } from "../configToml/settings/values";
import { budgets, type NodeSize, type Resources } from "../sizes";
import { hasInnerDaemon, type DockerWay } from "./ways";

/** Everything that decides how a runner with the Docker executor looks, except its token. */
export interface DockerRunnerSettings {
  name: string;
  namespace: string;
  way: DockerWay;
  /** Address of the GitLab instance. */
  url: string;
  concurrent?: number;
  checkInterval?: number;
  architecture?: Architecture;
  nodeSelector?: Record<string, string>;
  tolerations?: Toleration[];
  priorityClassName?: string;
  size?: NodeSize;
  resources?: Resources;
  image?: string;
  helperImage?: string;
  jobImage?: string;
  dindImage?: string;
  pullPolicy?: PullPolicy[];
  allowedImages?: string[];
  allowedServices?: string[];
  imagePullSecrets?: string[];
  hostAliases?: Record<string, string>;
  registries?: Registry[];
  mtu?: number;
  /** Only for `dind-plain`: yes, without TLS. */
  allowTlsOff?: boolean;
  metricsPort?: number;
  drainTimeout?: number;
  dockerSocket?: string;
  /** CA of the GitLab instance, PEM. */
  serverCa?: string;
  serviceAccountName?: string;
  config?: ConfigRest;
}

/** What a pod tolerates; as Kubernetes writes it. */
export interface Toleration {
  key?: string;
  operator?: "Exists" | "Equal";
  value?: string;
  effect?: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
  tolerationSeconds?: number;
}

/** Where the pod has the files of its Secret. */
export const secretFolder = "/config";

/** TCP port of the runner's metrics, and of its probes. */
export const defaultMetricsPort = 9252;

/** Where the node's Docker listens, unless said otherwise. */
export const defaultDockerSocket = "/var/run/docker.sock";

/** The image that a job without one of its own runs in. The daemon inside a job needs one that has dockerd. */
export function jobImage(settings: DockerRunnerSettings): string {
  return settings.jobImage ?? (settings.way === "dind-job" ? (settings.dindImage ?? images.dind) : images.job);
}

/** The image of the inner daemon, where the way has one. */
export function dindImage(settings: DockerRunnerSettings): string {
  return settings.dindImage ?? images.dind;
}

/** The files of the inner daemon, by path below /etc/docker; none where the way has no inner daemon. */
export function daemonFiles(settings: DockerRunnerSettings): Record<string, string> {
  if (!hasInnerDaemon(settings.way)) {
    return {};
  }
  const image = settings.way === "dind-job" ? jobImage(settings) : dindImage(settings);
  const { registries = [], mtu } = settings;
  return innerDaemonFiles({ registries, mtu, dockerMajor: dockerMajor(image) });
}

/** The config.toml of a runner: the way's preset, and over it what the stack file says. */
export function dockerRunnerConfig(settings: DockerRunnerSettings, token: string): ConfigToml {
  const concurrent = settings.concurrent ?? 1;
  const preset: ConfigToml = {
    concurrent,
    check_interval: settings.checkInterval ?? 3,
    log_level: "info",
    log_format: "json",
    // Jobs end within the drain; this is for the case that the pod is killed all the same.
    shutdown_timeout: 30,
    listen_address: `:${settings.metricsPort ?? defaultMetricsPort}`,
    runners: [
      {
        name: settings.name,
        url: settings.url,
        token,
        executor: "docker",
        // With 1, a request that GitLab holds open for 50 s (long polling) keeps every other job waiting.
        request_concurrency: Math.max(2, concurrent),
        // A job's log, KiB: enough for a build, too little to fill a card.
        output_limit: 8192,
        // Every node's manager has the same token: the first to rotate it would cut the others off, and what it got would
        // be lost, as the file is not written to.
        feature_flags: { FF_DISABLE_AUTOMATIC_TOKEN_ROTATION: true },
        ...(settings.serverCa === undefined ? {} : { "tls-ca-file": `${secretFolder}/gitlab-ca.crt` }),
        ...wayOfRunner(settings),
        docker: dockerSection(settings),
      },
    ],
  };
  return merge(preset, settings.config ?? {});
}

/**
 * BuildKit lets the client fetch a registry's token, and what the daemon trusts does not reach the client in the job: a
 * registry with token login, as GitLab's is, then fails with a private CA or without TLS. With this the daemon fetches
 * it (moby/buildkit, session/auth/authprovider). Clients that know nothing of it ignore it.
 */
const tokenByDaemon = "BUILDKIT_NO_CLIENT_TOKEN=1";

/** What the way sets beside `[runners.docker]`. */
function wayOfRunner(settings: DockerRunnerSettings): Partial<RunnerSettings> {
  const pre_build_script = preBuildScripts[settings.way];
  switch (settings.way) {
    case "dood":
      // The same path in the job and on the node, so that `docker run -v $CI_PROJECT_DIR` finds it; being a host folder,
      // the runner itself adds a part per concurrent job to it, so two jobs never share one.
      return { builds_dir: `${nodeFolder(settings.namespace, settings.name)}/builds`, environment: [tokenByDaemon] };
    case "dind":
      return {
        pre_build_script,
        environment: [
          "DOCKER_HOST=tcp://docker:2376",
          "DOCKER_TLS_CERTDIR=/certs",
          "DOCKER_TLS_VERIFY=1",
          "DOCKER_CERT_PATH=/certs/client",
          tokenByDaemon,
        ],
      };
    case "dind-job":
      return {
        pre_build_script,
        environment: ["DOCKER_HOST=unix:///var/run/docker.sock", "DOCKER_TLS_CERTDIR=", tokenByDaemon],
      };
    case "dind-plain":
      return { pre_build_script, environment: ["DOCKER_HOST=tcp://docker:2375", "DOCKER_TLS_CERTDIR=", tokenByDaemon] };
  }
}

function dockerSection(settings: DockerRunnerSettings): DockerSettings {
  const budget = budgets[settings.size ?? "4GB"];
  const inner = hasInnerDaemon(settings.way);
  const helper = settings.helperImage ?? (settings.architecture && helperImage(settings.architecture));
  const hosts = Object.entries(settings.hostAliases ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const policies = settings.pullPolicy ?? ["always", "if-not-present"];
  // The daemon inside the job builds in there, so that job gets what job and service have together elsewhere.
  const memory =
    settings.way === "dind-job" ? sumOfMegabytes(budget.jobMemory, budget.serviceMemory) : budget.jobMemory;
  return {
    host: `unix://${defaultDockerSocket}`,
    image: jobImage(settings),
    helper_image: helper,
    privileged: inner,
    memory,
    volumes: volumes(settings),
    extra_hosts: hosts.length === 0 ? undefined : hosts.map(([name, address]) => `${name}:${address}`),
    pull_policy: policies,
    allowed_pull_policies: policies,
    allowed_images: settings.allowedImages,
    allowed_services: settings.allowedServices,
    network_mtu: settings.mtu,
    ...(inner ? innerSection(settings, budget.serviceMemory) : {}),
  };
}

/** `[runners.docker]` of the ways with an inner daemon. */
function innerSection(settings: DockerRunnerSettings, serviceMemory: string): DockerSettings {
  const image = dindImage(settings);
  if (settings.way === "dind-job") {
    // The runner compares with the image as the job names it: a job that takes the default one has an empty name there.
    return { allowed_privileged_images: ["", jobImage(settings)], services_privileged: false };
  }
  return {
    services: [{ name: image, alias: "docker" }],
    // Only the service needs to be privileged, not the job.
    allowed_privileged_images: [image],
    allowed_privileged_services: [image],
    service_memory: serviceMemory,
    // The runner's own check dials port 2375, which a daemon with TLS does not open, for 30 s; the script waits instead.
    wait_for_services_timeout: -1,
  };
}

function volumes(settings: DockerRunnerSettings): string[] {
  const folder = nodeFolder(settings.namespace, settings.name);
  if (settings.way === "dood") {
    const socket = settings.dockerSocket ?? defaultDockerSocket;
    return [`${socket}:${defaultDockerSocket}`, `${folder}/builds:${folder}/builds`, "/cache"];
  }
  const files = [
    `${folder}/docker/daemon.json:/etc/docker/daemon.json:ro`,
    `${folder}/docker/certs.d:/etc/docker/certs.d:ro`,
  ];
  // A real volume below the inner daemon: on the container's own overlay it would fall back to vfs, three times slower.
  // The runner keeps one for each project and concurrent job, so no two daemons ever share it, and layers stay warm.
  const own = settings.way === "dind-job" ? ["/var/lib/docker"] : settings.way === "dind" ? ["/certs/client"] : [];
  return [...files, ...own, "/cache"];
}

/** Adds sizes such as `1g` and `1536m`. */
function sumOfMegabytes(...sizes: string[]): string {
  const megabytes = sizes.map((size) => Number.parseInt(size, 10) * (size.endsWith("g") ? 1024 : 1));
  return `${megabytes.reduce((sum, size) => sum + size, 0)}m`;
}
