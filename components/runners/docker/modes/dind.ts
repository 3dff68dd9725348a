import type { InputError } from "../../../inputErrors";
import { ownRunner } from "../../settings";
import { preBuildScripts } from "../scripts";
import { ownDocker } from "../settings";
import { dindImage } from "../usedImages";
import type { BuildMode } from "./buildMode";
import { fileVolumes, innerDaemonErrors, layerVolumes, serviceErrors, serviceSection } from "./innerDaemonMode";

/** Docker in Docker as a service of the job, with TLS. */
export const dind: BuildMode = {
  risk: {
    level: "node-root-by-escape",
    meaning:
      "privileged containers run on the node, and one can with some effort become root there: keep to dedicated, tainted nodes and to protected branches and tags",
  },

  daemonImage: dindImage,

  runner: () => ({
    pre_build_script: preBuildScripts.dind,
    environment: [
      "DOCKER_HOST=tcp://docker:2376",
      "DOCKER_TLS_CERTDIR=/certs",
      "DOCKER_TLS_VERIFY=1",
      "DOCKER_CERT_PATH=/certs/client",
    ],
  }),

  docker: (settings, budget) => ({
    ...serviceSection(settings, budget.serviceMemory),
    memory: budget.jobMemory,
    // With the layers the daemon keeps its keys, which a Pi takes seconds to make.
    volumes: [
      ...fileVolumes(settings),
      ...layerVolumes(settings),
      settings.layerCache ? "/certs" : "/certs/client",
      "/cache",
    ],
  }),

  errors(settings) {
    const errors: InputError[] = [...innerDaemonErrors(settings), ...serviceErrors(settings)];
    for (const [index, variable] of (ownRunner(settings).environment ?? []).entries()) {
      const off = /^(DOCKER_TLS_CERTDIR=|DOCKER_TLS_VERIFY=|DOCKER_TLS=0|DOCKER_TLS_VERIFY=0)$/.test(variable);
      if (off || /^DOCKER_HOST=tcp:\/\/[^/]*:2375\/?$/.test(variable)) {
        errors.push({
          propertyPath: `config.runners[0].environment[${index}]`,
          reason: `"${variable}" would switch TLS off; drop it, or choose way dind-plain with allowTlsOff: true`,
        });
      }
    }
    if (ownDocker(settings).disable_cache === true) {
      errors.push({
        propertyPath: "config.runners[0].docker.disable_cache",
        reason:
          "without the runner's own volumes a job has no certificates for its daemon; drop it, or choose way dind-job",
      });
    }
    return errors;
  },
};
