import { createHash } from "node:crypto";
import type { types } from "@pulumi/kubernetes";
import { posix } from "node:path";
import { managerFiles, secretFolder } from "../manager/config";
import { gracePeriod, hostAliases, placement, selectorLabels, watched } from "../manager/pod";
import { homeFolder, stateFolder } from "../manager/scripts";
import { identityVariable } from "../identity";
import { proxyEnvironment, proxyFiles } from "../proxy";
import { managerResources } from "../sizes";
import { nodeFolder } from "../nodeFolder";
import { defaultDockerSocket } from "../settings";
import { daemonFiles, dockerRunnerConfig } from "./dockerConfig";
import { filesMount, folderMount, folderScript, snapMount } from "./folderScript";
import {
  engineContainer,
  engineGrace,
  engineVolumes,
  listOfPaths,
  pathsKey,
  rollingFiles,
  type DaemonFile,
} from "./engine";
import { engineSocket, socketFolder } from "./engineSocket";
import { guardContainer } from "./guard";
import { startScript } from "./managerScripts";
import type { DockerRunnerSettings } from "./settings";
import { hasInnerDaemon, hasResidentEngine } from "./ways";

type Container = types.input.core.v1.Container;
type Volume = types.input.core.v1.Volume;

/** Names of the objects that one runner consists of, in its namespace. */
export function objectNames(name: string): { daemonSet: string; secret: string; files: string; jobs: string } {
  return { daemonSet: name, secret: `${name}-config`, files: `${name}-inner-daemon`, jobs: `${name}-jobs` };
}

/** What the runner's Secret holds. */
export function secretFiles(settings: DockerRunnerSettings, token: string): Record<string, string> {
  return { ...managerFiles(dockerRunnerConfig(settings, token), settings.serverCa), ...proxyFiles(settings) };
}

/** ConfigMap keys take no slash, so the inner daemon's files are numbered there; `path` is where they go. */
function innerDaemonItems(settings: DockerRunnerSettings): DaemonFile[] {
  return Object.entries(daemonFiles(settings)).map(([path, content], index) => ({
    key: `file-${index}`,
    path,
    content,
  }));
}

/** What the ConfigMap of the inner daemon's files holds. A resident engine finds in it, too, which file goes where. */
export function innerDaemonData(settings: DockerRunnerSettings): Record<string, string> {
  const items = innerDaemonItems(settings);
  const files = Object.fromEntries(items.map(({ key, content }) => [key, content]));
  return hasResidentEngine(settings.way) ? { ...files, [pathsKey]: listOfPaths(items) } : files;
}

/** Annotation of pods with an inner daemon. */
export const filesAnnotation = "pi-runners/inner-daemon-files";

/**
 * The pod template of a runner with the Docker executor, as data. It depends on nothing that the runner can reload by
 * itself (concurrency, images of jobs, limits), and on nothing secret: a change of those leaves every pod alone.
 */
export function podTemplate(settings: DockerRunnerSettings): types.input.core.v1.PodTemplateSpec {
  const files = innerDaemonItems(settings);
  const inner = hasInnerDaemon(settings.way);
  const resident = hasResidentEngine(settings.way);
  return {
    metadata: {
      labels: { ...selectorLabels(settings.name), "app.kubernetes.io/managed-by": "pi-runners" },
      annotations: inner ? { [filesAnnotation]: filesDigest(settings) } : {},
    },
    spec: {
      serviceAccountName: settings.serviceAccountName,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: gracePeriod(settings) + (resident ? engineGrace : 0),
      ...placement(settings),
      hostAliases: hostAliases(settings.hostAliases),
      securityContext: { seccompProfile: { type: "RuntimeDefault" } },
      initContainers: [
        folderContainer(settings, resident ? [] : files),
        ...(resident ? [engineContainer(settings, identity(settings), objectNames(settings.name).secret)] : []),
      ],
      containers: [
        managerContainer(settings),
        ...guardContainer(settings, {
          env: identity(settings),
          securityContext,
          socket: `${socketFolder}/${posix.basename(socketOf(settings))}`,
          socketMount: dockerMount,
        }),
      ],
      volumes: podVolumes(settings, files),
    },
  };
}

/**
 * The inner daemon reads its files when it starts, so a change of them rolls the pods. They hold nothing secret. A resident
 * engine takes most of them over while it runs.
 */
