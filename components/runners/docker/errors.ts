import type { InputError } from "../../inputErrors";
import { schemaErrors } from "../../schemaErrors";
import {
  imageErrors,
  nameErrors,
  oneError,
  placeErrors,
  policyErrors,
  releaseErrors,
  resourceErrors,
  sectionErrors,
  type UsedImage,
} from "../errors";
import { proxyErrors } from "../proxy";
import { engineResources, managerResources } from "../sizes";
import { usedPullPolicy } from "./dockerConfig";
import { buildModes } from "./modes/buildModes";
import { dockerRunnerSettings, ownDocker, type DockerRunnerSettings } from "./settings";
import { strayErrors } from "./takenSettings";
import { dindImage, jobImage, usedHelperImage } from "./usedImages";
import { volumeErrors } from "./volumeErrors";
import { hasResidentEngine, hasService } from "./ways";

/**
 * The settings of a runner with their defaults, or everything that is wrong with them: kinds and ranges by the schema, and
 * what only shows when settings are looked at together. The one validator, of stack files and of programs.
 */
export function checkDockerRunner(given: unknown): { settings?: DockerRunnerSettings; errors: InputError[] } {
  const parsed = dockerRunnerSettings.safeParse(given);
  if (!parsed.success) {
    return { errors: schemaErrors(dockerRunnerSettings, parsed.error.issues) };
  }
  const settings = parsed.data;
  return { settings, errors: [...placeErrors(settings), ...runnerErrors(settings)] };
}

/** What is wrong with the settings that are a runner's own. */
export function runnerErrors(settings: DockerRunnerSettings): InputError[] {
  return [
    // The controller adds a dash and ten characters of hash to a DaemonSet's name for its revisions.
    ...nameErrors(settings.name, 52, "DaemonSet"),
    ...resourceErrors("resources", settings.resources, managerResources(settings.size, settings.resources)),
    ...resourceErrors(
      "engineResources",
      settings.engineResources,
      engineResources(settings.size, settings.engineResources),
    ),
    ...imageErrors(settings, imagesOf(settings)),
    ...releaseErrors(
      settings.image,
      usedHelperImage(settings),
      ownDocker(settings).helper_image === undefined ? "helperImage" : "config.runners[0].docker.helper_image",
    ),
    ...policyErrors(
      usedPullPolicy(settings),
      ownDocker(settings).allowed_pull_policies,
      "config.runners[0].docker.allowed_pull_policies",
    ),
    ...volumeErrors(settings),
    ...sectionErrors(settings, "docker"),
    ...proxyErrors(settings),
    ...(settings.allowTlsOff === true && settings.way !== "dind-plain"
      ? oneError("allowTlsOff", `way ${settings.way} does not use it; drop it, or choose way dind-plain`)
      : []),
    ...strayErrors(settings),
    ...buildModes[settings.way].errors(settings),
  ];
}

/** Every image that the runner is configured with, by the setting it comes from. */
function imagesOf(settings: DockerRunnerSettings): UsedImage[] {
  const docker = ownDocker(settings);
  const own = "config.runners[0].docker";
  return [
    ["image", settings.image],
    docker.helper_image === undefined
      ? ["helperImage", settings.helperImage]
      : [`${own}.helper_image`, docker.helper_image],
    docker.image === undefined ? ["jobImage", jobImage(settings)] : [`${own}.image`, docker.image],
    [
      "dindImage",
      hasService(settings.way) || hasResidentEngine(settings.way)
        ? (settings.dindImage ?? dindImage(settings))
        : undefined,
    ],
    ...(docker.services ?? []).map((service, index): [string, string | undefined] => [
      `${own}.services[${index}].name`,
      service.name,
    ]),
  ];
}
