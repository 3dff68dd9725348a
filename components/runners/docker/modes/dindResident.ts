import { jobsFolder, sharedEngineErrors } from "./sharedEngine";
import { engineSocket } from "../engineSocket";
import { defaultDockerSocket } from "../settings";
import { dindImage } from "../usedImages";
import type { BuildMode } from "./buildMode";

/** Docker in Docker by an engine in the runner's own pod, which all its jobs on a node share. */
export const dindResident: BuildMode = {
  risk: {
    level: "node-root-by-escape",
    meaning:
      "a job can use the engine of the runner's pod, see and stop what other jobs run there, and with some effort become root on the node, as the engine is privileged; the node's own containers are out of its sight: keep to dedicated, tainted nodes and to protected branches and tags",
  },

  daemonImage: dindImage,

  runner: (settings) => ({
    // The same path in the job and in the engine, so that `docker run -v $CI_PROJECT_DIR` finds it.
    builds_dir: jobsFolder(settings),
  }),

  docker: (settings, budget) => ({
    privileged: false,
    memory: budget.jobMemory,
    volumes: [`${engineSocket}:${defaultDockerSocket}`, `${jobsFolder(settings)}:${jobsFolder(settings)}`, "/cache"],
  }),

  errors: sharedEngineErrors,
};