export function filesDigest(settings: DockerRunnerSettings): string {
  const files = innerDaemonItems(settings);
  return digest(hasResidentEngine(settings.way) ? rollingFiles(files) : files);
}

function digest(files: { path: string; content: string }[]): string {
  const text = JSON.stringify(files.map(({ path, content }) => [path, content]));
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
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

/** What the runner's system id is made of. */
function identity(settings: DockerRunnerSettings): types.input.core.v1.EnvVar[] {
  return [
    { name: "NODE_NAME", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "spec.nodeName" } } },
    { name: "RUNNER_POOL", value: `${settings.namespace}/${settings.name}` },
    identityVariable,
  ];
}

function managerContainer(settings: DockerRunnerSettings): Container {
  const socket = socketOf(settings);
  return {
    name: "runner",
    image: settings.image,
    imagePullPolicy: "IfNotPresent",
    command: ["/bin/sh", "-c", startScript(socket, nodeFolder(settings.namespace, settings.name))],
    env: [
      ...identity(settings),
      { name: "HOME", value: homeFolder },
      ...proxyEnvironment(settings, objectNames(settings.name).secret),
    ],
    ...watched(settings),
    resources: managerResources(settings.size, settings.resources),
    securityContext,
    volumeMounts: [
      { name: "config", mountPath: secretFolder, readOnly: true },
      { name: "state", mountPath: stateFolder },
      { name: "home", mountPath: homeFolder },
      { name: "tmp", mountPath: "/tmp" },
      { name: "run", mountPath: posix.dirname(defaultDockerSocket) },
      dockerMount,
    ],
  };
}

/** The socket of the Docker that runs the runner's jobs. */
function socketOf(settings: DockerRunnerSettings): string {
  return hasResidentEngine(settings.way) ? engineSocket : settings.dockerSocket;
}

/** Read-only: nothing is made in the node's /run. That does not keep anybody from talking to a socket in there. */
const dockerMount = { name: "docker", mountPath: socketFolder, readOnly: true };

function folderContainer(settings: DockerRunnerSettings, files: { path: string }[]): Container {
  const paths = files.map(({ path }) => path);
  return {
    name: "node-folder",
    image: settings.image,
    imagePullPolicy: "IfNotPresent",
    command: ["/bin/sh", "-c", folderScript(settings, paths)],
    env: identity(settings),
    resources: { requests: { cpu: "10m", memory: "16Mi" }, limits: { memory: "64Mi" } },
    securityContext,
    volumeMounts: [
      ...(files.length === 0 ? [] : [{ name: "inner-daemon", mountPath: filesMount, readOnly: true }]),
      { name: "state", mountPath: stateFolder },
      { name: "node", mountPath: folderMount },
      { name: "snaps", mountPath: snapMount },
      dockerMount,
    ],
  };
}

function podVolumes(settings: DockerRunnerSettings, files: { key: string; path: string }[]): Volume[] {
  const names = objectNames(settings.name);
  const resident = hasResidentEngine(settings.way);
  const socketIn = posix.dirname(settings.dockerSocket);
  const volumes: Volume[] = [
    { name: "config", secret: { secretName: names.secret, defaultMode: 0o400 } },
    // In memory: config.toml with its token is there on nodes whose Docker is a snap.
    { name: "state", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
    { name: "home", emptyDir: { sizeLimit: "64Mi" } },
    { name: "tmp", emptyDir: { sizeLimit: "256Mi" } },
    { name: "run", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
    resident
      ? { name: "docker", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } }
      : { name: "docker", hostPath: { path: socketIn, type: "Directory" } },
    { name: "node", hostPath: { path: nodeFolder(settings.namespace, settings.name), type: "DirectoryOrCreate" } },
    // Seen by the init container only, which writes there where the node's Docker is a snap.
    { name: "snaps", hostPath: { path: "/var/snap", type: "DirectoryOrCreate" } },
  ];
  if (resident) {
    return [...volumes, ...engineVolumes(settings, names.files)];
  }
  if (files.length > 0) {
    const items = files.map(({ key, path }) => ({ key, path }));
    volumes.push({ name: "inner-daemon", configMap: { name: names.files, items, defaultMode: 0o444 } });
  }
  return volumes;
}
