import type { InputError } from "../../inputErrors";
import { schemaErrors } from "../../schemaErrors";
import {
  imageErrors,
  nameErrors,
  placeErrors,
  policyErrors,
  releaseErrors,
  resourceErrors,
  sectionErrors,
  type UsedImage,
} from "../errors";
import { proxyErrors } from "../proxy";
import { managerResources } from "../sizes";
import { layersImage } from "./buildCache";
import { buildCacheErrors } from "./buildCacheErrors";
import { configErrors, own } from "./configErrors";
import { deploymentErrors } from "./deploymentErrors";
import { jobImage, usedHelperImage, usedPullPolicy } from "./kubernetesConfig";
import { kubernetesRunnerSettings, ownKubernetes, type KubernetesRunnerSettings } from "./settings";

/** The settings of a runner with their defaults, or everything that is wrong with them; of stack files and of programs. */
export function checkKubernetesRunner(given: unknown): { settings?: KubernetesRunnerSettings; errors: InputError[] } {
  const parsed = kubernetesRunnerSettings.safeParse(given);
  if (!parsed.success) {
    return { errors: schemaErrors(kubernetesRunnerSettings, parsed.error.issues, given) };
  }
  const settings = parsed.data;
  return { settings, errors: [...placeErrors(settings), ...kubernetesRunnerErrors(settings)] };
}

/** What is wrong with the settings that are a runner's own. */
export function kubernetesRunnerErrors(settings: KubernetesRunnerSettings): InputError[] {
  const kubernetes = ownKubernetes(settings);
  return [
    // Its objects' names end in -containers, and the name is a label's value too.
    ...nameErrors(settings.name, 52, "runner's objects"),
    ...resourceErrors("resources", settings.resources, managerResources(settings.size, settings.resources)),
    ...imageErrors(settings, imagesOf(settings)),
    ...releaseErrors(
      settings.image,
      usedHelperImage(settings),
      kubernetes.helper_image === undefined ? "helperImage" : `${own}.helper_image`,
    ),
    ...policyErrors(usedPullPolicy(settings), kubernetes.allowed_pull_policies, `${own}.allowed_pull_policies`),
    ...sectionErrors(settings, "kubernetes"),
    ...proxyErrors(settings),
    ...configErrors(settings),
    ...buildCacheErrors(settings, own),
    ...deploymentErrors(settings),
  ];
}

/** Every image that the runner is configured with, by the setting it comes from. */
function imagesOf(settings: KubernetesRunnerSettings): UsedImage[] {
  const kubernetes = ownKubernetes(settings);
  return [
    ["image", settings.image],
    kubernetes.helper_image === undefined
      ? ["helperImage", settings.helperImage]
      : [`${own}.helper_image`, kubernetes.helper_image],
    [kubernetes.image === undefined ? "jobImage" : `${own}.image`, jobImage(settings)],
    ["buildCache.image", settings.buildCache && layersImage(settings.buildCache)],
    ...(kubernetes.services ?? []).map(({ name }, index): UsedImage => [`${own}.services[${index}].name`, name]),
  ];
}
