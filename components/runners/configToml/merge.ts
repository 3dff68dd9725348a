import { posix } from "node:path";
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
 * Lists that a build mode depends on, with what an entry is known by. What the user gives is added to them, and takes the
 * place of the preset's entry that is known by the same: the runner refuses two volumes with one destination, and of two
 * hosts or services with one name it takes the first. Every other list of the preset is replaced as a whole.
 */
const mergedLists = new Map<string, (entry: never) => string[]>([
  ["runners.environment", (variable: string) => [variable.split("=", 1)[0]!]],
  ["runners.docker.volumes", (volume: string) => [volumeDestination(volume)]],
  ["runners.docker.extra_hosts", (host: string) => [host.split(":", 1)[0]!.toLowerCase()]],
  ["runners.docker.services", serviceNames],
  ["runners.kubernetes.host_aliases", ({ hostnames = [] }: { hostnames?: string[] }) => hostnames],
  ["runners.kubernetes.volumes.config_map", mountPath],
  ["runners.kubernetes.volumes.empty_dir", mountPath],
  ["runners.kubernetes.pod_spec", ({ name }: { name?: string }) => [name ?? ""]],
  // The image of the mode's daemon stays privileged, as no job could build without.
  ["runners.docker.allowed_privileged_images", (image: string) => [image]],
  ["runners.docker.allowed_privileged_services", (image: string) => [image]],
]);

/**
 * Puts what the stack file says over a preset. Tables are merged key by key; a value replaces the preset's, except that
 * lists on which the build mode depends are merged (see above), and scripts of the preset are appended to.
 */
export function merge(preset: ConfigToml, rest: ConfigRest): ConfigToml {
  const { runners = [], ...global } = rest;
  const merged = mergeTables(preset, global, "");
  const own = runners[0];
  if (own !== undefined) {
    merged["runners"] = (preset.runners ?? []).map((runner) => mergeTables(runner, own, "runners."));
  }
  return merged;
}

type Table = Record<string, unknown>;

function mergeTables(preset: Table, own: Table, path: string): Table {
  const result = new Map(Object.entries(preset));
  for (const [key, value] of Object.entries(own)) {
    result.set(key, mergeValues(path + key, result.get(key), value));
  }
  return Object.fromEntries(result);
}

function mergeValues(path: string, preset: unknown, own: unknown): unknown {
  if (own === undefined || preset === undefined) {
    return own ?? preset;
  }
  const namesOf = mergedLists.get(path) as ((entry: unknown) => string[]) | undefined;
  if (namesOf !== undefined) {
    const taken = new Set((own as unknown[]).flatMap(namesOf));
    return [
      ...(preset as unknown[]).filter((entry) => !namesOf(entry).some((name) => taken.has(name))),
      ...(own as unknown[]),
    ];
  }
  if (path === "runners.pre_get_sources_script" || path === "runners.pre_build_script") {
    return `${String(preset)}\n${String(own)}`;
  }
  return isTable(preset) && isTable(own) ? mergeTables(preset, own, `${path}.`) : own;
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
