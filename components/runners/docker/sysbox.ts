import type { InputError } from "../../inputErrors";
import type { DockerSettings } from "../configToml/settings/docker";
import type { Risk } from "../risk";
import { ownDocker, type DockerRunnerSettings } from "./settings";

/** The name by which a node's Docker knows sysbox (nestybox/sysbox, docs/user-guide). */
export const sysbox = "sysbox-runc";

/** What a job can do to the node where sysbox contains it. */
export const sysboxRisk: Risk = {
  level: "user-namespace",
  meaning:
    "jobs are root inside a user namespace of their own only, and have no privileged container; a hole in the kernel or in sysbox would be needed to reach the node",
};

/** What lets a container run a Docker daemon: the rights of a privileged one, or sysbox' own runtime, which needs none. */
export function daemonRights(settings: DockerRunnerSettings, privileged: DockerSettings): DockerSettings {
  return settings.runtime === undefined ? privileged : { privileged: false, runtime: settings.runtime };
}

/** Rights that take away what sysbox gives, and sysbox said in a place where nobody looks whether the nodes have it. */
export function sysboxErrors(settings: DockerRunnerSettings): InputError[] {
  const docker = ownDocker(settings);
  const path = "config.runners[0].docker";
  if (settings.runtime === undefined) {
    const reason = `say runtime: ${sysbox} of the runner instead: its containers are not privileged then, and each node is asked whether it has it`;
    return docker.runtime === sysbox ? [{ propertyPath: `${path}.runtime`, reason }] : [];
  }
  const errors = (["privileged", "services_privileged"] as const)
    .filter((key) => docker[key] === true)
    .map((key) => ({
      propertyPath: `${path}.${key}`,
      reason: `with runtime ${sysbox} no container needs to be privileged, and one that is has the node; drop it, or drop runtime`,
    }));
  return docker.runtime === undefined || docker.runtime === settings.runtime
    ? errors
    : [
        ...errors,
        { propertyPath: `${path}.runtime`, reason: `contradicts runtime: ${settings.runtime}; drop one of them` },
      ];
}

/**
 * Shell, after `waitForDocker`: stops where the node's Docker does not know the runtime. A runner that came up would take
 * jobs, and fail each.
 */
export function needRuntime(runtime: string): string[] {
  return [
    // Without curl nothing is known of the node's Docker, which has said so.
    `if [ -n "$info" ] && ! printf %s "$info" | grep -q '"${runtime}":'; then`,
    `  echo "pi-runners: the Docker of node $NODE_NAME does not know the runtime ${runtime}, which this runner's settings ask for. Install sysbox there, or give the runner a nodeSelector for the nodes that have it, or drop runtime (its daemons are privileged then)." | tee /dev/termination-log >&2`,
    "  exit 1",
    "fi",
  ];
}
