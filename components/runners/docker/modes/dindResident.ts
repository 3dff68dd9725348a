import type { InputError } from "../../../inputErrors";
import { engineFolder, isIn, engineDataOfNodes } from "../../nodeFolder";
import { defaultDockerSocket } from "../../settings";
import { engineData } from "../engineScript";
import { engineSocket } from "../engineSocket";
import { jobsFolder, sharedEngineErrors } from "./sharedEngine";
import { ownDocker, type DockerRunnerSettings } from "../settings";
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

  errors: (settings) => [...sharedEngineErrors(settings), ...dataErrors(settings)],
};

/** Two engines in one folder: the pod's in that of a node's, or a job's in that of the pod's. */
function dataErrors(settings: DockerRunnerSettings): InputError[] {
  const taken = engineDataOfNodes.find((folder) => isIn(engineFolder(settings), folder));
  const reason =
    taken &&
    `${taken} is for an engine of the node, and two must not meet in one folder; name another one, such as /mnt/ssd/pi-runners`;
  const volumes = (ownDocker(settings).volumes ?? []).flatMap((volume, index) => {
    const source = volume.includes(":") ? volume.split(":")[0]! : "";
    return isIn(source, engineData)
      ? [
          {
            propertyPath: `config.runners[0].docker.volumes[${index}]`,
            reason: `${source} is where the engine of way ${settings.way} keeps its own data, and another daemon there would destroy it; drop it, or give jobs another folder`,
          },
        ]
      : [];
  });
  return [...(reason === undefined ? [] : [{ propertyPath: "engineFolder", reason }]), ...volumes];
}
