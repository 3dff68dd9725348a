import type { types } from "@pulumi/kubernetes";
import { selectorLabels } from "../manager/pod";
import { proxyEnvironment } from "../proxy";
import { engineResources } from "../sizes";
import { engineFolder, nodeFolder } from "../nodeFolder";
import { engineSocket, socketFolder } from "./engineSocket";
import { engineData, engineScript, filesFolder, pathsFile } from "./engineScript";
import type { DockerRunnerSettings } from "./settings";
import { dindImage } from "./usedImages";

type Container = types.input.core.v1.Container;

/** A file of the inner daemon: its key in the ConfigMap, its path below /etc/docker, and what is in it. */
export interface DaemonFile {
  key: string;
  path: string;
  content: string;
}

/** Seconds that an engine has to stop, after its last job: the containers that jobs left get ten of them. */
export const engineGrace = 30;

/** Key of the ConfigMap with the list that says which file goes where. */
export const pathsKey = pathsFile;

/** That list: a line for each file, its key and its path. */
export function listOfPaths(files: DaemonFile[]): string {
  return files.map(({ key, path }) => `${key} ${path}\n`).join("");
}

/** Keys of daemon.json that a running dockerd takes over (moby, daemon/reload.go); a change of others needs a restart. */
const reloaded = ["insecure-registries", "registry-mirrors"];

/**
 * What of an engine's files is only read when it starts, for the digest that rolls the pods. Certificates of registries are
 * read with every pull.
 */
export function rollingFiles(files: DaemonFile[]): DaemonFile[] {
  return files
    .filter(({ path }) => path === "daemon.json")
    .map((file) => {
      const settings = Object.entries(JSON.parse(file.content) as Record<string, unknown>);
      return { ...file, content: JSON.stringify(settings.filter(([key]) => !reloaded.includes(key))) };
    });
}

/**
 * The engine: a Docker daemon in the runner's pod, as a native sidecar (an init container with `restartPolicy: Always`,
 * Kubernetes 1.29 and later). It is up before the manager starts, and ends only after the manager has drained.
 *
 * @param identity by what RunnerCleanup sees that the runner is still there
 * @param secret the Secret that has its proxy
 */
export function engineContainer(
  settings: DockerRunnerSettings,
  identity: types.input.core.v1.EnvVar[],
  secret: string,
): Container {
  const ask = ["docker", "--host", `unix://${engineSocket}`, "version", "--format", "{{.Server.Version}}"];
  const exec = { command: ask };
  // Without this, an engine that hangs would first have the pod's time, an hour by default, in which every job fails.
  const killed = { terminationGracePeriodSeconds: engineGrace };
  return {
    name: "engine",
    image: dindImage(settings),
    imagePullPolicy: "IfNotPresent",
    restartPolicy: "Always",
    command: ["/bin/sh", "-c", engineScript],
    // Empty: without it the image's entrypoint would make certificates that nobody uses.
    env: [...identity, { name: "DOCKER_TLS_CERTDIR", value: "" }, ...proxyEnvironment(settings, secret)],
    // The first start on a slow card, or the wait for another engine that has not quite ended, may take minutes.
    startupProbe: { exec, periodSeconds: 1, failureThreshold: 300, timeoutSeconds: 10, ...killed },
    readinessProbe: { exec, periodSeconds: 30, failureThreshold: 3, timeoutSeconds: 10 },
    livenessProbe: { exec, periodSeconds: 30, failureThreshold: 6, timeoutSeconds: 20, ...killed },
    resources: engineResources(settings.size, settings.engineResources),
    securityContext: {
      privileged: true,
      runAsUser: 0,
      runAsGroup: 0,
      // What "privileged" means to Docker, said for the runtimes that would keep the pod's profile.
      seccompProfile: { type: "Unconfined" },
    },
    volumeMounts: [
      { name: "docker", mountPath: socketFolder },
      { name: "engine", mountPath: engineData },
      // Where jobs check out: `docker run -v $CI_PROJECT_DIR` is resolved in here.
      { name: "node", mountPath: nodeFolder(settings.namespace, settings.name) },
      { name: "inner-daemon", mountPath: filesFolder, readOnly: true },
    ],
  };
}

/**
 * What the pod of an engine may talk to: whatever its jobs name, as containers of the node's Docker may. The namespace's own
 * policy lets a pod reach GitLab only.
 */
export function engineNetwork(name: string): types.input.networking.v1.NetworkPolicySpec {
  return { podSelector: { matchLabels: selectorLabels(name) }, policyTypes: ["Egress"], egress: [{}] };
}

/** @param files name of the ConfigMap with its files; mounted whole, so that a new registry changes no pod */
export function engineVolumes(settings: DockerRunnerSettings, files: string): types.input.core.v1.Volume[] {
  return [
    { name: "engine", hostPath: { path: engineFolder(settings), type: "DirectoryOrCreate" } },
    { name: "inner-daemon", configMap: { name: files, defaultMode: 0o444 } },
  ];
}
