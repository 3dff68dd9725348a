import type { InputError } from "../../inputErrors";
import { mountPoint, volumeDestination } from "../configToml/merge";
import { dockerRunnerConfig } from "./dockerConfig";
import { ownDocker, type DockerRunnerSettings } from "./settings";

const folder = String.raw`\/(?:[^\\/:*?"<>|\r\n ]+\/?)*`;

/** What the runner takes for a volume (19.4.0, executors/docker/internal/volumes/parser/linux_parser.go). */
const volumePattern = new RegExp(
  `^(?:(?:${folder}|[^\\\\/:*?"<>|\\r\\n]+):)?${folder}(?::(?:ro|rw))?(?:[:,]z)?(?:[:,]r?(?:shared|slave|private))?$`,
  "i",
);

/** Volumes that the runner or Docker refuses, so that every job would fail. */
export function volumeErrors(settings: DockerRunnerSettings): InputError[] {
  const volumes = ownDocker(settings).volumes ?? [];
  const destinations = volumes.map(volumeDestination);
  const errors: InputError[] = [];
  for (const [index, volume] of volumes.entries()) {
    const propertyPath = `config.runners[0].docker.volumes[${index}]`;
    const first = destinations.indexOf(destinations[index]!);
    if (!volumePattern.test(volume)) {
      errors.push({
        propertyPath,
        reason: `"${volume}" is no volume; write /in-the-job, or /on-the-node:/in-the-job, and :ro where jobs may only read`,
      });
    } else if (first !== index) {
      errors.push({
        propertyPath,
        reason: `${destinations[index]} is the place of volumes[${first}] too, and the runner would refuse every job; keep one`,
      });
    }
  }
  return [...errors, ...tmpfsErrors("tmpfs", destinations, settings), ...servicesTmpfsErrors(settings)];
}

/** Services have the volumes of the job, those of the build mode included. */
function servicesTmpfsErrors(settings: DockerRunnerSettings): InputError[] {
  const volumes = dockerRunnerConfig(settings, "").runners?.[0]?.docker?.volumes ?? [];
  return tmpfsErrors("services_tmpfs", volumes.map(volumeDestination), settings);
}

function tmpfsErrors(
  key: "tmpfs" | "services_tmpfs",
  destinations: string[],
  settings: DockerRunnerSettings,
): InputError[] {
  const taken = Object.keys(ownDocker(settings)[key] ?? {}).filter((place) => destinations.includes(mountPoint(place)));
  return taken.map((place) => ({
    propertyPath: `config.runners[0].docker.${key}.${place}`,
    reason: `${place} is the place of a volume too, and Docker would refuse every job; keep one`,
  }));
}
