import { ca } from "../config/stackFile";
import {
  dockerRunnerSettings,
  type DockerRunnerInput,
  type DockerRunnerSettings,
} from "../../../components/runners/docker/settings";
import type { DockerWay } from "../../../components/runners/docker/ways";

/** The smallest sound settings of a runner as they are given, with what a test wants to be different. */
export function givenSettings(way: DockerWay, different: Partial<DockerRunnerInput> = {}): DockerRunnerInput {
  return {
    name: "builder",
    namespace: "ci",
    way,
    url: "https://gitlab.lan",
    ...(way === "dind-plain" ? { allowTlsOff: true } : {}),
    ...different,
  };
}

/** The same with all defaults. */
export function settingsOf(way: DockerWay, different: Partial<DockerRunnerInput> = {}): DockerRunnerSettings {
  return dockerRunnerSettings.parse(givenSettings(way, different));
}

/** For every setting a value that is not its default; the compiler asks for one that is missing. */
export const otherValues: { [K in keyof DockerRunnerInput]-?: NonNullable<DockerRunnerInput[K]> } = {
  name: "another",
  way: "dood",
  allowTlsOff: true,
  namespace: "elsewhere",
  url: "https://gitlab.example",
  serviceAccountName: "runner",
  hostAliases: { "gitlab.lan": "192.168.1.10" },
  serverCa: ca,
  concurrent: 3,
  checkInterval: 9,
  architecture: "arm64",
  nodeSelector: { builds: "yes" },
  tolerations: [{ operator: "Exists" }],
  priorityClassName: "low",
  size: "8GB",
  resources: { limits: { memory: "300Mi" } },
  image: "gitlab/gitlab-runner:alpine-v19.3.0",
  helperImage: "example/helper:1",
  jobImage: "docker:28-cli",
  pullPolicy: "never",
  allowedImages: ["docker:*"],
  allowedServices: ["docker:*"],
  imagePullSecrets: ["registry"],
  mtu: 1400,
  metricsPort: 9300,
  drainTimeout: 60,
  dockerSocket: "/run/other.sock",
  dindImage: "docker:28-dind",
  prune: { every: 30 },
  layerCache: false,
  runtime: "sysbox-runc",
  engineFolder: "/mnt/ssd/engines",
  engineResources: { limits: { memory: "3Gi" } },
  registries: [{ address: "plain.lan", insecure: true }],
  mirrors: ["http://10.43.7.7:5000"],
  proxy: { http: "http://proxy.lan:3128" },
  config: { log_level: "debug" },
};
