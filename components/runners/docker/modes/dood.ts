import { defaultDockerSocket } from "../../settings";
import type { BuildMode } from "./buildMode";
import { jobsFolder, sharedEngineErrors } from "./sharedEngine";

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
    builds_dir: jobsFolder(settings),
  }),

  docker: (settings, budget) => ({
    privileged: false,
    memory: budget.jobMemory,
    volumes: [
      `${settings.dockerSocket}:${defaultDockerSocket}`,
      `${jobsFolder(settings)}:${jobsFolder(settings)}`,
      "/cache",
    ],
  }),

  errors: sharedEngineErrors,
};
