import { createHash } from "node:crypto";
import type { types } from "@pulumi/kubernetes";
import { daemonFiles, dockerRunnerConfig, defaultDockerSocket, secretFolder } from "./dockerConfig";
import type { DockerRunnerSettings } from "./dockerConfig";
import { systemIdScript } from "../identity";
import { installScript, nodeFolder } from "./innerDaemon";
import { renderConfigToml } from "../configToml/render";
import { managerResources } from "../sizes";
import { hasInnerDaemon } from "./ways";

type Container = types.input.core.v1.Container;
type Volume = types.input.core.v1.Volume;

/** Names of the objects that one runner consists of, in its namespace. */
export function objectNames(name: string): { daemonSet: string; secret: string; files: string } {
  return { daemonSet: name, secret: `${name}-config`, files: `${name}-inner-daemon` };
}

/** Labels that find the pods of one runner; they never change, as a DaemonSet's selector cannot. */
export function selectorLabels(name: string): Record<string, string> {
  return { "app.kubernetes.io/name": "gitlab-runner", "app.kubernetes.io/instance": name };
}

/** What the runner's Secret holds: config.toml, and the CA of the GitLab instance where there is one. */
export function secretFiles(settings: DockerRunnerSettings, token: string): Record<string, string> {
  const files: Record<string, string> = { "config.toml": renderConfigToml(dockerRunnerConfig(settings, token)) };
  if (settings.serverCa !== undefined) {
    files["gitlab-ca.crt"] = settings.serverCa;
  }
  return files;
}

/** ConfigMap keys take no slash, so the inner daemon's files are numbered there; `path` is where they go. */
export function innerDaemonItems(settings: DockerRunnerSettings): { key: string; path: string; content: string }[] {
  return Object.entries(daemonFiles(settings)).map(([path, content], index) => ({
    key: `file-${index}`,
    path,
    content,
  }));
}

/**
 * What runs first in the runner's container. config.toml stays in the mounted Secret, where the runner's own reload sees
 * it change; a link to it, and the file with the runner's identity beside that, are made in a folder that can be written.
 */
const startScript = [
  "set -eu",
  "umask 077",
  `${systemIdScript} >/etc/gitlab-runner/.runner_system_id`,
  `ln -sf ${secretFolder}/config.toml /etc/gitlab-runner/config.toml`,
  "exec gitlab-runner run --config /etc/gitlab-runner/config.toml --working-directory /home/gitlab-runner",
].join("\n");

/** SIGQUIT lets jobs finish, SIGTERM aborts them (docs/commands/_index.md, "Signals"): so QUIT first, and wait. */
const drainScript = "kill -QUIT 1; while kill -0 1 2>/dev/null; do sleep 1; done";

/**
 * The pod template of a runner with the Docker executor, as data. It depends on nothing that the runner can reload by
 * itself (concurrency, images of jobs, limits), and on nothing secret: a change of those leaves every pod alone.
 */
export function podTemplate(settings: DockerRunnerSettings): types.input.core.v1.PodTemplateSpec {
  const files = innerDaemonItems(settings);
  const inner = hasInnerDaemon(settings.way);
  return {
    metadata: {
      labels: { ...selectorLabels(settings.name), "app.kubernetes.io/managed-by": "pi-runners" },
      // The inner daemon reads its files when it starts, so a change of them rolls the pods. They hold nothing secret.
      annotations: inner ? { "pi-runners/inner-daemon-files": digest(files) } : {},
    },
    spec: {
      serviceAccountName: settings.serviceAccountName,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: settings.drainTimeout,
      priorityClassName: settings.priorityClassName,
      nodeSelector: {
        "kubernetes.io/os": "linux",
        ...(settings.architecture === undefined ? {} : { "kubernetes.io/arch": settings.architecture }),
        ...settings.nodeSelector,
      },
      tolerations: settings.tolerations,
      imagePullSecrets: settings.imagePullSecrets?.map((name) => ({ name })),
      hostAliases: hostAliases(settings),
      securityContext: { seccompProfile: { type: "RuntimeDefault" } },
      initContainers: inner
        ? [
            installContainer(
              settings,
              files.map(({ path }) => path),
            ),
          ]
        : undefined,
      containers: [managerContainer(settings)],
      volumes: podVolumes(settings, files),
    },
  };
}

