import { jobData, keptDataVariable } from "../keptData";
import { preBuildScripts } from "../scripts";
import { dockerBytes } from "../../sizes";
import { daemonRights } from "../sysbox";
import { jobImage } from "../usedImages";
import type { BuildMode } from "./buildMode";
import { fileVolumes, innerDaemonErrors } from "./innerDaemonMode";

/** Docker in Docker inside the job itself. */
export const dindJob: BuildMode = {
  risk: {
    level: "node-root-by-escape",
    meaning:
      "the job itself is a privileged container and can with some effort become root on the node: keep to dedicated, tainted nodes and to protected branches and tags",
  },

  daemonImage: jobImage,

  runner: (settings) => ({
    pre_build_script: preBuildScripts["dind-job"],
    environment: [
      "DOCKER_HOST=unix:///var/run/docker.sock",
      "DOCKER_TLS_CERTDIR=",
      ...(settings.layerCache ? [`${keptDataVariable}=${jobData}`] : []),
    ],
  }),

  docker: (settings, budget) => ({
    ...daemonRights(settings, {
      privileged: true,
      // The runner compares with the image as the job names it: a job that takes the default one has an empty name there.
      allowed_privileged_images: ["", jobImage(settings)],
      services_privileged: false,
    }),
    // The daemon builds in there, so the job gets what job and service have together elsewhere.
    memory: sumOfMegabytes(budget.jobMemory, budget.serviceMemory),
    // A real volume below the inner daemon: on the container's own overlay it would fall back to vfs, three times slower;
    // docker:dind declares one of its own, which goes with the container. The runner keeps one for each project and concurrent job, so no two daemons ever share it, and layers stay warm.
    volumes: [...fileVolumes(settings), ...(settings.layerCache ? [jobData] : []), "/cache"],
  }),

  errors: innerDaemonErrors,
};

/** Adds sizes such as `1g` and `1536m`. */
function sumOfMegabytes(...sizes: string[]): string {
  return `${sizes.reduce((sum, size) => sum + dockerBytes(size)!, 0) / 1024 ** 2}m`;
}
