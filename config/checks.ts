import { existsSync, readFileSync, statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { resolve } from "node:path";
import { registryTrustErrors, type RegistryTrustArgs } from "../components/registryTrust/args";
import type { Registry } from "../components/registryTrust/registry";
import { certificateError } from "../components/certificate";
import { below, type InputError } from "../components/inputErrors";
import { mirrorErrors } from "../components/mirror/errors";
import { mirrorName } from "../components/mirror/pod";
import type { MirrorSettings } from "../components/mirror/settings";
import { dnsLabelError, hostAliasErrors, namespaceError, oneError, urlError } from "../components/runners/errors";
import { runnerErrors as dockerRunnerErrors } from "../components/runners/docker/errors";
import type { DockerRunnerSettings } from "../components/runners/docker/settings";
import { hasInnerDaemon } from "../components/runners/docker/ways";
import { executorOf } from "../components/runners/executors";
import { kubernetesRunnerErrors } from "../components/runners/kubernetes/errors";
import type { KubernetesRunnerSettings } from "../components/runners/kubernetes/settings";
import { isIn, nodeFolders, takenFolders } from "../components/runners/nodeFolder";
import { shellRunnerErrors } from "../components/runners/shell/errors";
import type { ShellRunnerSettings } from "../components/runners/shell/settings";
import { rolloutErrors, type RolloutSettings } from "../hosts/rollout";
import { collisionErrors, layersFolders } from "./collisions";
import { runnerSchemas, type StackFile } from "./schema";

/** The absolute path of a file that the stack file names; `~/` is the home directory, anything else is in the project. */
export function pathOf(file: string): string {
  return file.startsWith("~/") ? resolve(homedir(), file.slice(2)) : resolve(file);
}

/**
 * The kubeconfig for the provider, such that every checkout and every job gives it the same text: it stands in the state,
 * and another one is an update in the preview. The provider runs in the project's folder, and knows `~/`, as the home that
 * the system has for the user. Empty, not left out: the SDK would put in what KUBECONFIG says on this machine, and the
 * provider reads that itself (pulumi-kubernetes, provider/pkg/provider/provider.go and util.go).
 */
export function placeless(file: string | undefined): string {
  if (file === undefined) {
    return "";
  }
  return file.startsWith("~/") && homedir() !== userInfo().homedir ? pathOf(file) : file;
}

/** Reads a file that the stack file names; a file that cannot be read is an error, and gives undefined. */
function readText(propertyPath: string, file: string | undefined, errors: InputError[]): string | undefined {
  if (file === undefined) {
    return undefined;
  }
  const reason = fileError(file);
  if (reason !== undefined) {
    errors.push({ propertyPath, reason });
    return undefined;
  }
  return readFileSync(pathOf(file), "utf8");
}

function fileError(file: string): string | undefined {
  const path = pathOf(file);
  if (!existsSync(path)) {
    return file.startsWith(".lab/")
      ? `there is no file ${path}, as the lab is not up; run make up`
      : `there is no file ${path}; name one that exists, relative to the project or from ~/`;
  }
  return statSync(path).isDirectory() ? `${path} is a folder; name a file` : undefined;
}

/** Reports every value that occurs twice. */
function duplicates(list: string, field: string, values: string[], what: string): InputError[] {
  return values.flatMap((value, index) => {
    const first = values.indexOf(value);
    return first === index
      ? []
      : [
          {
            propertyPath: `${list}[${index}].${field}`,
            reason: `"${value}" is the ${what} of ${list}[${first}] too; each needs its own`,
          },
        ];
  });
}

/** Reads a file of certificates that the stack file names; one that holds none is an error, and gives undefined. */
export function readCertificate(
  propertyPath: string,
  file: string | undefined,
  errors: InputError[],
): string | undefined {
  const text = readText(propertyPath, file, errors);
  const reason = text === undefined ? undefined : certificateError(text);
  errors.push(...oneError(propertyPath, reason));
  return reason === undefined ? text : undefined;
}

/** Errors in the mirror of a stack, and a mirror that nobody would ask. */
export function stackMirrorErrors(mirror: MirrorSettings, runners: CheckedRunner[]): InputError[] {
  const asked = runners.some(
    ({ executor, settings }) => executor === "kubernetes" || (executor === "docker" && hasInnerDaemon(settings.way)),
  );
  const reason =
    "no runner of this stack asks a mirror: those of ways dood and shell use the node's own Docker; drop it, or have one of another way";
  const { hostFolder } = mirror;
  const engines = runners.flatMap(({ executor, settings }) => (executor === "docker" ? [settings.engineFolder] : []));
  const layers = runners.flatMap(layersFolders);
  const others = takenFolders.map((name) => `${nodeFolders}/${name}`);
  const taken = hostFolder && [...engines, ...layers, ...others].find((folder) => isIn(hostFolder, folder));
  const taking = hostFolder && layers.find((folder) => isIn(folder, hostFolder));
  return below("mirror", [
    ...oneError(
      "hostFolder",
      taking ? `has ${taking} in it, where builds of a runner keep layers; name another folder` : undefined,
    ),
    ...oneError(
      "hostFolder",
      taken === undefined || taken === ""
        ? undefined
        : `is in ${taken}, which is for what runners and trust keep on a node; name another folder`,
    ),
    ...mirrorErrors(mirror),
    ...oneError(
      "enabled",
      runners.some(({ settings }) => settings.name === mirrorName)
        ? `the mirror's objects and those of runner ${mirrorName} have one name; give that runner another one`
        : undefined,
    ),
    ...oneError("enabled", asked || runners.length === 0 ? undefined : reason),
  ]);
}

/** Errors in what a stack is about: namespace, GitLab, names of the LAN. */
export function placeErrors(stack: StackFile): InputError[] {
  return [
    ...oneError("namespace", namespaceError(stack.namespace)),
    ...oneError("kubeconfig", stack.kubeconfig === undefined ? undefined : fileError(stack.kubeconfig)),
    ...hostAliasErrors(stack.hostAliases),
    ...oneError("gitlab.url", urlError(stack.gitlab.url)),
  ];
}

/** The registries with their CAs read. */
export function readRegistries(stack: StackFile, errors: InputError[]): Registry[] {
  return stack.registries.map(({ caFile, ...registry }, index) => {
    const ca = readCertificate(`registries[${index}].caFile`, caFile, errors);
    return { ...registry, ...(ca === undefined ? {} : { ca }) };
  });
}

/** Errors in nodes that RegistryTrust does not look for: their names become parts of Kubernetes' too, files are the stack's. */
export function nodeErrors(stack: StackFile): InputError[] {
  const errors = stack.nodes.flatMap((node, index) => oneError(`nodes[${index}].name`, dnsLabelError(node.name)));
  const files: [string, string | undefined][] = [
    ["ssh.privateKeyFile", stack.ssh.privateKeyFile],
    ["ssh.bastion.privateKeyFile", stack.ssh.bastion?.privateKeyFile],
    ...stack.nodes.map((node, index): [string, string | undefined] => [
      `nodes[${index}].privateKeyFile`,
      node.privateKeyFile,
    ]),
    ...[stack.ssh.knownHostsFile ?? []]
      .flat()
      .map((file, index): [string, string] => [
        Array.isArray(stack.ssh.knownHostsFile) ? `ssh.knownHostsFile[${index}]` : "ssh.knownHostsFile",
        file,
      ]),
  ];
  for (const [key, file] of files) {
    const reason = file === undefined ? undefined : fileError(file);
    if (reason !== undefined) {
      errors.push({ propertyPath: key, reason });
    }
  }
  return errors;
}

/** What RegistryTrust itself refuses; what the stack file's own checks said of a key is not repeated. */
export function trustErrors(args: RegistryTrustArgs, found: InputError[]): InputError[] {
  const said = new Set(found.map(({ propertyPath }) => propertyPath));
  return registryTrustErrors(args, "trust").filter(({ propertyPath }) => !said.has(propertyPath));
}

/** The settings of a runner with its defaults, by its executor. */
export type CheckedRunner =
  | { executor: "docker"; settings: DockerRunnerSettings }
  | { executor: "kubernetes"; settings: KubernetesRunnerSettings }
  | { executor: "shell"; settings: ShellRunnerSettings; on: HostsOfRunner };

/** On which hosts a runner is to be, and how changes reach them. */
interface HostsOfRunner {
  hosts: string[];
  rollout?: RolloutSettings;
  probe?: boolean;
  reapply?: string;
}

/** Errors in the runners, each with its defaults filled in. */
export function allRunnersErrors(runners: CheckedRunner[], nodes: string[]): InputError[] {
  const names = runners.map(({ settings }) => settings.name);
  return [
    ...duplicates("runners", "name", names, "name"),
    ...runners.flatMap((runner, index) => below(`runners[${index}]`, runnerErrors(runner, nodes))),
    ...collisionErrors(runners, nodes),
  ];
}

function runnerErrors(runner: CheckedRunner, nodes: string[]): InputError[] {
  const { executor } = runner;
  switch (executor) {
    case "docker":
      return dockerRunnerErrors(runner.settings);
    case "kubernetes":
      return kubernetesRunnerErrors(runner.settings);
    case "shell":
      return [...shellRunnerErrors(runner.settings), ...hostsErrors(runner.on, nodes)];
    default:
      throw new Error(`No checks for executor ${String(executor satisfies never)}; add them to checks.ts.`);
  }
}

/** A runner's hosts are nodes of the stack, each once. */
function hostsErrors({ hosts, rollout }: HostsOfRunner, nodes: string[]): InputError[] {
  const errors = hosts.flatMap((host, index) => {
    const unknown = `"${host}" is no node; nodes are ${nodes.join(", ") || "none"}`;
    const twice = hosts.indexOf(host) === index ? undefined : `"${host}" stands here twice; name it once`;
    return oneError(`hosts[${index}]`, nodes.includes(host) ? twice : unknown);
  });
  return [...errors, ...below("rollout", rolloutErrors(hosts, rollout ?? {}))];
}

/** Defaults that no runner of the stack can take: a key of another executor, probably meant for one that went. */
export function defaultsErrors(stack: StackFile): InputError[] {
  if (stack.runners.length === 0) {
    return []; // The runners themselves are wrong: who could use what is not known.
  }
  const known = new Set(stack.runners.flatMap(({ way }) => Object.keys(runnerSchemas[executorOf(way)].shape)));
  return Object.keys(stack.runnerDefaults)
    .filter((key) => !known.has(key))
    .map((key) => ({
      propertyPath: `runnerDefaults.${key}`,
      reason: `no runner of this stack can use it: none has an executor that knows it; drop it`,
    }));
}
