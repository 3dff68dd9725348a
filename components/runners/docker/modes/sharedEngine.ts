import type { InputError } from "../../../inputErrors";
import { nodeFolder } from "../../nodeFolder";
import { ownDocker, type DockerRunnerSettings } from "../settings";

/** Where jobs of a shared engine check out: a folder of the node, so that it has the same path for the engine and the job. */
export function jobsFolder(settings: DockerRunnerSettings): string {
  return `${nodeFolder(settings.namespace, settings.name)}/builds`;
}

/** Settings with which a job that has an engine's socket would get more than it needs. */
export function sharedEngineErrors(settings: DockerRunnerSettings): InputError[] {
  const docker = ownDocker(settings);
  return (["privileged", "services_privileged"] as const)
    .filter((key) => docker[key] === true)
    .map((key) => ({
      propertyPath: `config.runners[0].docker.${key}`,
      reason: `a job of way ${settings.way} must not be privileged: it has a Docker already, and needs nothing more; drop it, or choose way dind`,
    }));
}
