import { posix } from "node:path";
import type { InputError } from "../components/inputErrors";
import { hasResidentEngine } from "../components/runners/docker/ways";
import { oneError } from "../components/runners/errors";
import { layersFolder } from "../components/runners/kubernetes/buildCache";
import { objectNames } from "../components/runners/kubernetes/names";
import { engineFolder, isIn, nodeFolder, nodeFolders, takenFolders } from "../components/runners/nodeFolder";
import type { CheckedRunner } from "./checks";

type Docker = Extract<CheckedRunner, { executor: "docker" }>;
type Kubernetes = Extract<CheckedRunner, { executor: "kubernetes" }>;
type Shell = Extract<CheckedRunner, { executor: "shell" }>;

/** Runners of one stack that would be in each other's way: in a folder, on a host, or by a name. */
export function collisionErrors(runners: CheckedRunner[], nodes: string[]): InputError[] {
  return [
    ...runners.flatMap((runner, index) => (isShell(runner) ? hostErrors(runners, runner, index) : [])),
    ...runners.flatMap((runner, index) => (hasEngine(runner) ? engineErrors(runners, runner, index) : [])),
    ...runners.flatMap((runner, index) => (hasLayers(runner) ? layersErrors(runners, runner, index) : [])),
    ...resourceNameErrors(runners, nodes),
  ];
}

function isShell(runner: CheckedRunner): runner is Shell {
  return runner.executor === "shell";
}

function hasEngine(runner: CheckedRunner): runner is Docker {
  return runner.executor === "docker" && hasResidentEngine(runner.settings.way);
}

function hasLayers(runner: CheckedRunner): runner is Kubernetes {
  return runner.executor === "kubernetes" && runner.settings.buildCache !== undefined;
}

/** Folders below which a runner's builds keep layers. */
export function layersFolders(runner: CheckedRunner): string[] {
  return hasLayers(runner) ? [runner.settings.buildCache!.hostFolder] : [];
}

/** Two runners of one host, each a service of it. */
function hostErrors(runners: CheckedRunner[], { settings, on }: Shell, index: number): InputError[] {
  const at = `runners[${index}]`;
  const others = runners
    .slice(0, index)
    .filter(isShell)
    .filter((one) => one.on.hosts.some((host) => on.hosts.includes(host)));
  const port = others.find((one) => one.settings.metricsPort === settings.metricsPort);
  const { packageVersion: wanted } = settings;
  const version = others.find(({ settings: { packageVersion: there } }) => wanted && there && wanted !== there);
  return [
    ...oneError(
      `${at}.metricsPort`,
      port &&
        `${settings.metricsPort} is the port of runner ${port.settings.name} on the same host too; give each its own`,
    ),
    ...oneError(
      `${at}.packageVersion`,
      version &&
        `runner ${version.settings.name} wants the package in version ${version.settings.packageVersion} on the same host, which can have one only; name the same, or give one of them a binary`,
    ),
  ];
}

/** What runners of one host do to each other without being refused: stacks are deployed that way. */
export function collisionWarnings(runners: CheckedRunner[]): string[] {
  return runners.filter(isShell).flatMap(({ settings: having, on }) =>
    runners
      .filter(isShell)
      .filter(({ settings: { user, docker } }) => having.docker && !docker && user === having.user)
      .filter((one) => one.on.hosts.some((host) => on.hosts.includes(host)))
      .map(
        ({ settings: without }) =>
          `Runner ${having.name} lets user ${having.user} use Docker on a host of both, so the jobs of runner ${without.name} are root there too; say docker: true there, or give one of them another user.`,
      ),
  );
}

/** An engine with its data in a folder of somebody else: two engines would meet, or the other's removal would take it along. */
function engineErrors(runners: CheckedRunner[], { settings }: Docker, index: number): InputError[] {
  const folder = posix.normalize(engineFolder(settings));
  const others = runners.flatMap((runner): [folder: string, whose: string][] => {
    if (runner.executor !== "docker") {
      return [];
    }
    const { namespace, name } = runner.settings;
    const [own, engine] = [nodeFolder(namespace, name), posix.normalize(engineFolder(runner.settings))];
    const isOwn = runner.settings === settings;
    return [
      ...(isOwn && folder === `${own}/engine` ? [] : [[own, `runner ${name}'s`] satisfies [string, string]]),
      ...(isOwn || !hasEngine(runner) ? [] : [[engine, `runner ${name}'s engine's`] satisfies [string, string]]),
    ];
  });
  const reserved = takenFolders.map((name): [string, string] => [`${nodeFolders}/${name}`, "not the runners'"]);
  const [taken, whose] = [...others, ...reserved].find(([one]) => isIn(folder, one)) ?? [];
  return oneError(
    `runners[${index}].engineFolder`,
    taken &&
      `its data would be in ${folder}, and ${taken} is ${whose}; name a folder of its own, such as /mnt/ssd/pi-runners`,
  );
}

/** Layers in a folder that is another runner's, or whose guard has its name. */
function layersErrors(runners: CheckedRunner[], { settings }: Kubernetes, index: number): InputError[] {
  const folder = layersFolder(settings, settings.buildCache!);
  const { layers } = objectNames(settings.name);
  const others = runners.filter((other) => other.settings !== settings);
  const taken = others
    .flatMap((other) => [
      ...(hasLayers(other) ? [layersFolder(other.settings, other.settings.buildCache!)] : []),
      ...(hasEngine(other) ? [engineFolder(other.settings)] : []),
    ])
    .find((other) => isIn(folder, other) || isIn(other, folder));
  return [
    ...oneError(
      `runners[${index}].name`,
      others.some((other) => other.executor === "docker" && other.settings.name === layers)
        ? `with buildCache it has an object ${layers}, and so has runner ${layers}; give one of them another name`
        : undefined,
    ),
    ...oneError(
      `runners[${index}].buildCache.hostFolder`,
      // Two of one name are told so already.
      taken && taken !== folder
        ? `its layers would be in ${folder}, and ${taken} is another runner's; name a folder of its own`
        : undefined,
    ),
  ];
}

/** Pulumi knows what is done on a host by the names of both, and `a` on `b-c` would be `a-b` on `c`. */
function resourceNameErrors(runners: CheckedRunner[], nodes: string[]): InputError[] {
  const seen = new Map<string, number>();
  return runners.flatMap((runner, index) => {
    const { name } = runner.settings;
    const resources =
      runner.executor === "shell"
        ? runner.on.hosts.map((host) => `ShellRunner ${name}-${host}`)
        : runner.executor === "docker"
          ? nodes.map((node) => `RunnerCleanup ${name}-cleanup-${node}`)
          : hasLayers(runner)
            ? nodes.map((node) => `LayersCleanup ${name}-layers-${node}`)
            : [];
    const taken = resources.find((resource) => (seen.get(resource) ?? index) !== index);
    const other = runners[seen.get(taken ?? "") ?? index]!.settings.name;
    resources.forEach((resource) => seen.set(resource, seen.get(resource) ?? index));
    // Two runners of one name are told so already.
    return oneError(
      `runners[${index}].name`,
      taken === undefined || other === name
        ? undefined
        : `with its nodes, "${name}" makes a name that runner ${other} makes with another node (${taken.split(" ")[1]}), and Pulumi could not tell them apart; rename one of the runners`,
    );
  });
}
