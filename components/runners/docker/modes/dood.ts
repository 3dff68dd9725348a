import type { InputError } from "../../../inputErrors";
import { nodeFolder } from "../nodeFolder";
import { defaultDockerSocket, ownDocker, type DockerRunnerSettings } from "../settings";
import type { BuildMode } from "./buildMode";

/** Docker out of Docker: jobs use the node's Docker through its socket. */
export const dood: BuildMode = {
  risk: {
    level: "node-root",
    meaning:
      "a job can use the node's Docker and with it be root on the node, and see and stop every container there: keep to dedicated, tainted nodes and to protected branches and tags",
  },

  daemonImage: () => undefined,

  runner: (settings) => ({
    // The same path in the job and on the node, so that `docker run -v $CI_PROJECT_DIR` finds it; being a host folder,
    // the runner itself adds a part per concurrent job to it, so two jobs never share one.
    builds_dir: buildsFolder(settings),
  }),

  docker: (settings, budget) => ({
    privileged: false,
    memory: budget.jobMemory,
    volumes: [
      `${settings.dockerSocket}:${defaultDockerSocket}`,
      `${buildsFolder(settings)}:${buildsFolder(settings)}`,
      "/cache",
    ],
  }),

  errors(settings) {
    const errors: InputError[] = [];
    const docker = ownDocker(settings);
    for (const key of ["privileged", "services_privileged"] as const) {
      if (docker[key] === true) {
        errors.push({
          propertyPath: `config.runners[0].docker.${key}`,
          reason:
            "a DooD job must not be privileged: it has the node's Docker already, and needs nothing more; drop it, or choose way dind",
        });
      }
    }
    if (settings.dindImage !== undefined) {
      errors.push({
        propertyPath: "dindImage",
        reason: "way dood has no inner daemon; drop it, or choose way dind",
      });
    }
    return errors;
  },
};

function buildsFolder(settings: DockerRunnerSettings): string {
  return `${nodeFolder(settings.namespace, settings.name)}/builds`;
}
