import { preBuildScripts } from "../scripts";
import { dindImage } from "../usedImages";
import type { BuildMode } from "./buildMode";
import { fileVolumes, innerDaemonErrors, layerVolumes, serviceErrors, serviceSection } from "./innerDaemonMode";

/** Docker in Docker as a service of the job, without TLS; only when asked for. */
export const dindPlain: BuildMode = {
  risk: {
    level: "node-root-by-escape-and-open-daemon",
    meaning:
      "as dind, and whatever reaches the job's network can command its daemon, which asks for no certificate: prefer dind",
  },

  daemonImage: dindImage,

  runner: () => ({
    pre_build_script: preBuildScripts["dind-plain"],
    environment: ["DOCKER_HOST=tcp://docker:2375", "DOCKER_TLS_CERTDIR="],
  }),

  docker: (settings, budget) => ({
    ...serviceSection(settings, budget.serviceMemory),
    memory: budget.jobMemory,
    volumes: [...fileVolumes(settings), ...layerVolumes(settings), "/cache"],
  }),

  errors: (settings) => [
    ...innerDaemonErrors(settings),
    ...serviceErrors(settings),
    ...(settings.allowTlsOff === true
      ? []
      : [
          {
            propertyPath: "allowTlsOff",
            reason:
              "way dind-plain runs a Docker daemon that asks for no certificate; choose way dind, or say allowTlsOff: true",
          },
        ]),
  ],
};
