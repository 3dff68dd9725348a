import type { types } from "@pulumi/kubernetes";
import { guardFolder, guardScript } from "./guardScript";
import { guardDefaults, type DockerRunnerSettings } from "./settings";
import { hasResidentEngine } from "./ways";

type Container = types.input.core.v1.Container;

/** Where the guard has the data of an engine of the runner's own: only to see how full the disk is. */
const engineMount = "/engine";

/** Where it may write what it does not keep. */
const guardHome = "/tmp";

/**
 * The guard of the node's card: a container beside the manager that removes what jobs left and nobody used for long. It has
 * the same Docker as the manager, and no more rights.
 *
 * @param common what it has in common with the manager: its environment, socket and security context
 */
export function guardContainer(
  settings: DockerRunnerSettings,
  common: Pick<Container, "env" | "securityContext"> & { socket: string; socketMount: types.input.core.v1.VolumeMount },
): Container[] {
  const guard = { ...guardDefaults, ...settings.prune };
  if (!guard.enabled) {
    return [];
  }
  const own = hasResidentEngine(settings.way);
  const variables = {
    DOCKER_HOST: `unix://${common.socket}`,
    PRUNE_EVERY: String(guard.every * 60),
    PRUNE_OLDER: String(guard.olderThan),
    PRUNE_FREE: String(guard.minFree),
    PRUNE_DISK: own ? engineMount : guardFolder,
    // The command for BuildKit's cache makes a folder at home, and the image's is read-only.
    HOME: guardHome,
  };
  return [
    {
      name: "guard",
      image: guard.image,
      imagePullPolicy: "IfNotPresent",
      command: ["/bin/sh", "-c", guardScript(own)],
      env: [
        ...(common.env as types.input.core.v1.EnvVar[]),
        ...Object.entries(variables).map(([name, value]) => ({ name, value })),
      ],
      resources: { requests: { cpu: "10m", memory: "24Mi" }, limits: { memory: "128Mi" } },
      securityContext: common.securityContext,
      volumeMounts: [
        common.socketMount,
        { name: "node", mountPath: guardFolder },
        { name: "tmp", mountPath: guardHome, subPath: "guard" },
        ...(own ? [{ name: "engine", mountPath: engineMount, readOnly: true }] : []),
      ],
    },
  ];
}
