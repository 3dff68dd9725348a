import { serviceNames } from "../configToml/merge";
import { helperImage, images } from "../images";
import { ownDocker, type DockerRunnerSettings } from "./settings";
import { hasService } from "./ways";

type ImageSettings = Pick<DockerRunnerSettings, "way" | "jobImage" | "dindImage" | "config">;

/** The image that a job without one of its own runs in. The daemon inside a job needs one that has dockerd. */
export function jobImage(settings: ImageSettings): string {
  const preset = settings.way === "dind-job" ? (settings.dindImage ?? images.dind) : images.job;
  return ownDocker(settings).image ?? settings.jobImage ?? preset;
}

/** The image of the daemon that jobs build with: `config` may put a service of its own in its place. */
export function dindImage(settings: ImageSettings): string {
  const services = hasService(settings.way) ? (ownDocker(settings).services ?? []) : [];
  const replaced = services.find((service) => serviceNames(service).includes("docker"));
  return replaced?.name ?? settings.dindImage ?? images.dind;
}

/** The helper image that the runner is told to use; undefined: it chooses by itself. */
export function usedHelperImage(settings: DockerRunnerSettings): string | undefined {
  return ownDocker(settings).helper_image ?? settings.helperImage ?? helperImage(settings.architecture, settings.image);
}