function digest(files: { path: string; content: string }[]): string {
  const text = JSON.stringify(files.map(({ path, content }) => [path, content]));
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** Kubernetes wants one entry per address. */
function hostAliases(settings: DockerRunnerSettings): types.input.core.v1.HostAlias[] | undefined {
  const byAddress = new Map<string, string[]>();
  for (const [name, address] of Object.entries(settings.hostAliases ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
    byAddress.set(address, [...(byAddress.get(address) ?? []), name]);
  }
  const aliases = [...byAddress].map(([ip, hostnames]) => ({ ip, hostnames }));
  return aliases.length === 0 ? undefined : aliases;
}

/**
 * The least that works: root, because the Docker socket belongs to it and the group that may use it has another number
 * on every node, but without a single capability, without more rights to be had, and on a read-only root.
 */
const securityContext: types.input.core.v1.SecurityContext = {
  runAsUser: 0,
  runAsGroup: 0,
  privileged: false,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};

function managerContainer(settings: DockerRunnerSettings): Container {
  const port = settings.metricsPort;
  // The runner's own page, so that an outage of GitLab restarts nothing.
  const httpGet = { path: "/metrics", port: "metrics" };
  return {
    name: "runner",
    image: settings.image,
    imagePullPolicy: "IfNotPresent",
    command: ["/bin/sh", "-c", startScript],
    env: [
      { name: "NODE_NAME", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "spec.nodeName" } } },
      { name: "RUNNER_POOL", value: `${settings.namespace}/${settings.name}` },
      { name: "HOME", value: "/home/gitlab-runner" },
    ],
    ports: [{ name: "metrics", containerPort: port, protocol: "TCP" }],
    startupProbe: { httpGet, periodSeconds: 2, failureThreshold: 60, timeoutSeconds: 5 },
    readinessProbe: { httpGet, periodSeconds: 10, failureThreshold: 3, timeoutSeconds: 5 },
    livenessProbe: { httpGet, periodSeconds: 30, failureThreshold: 6, timeoutSeconds: 10 },
    lifecycle: { preStop: { exec: { command: ["/bin/sh", "-c", drainScript] } } },
    resources: managerResources(settings.size, settings.resources),
    securityContext,
    volumeMounts: [
      { name: "config", mountPath: secretFolder, readOnly: true },
      { name: "state", mountPath: "/etc/gitlab-runner" },
      { name: "home", mountPath: "/home/gitlab-runner" },
      { name: "tmp", mountPath: "/tmp" },
      { name: "docker", mountPath: defaultDockerSocket },
    ],
  };
}

function installContainer(settings: DockerRunnerSettings, paths: string[]): Container {
  return {
    name: "inner-daemon-files",
    image: settings.image,
    imagePullPolicy: "IfNotPresent",
    command: ["/bin/sh", "-c", installScript(paths)],
    resources: { requests: { cpu: "10m", memory: "16Mi" }, limits: { memory: "64Mi" } },
    securityContext,
    volumeMounts: [
      { name: "inner-daemon", mountPath: "/files", readOnly: true },
      { name: "node", mountPath: "/node" },
    ],
  };
}

function podVolumes(settings: DockerRunnerSettings, files: { key: string; path: string }[]): Volume[] {
  const names = objectNames(settings.name);
  const volumes: Volume[] = [
    { name: "config", secret: { secretName: names.secret, defaultMode: 0o400 } },
    { name: "state", emptyDir: { sizeLimit: "1Mi" } },
    { name: "home", emptyDir: { sizeLimit: "64Mi" } },
    { name: "tmp", emptyDir: { sizeLimit: "256Mi" } },
    { name: "docker", hostPath: { path: settings.dockerSocket, type: "Socket" } },
  ];
  if (hasInnerDaemon(settings.way)) {
    const items = files.map(({ key, path }) => ({ key, path }));
    const path = `${nodeFolder(settings.namespace, settings.name)}/docker`;
    volumes.push({ name: "inner-daemon", configMap: { name: names.files, items, defaultMode: 0o444 } });
    volumes.push({ name: "node", hostPath: { path, type: "DirectoryOrCreate" } });
  }
  return volumes;
}
