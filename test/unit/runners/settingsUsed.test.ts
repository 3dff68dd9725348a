import assert from "node:assert/strict";
import { daemonFiles } from "../../../components/runners/docker/dockerConfig";
import { runnerErrors } from "../../../components/runners/docker/errors";
import { podTemplate, secretFiles } from "../../../components/runners/docker/pod";
import { dockerRunnerSettings, type DockerRunnerInput } from "../../../components/runners/docker/settings";
import { ca } from "../config/stackFile";
import { settingsOf } from "./settings";

/** For every setting a value that is not its default; the compiler asks for one that is missing. */
const others: { [K in keyof DockerRunnerInput]-?: NonNullable<DockerRunnerInput[K]> } = {
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
  registries: [{ address: "plain.lan", insecure: true }],
  config: { log_level: "debug" },
};

/** Everything that a runner's settings decide. */
function made(different: Partial<DockerRunnerInput>): string {
  const settings = settingsOf("dind", different);
  const parts = [podTemplate(settings), secretFiles(settings, "t"), daemonFiles(settings), runnerErrors(settings)];
  return JSON.stringify(parts);
}

describe("each setting of a runner", () => {
  const without = made({});
  for (const key of Object.keys(dockerRunnerSettings.shape) as (keyof DockerRunnerInput)[]) {
    it(`is used: ${key}`, () => {
      assert.ok(key in others, `add a value of ${key} to this test`);
      assert.notEqual(made({ [key]: others[key] }), without, `${key} changes nothing that a runner is made of`);
    });
  }
});
