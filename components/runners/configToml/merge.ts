import { posix } from "node:path";
import { mergeTables, type Rule } from "../merge";
import type { ConfigRest } from "./rest";
import type { ConfigToml } from "./settings/config";
import type { DockerSettings } from "./settings/docker";

/** Where a volume is mounted in the container: `/cache`, `/srv/cache:/cache` and `/srv/cache:/cache/:ro` are one place. */
export function volumeDestination(volume: string): string {
  const [first = "", second] = volume.split(":");
  return mountPoint(second ?? first);
}

/** A path in a container, as Docker compares two. */
export function mountPoint(path: string): string {
  return posix.normalize(path).replace(/(?<=.)\/$/, "");
}

type Service = NonNullable<DockerSettings["services"]>[number];

/**
 * The names by which a job reaches a service: its aliases, and those that the runner makes of its image's name
 * (helpers/container/services, SplitNameAndVersion). Of two services with one name the runner starts the first.
 */
export function serviceNames(service: Service): string[] {
  const image = service.name
    .replace(/@.*$/, "")
    .replace(/:[^:/]*$/, "")
    .replace(/:\d+\//, "/");
  const aliases = (service.alias ?? "").split(/[\s,]+/);
  return [image.replaceAll("/", "__"), image.replaceAll("/", "-"), ...aliases].filter((name) => name !== "");
}

/** A volume of a pod is known by where it is mounted. */
function mountPath(volume: { mount_path?: string }): string[] {
  return [mountPoint(volume.mount_path ?? "")];
}

/**
 * A list that a build mode depends on, with what an entry is known by. What the user gives is added to it, and takes the place of
 * the preset's entry that is known by the same: the runner refuses two volumes with one destination, and of two hosts or
 * services with one name it takes the first. Every other list of the preset is replaced as a whole.
 */
function listBy<T>(namesOf: (entry: T) => string[]): Rule {
  return (preset, own) => {
    const taken = new Set((own as T[]).flatMap(namesOf));
    return [...(preset as T[]).filter((entry) => !namesOf(entry).some((name) => taken.has(name))), ...(own as T[])];
  };
}

/** A script of the preset comes first. */
const appended: Rule = (preset, own) => `${String(preset)}\n${String(own)}`;

const rules = new Map<string, Rule>([
  ["runners.environment", listBy((variable: string) => [variable.split("=", 1)[0]!])],
  ["runners.docker.volumes", listBy((volume: string) => [volumeDestination(volume)])],
  ["runners.docker.extra_hosts", listBy((host: string) => [host.split(":", 1)[0]!.toLowerCase()])],
  ["runners.docker.services", listBy(serviceNames)],
  ["runners.kubernetes.host_aliases", listBy(({ hostnames = [] }: { hostnames?: string[] }) => hostnames)],
  ["runners.kubernetes.volumes.config_map", listBy(mountPath)],
  ["runners.kubernetes.volumes.empty_dir", listBy(mountPath)],
  ["runners.kubernetes.pod_spec", listBy(({ name }: { name?: string }) => [name ?? ""])],
  // The image of the mode's daemon stays privileged, as no job could build without.
  ["runners.docker.allowed_privileged_images", listBy((image: string) => [image])],
  ["runners.docker.allowed_privileged_services", listBy((image: string) => [image])],
  ["runners.pre_get_sources_script", appended],
  ["runners.pre_build_script", appended],
]);

/** Puts what the stack file says over a preset, by the rules above. */
export function merge(preset: ConfigToml, rest: ConfigRest): ConfigToml {
  const { runners = [], ...global } = rest;
  const merged = mergeTables(preset, global, rules);
  const own = runners[0];
  if (own !== undefined) {
    merged["runners"] = (preset.runners ?? []).map((runner) => mergeTables(runner, own, rules, "runners"));
  }
  return merged;
}
