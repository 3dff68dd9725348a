import type { InputError } from "../../../inputErrors";
import { serviceNames, volumeDestination } from "../../configToml/merge";
import type { DockerSettings } from "../../configToml/settings/docker";
import { jobData, serviceData, serviceScript } from "../keptData";
import { nodeFolder } from "../../nodeFolder";
import { ownDocker, type DockerRunnerSettings } from "../settings";
import { daemonRights, sysboxErrors } from "../sysbox";
import { dindImage } from "../usedImages";

const dockerPath = "config.runners[0].docker";

/** The volumes by which the inner daemon finds its files. */
export function fileVolumes(settings: DockerRunnerSettings): string[] {
  const folder = nodeFolder(settings.namespace, settings.name);
  return [`${folder}/docker/daemon.json:/etc/docker/daemon.json:ro`, `${folder}/docker/certs.d:/etc/docker/certs.d:ro`];
}

/** The volume for a daemon beside the job; the runner keeps one for each project and concurrent job. */
export function layerVolumes(settings: DockerRunnerSettings): string[] {
  return settings.layerCache ? [serviceData] : [];
}

/** `[runners.docker]` where the daemon is a service beside the job. */
export function serviceSection(settings: DockerRunnerSettings, serviceMemory: string): DockerSettings {
  const image = dindImage(settings);
  return {
    ...daemonRights(settings, {
      privileged: true,
      // Only the service needs to be privileged, not the job.
      allowed_privileged_images: [image],
      allowed_privileged_services: [image],
    }),
    services: [{ name: image, alias: "docker", entrypoint: ["/bin/sh", "-c", serviceScript(settings.layerCache)] }],
    service_memory: serviceMemory,
    // The runner's own check dials port 2375, which a daemon with TLS does not open, for 30 s; the script waits instead.
    wait_for_services_timeout: -1,
  };
}

/** Settings with which no inner daemon of any mode could start, or run safely. */
export function innerDaemonErrors(settings: DockerRunnerSettings): InputError[] {
  const docker = ownDocker(settings);
  const errors: InputError[] = sysboxErrors(settings);
  if (docker.privileged === false && settings.runtime === undefined) {
    errors.push({
      propertyPath: `${dockerPath}.privileged`,
      reason: `way ${settings.way} cannot start its daemon without; drop it, or choose way dood`,
    });
  }
  if (docker.network_mode === "host") {
    errors.push({
      propertyPath: `${dockerPath}.network_mode`,
      reason: "a DinD job in the host's network would rewrite the node's own iptables rules; drop it",
    });
  }
  for (const [index, volume] of (docker.volumes ?? []).entries()) {
    const source = volume.includes(":") ? volume.split(":")[0] : undefined;
    const target = volumeDestination(volume);
    if (source !== undefined && [jobData, serviceData].includes(target)) {
      errors.push({
        propertyPath: `${dockerPath}.volumes[${index}]`,
        reason: `${source} would be shared by the daemons of jobs that run at once, and be destroyed by them; drop it: with layerCache each has a volume of its own`,
      });
    }
    if (source !== undefined && (target === "/certs" || target === "/certs/client")) {
      errors.push({
        propertyPath: `${dockerPath}.volumes[${index}]`,
        reason: `jobs that run at once would overwrite each other's certificates in ${source}; drop it`,
      });
    }
  }
  return errors;
}

/** Settings with which the daemon beside the job could not start, so that every job would wait for it in vain. */
export function serviceErrors(settings: DockerRunnerSettings): InputError[] {
  const docker = ownDocker(settings);
  const errors: InputError[] = [];
  if (docker.services_privileged === false && settings.runtime === undefined) {
    errors.push({
      propertyPath: `${dockerPath}.services_privileged`,
      reason: `way ${settings.way} cannot start its service's daemon without; drop it: services other than the daemon are not privileged anyway, or choose way dind-job`,
    });
  }
  const replaces = (docker.services ?? []).some((service) => serviceNames(service).includes("docker"));
  const services = (docker.services ?? []).length + (replaces ? 0 : 1);
  if (docker.services_limit !== undefined && docker.services_limit >= 0 && docker.services_limit < services) {
    errors.push({
      propertyPath: `${dockerPath}.services_limit`,
      reason: `is less than the ${services} that every job has, the daemon among them, so none would start; give at least ${services}`,
    });
  }
  return errors;
}
