import type { InputError } from "../../inputErrors";
import { oneError } from "../errors";
import { isIn, nodeFolders, engineDataOfNodes } from "../nodeFolder";
import { layersImage } from "./buildCache";
import { ownKubernetes, type KubernetesRunnerSettings, type KubernetesSection } from "./settings";

/** Jobs start only where a guard is, and it has no words for what these do to jobs' pods; the first may say anything. */
const elsewhere: Partial<Record<keyof KubernetesSection, string>> = {
  pod_spec: "it may send jobs' pods to other nodes, or take their folder away",
  node_tolerations: "the guard of the layers would not go where jobs go; write tolerations instead",
  node_tolerations_overwrite_allowed: "a job could go where no guard of the layers is",
  node_selector_overwrite_allowed: "a job could go where no guard of the layers is",
  runtime_class_name: "pods of another runtime may be machines of their own, whose locks the node does not see",
};

/** Folders of a node whose contents are others', or in memory. */
const ofSystem = ["/dev", "/etc", "/proc", "/sys", "/var/lib/kubelet/pods"];

/** With what a runner's builds could not keep layers on nodes, or not safely. */
export function buildCacheErrors(settings: KubernetesRunnerSettings, own: string): InputError[] {
  const { buildCache, hostUsers } = settings;
  if (buildCache === undefined) {
    return [];
  }
  const section = ownKubernetes(settings);
  const taken = [nodeFolders, ...engineDataOfNodes, ...ofSystem].find((one) => isIn(buildCache.hostFolder, one));
  const inTheWay = (Object.keys(elsewhere) as (keyof KubernetesSection)[]).filter((key) => isSet(section[key]));
  const image = layersImage(buildCache);
  const unlisted = (section.allowed_images ?? []).length > 0 && !section.allowed_images!.includes(image);
  return [
    ...inTheWay.flatMap((key) => oneError(`${own}.${key}`, `beside buildCache ${elsewhere[key]!}; drop one of them`)),
    ...oneError(
      `${own}.allowed_images`,
      unlisted ? `${image}, in which buildCache builds, is not among them; add it, or write allowedImages` : undefined,
    ),
    ...oneError(
      "hostUsers",
      hostUsers === false
        ? "rootless BuildKit has no users of its own in such a pod, and buildCache keeps the layers of nothing else; drop one of them"
        : undefined,
    ),
    ...oneError(
      "buildCache.hostFolder",
      taken && `is in ${taken}, which is for something else of the node; name another, such as ${nodeFolders}-layers`,
    ),
  ];
}

const isSet = (value: unknown): boolean =>
  value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0);
