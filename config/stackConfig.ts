import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { PodSecurity } from "../components/namespace/runnerNamespace";
import type { Registry } from "../components/registryTrust/registry";
import type { TrustNode } from "../components/registryTrust/args";
import { InvalidInputsError, linesOf, type InputError } from "../components/inputErrors";
import { dockerRunnerSettings, type DockerRunnerSettings } from "../components/runners/docker/settings";
import { takesSetting } from "../components/runners/docker/takenSettings";
import { hasInnerDaemon } from "../components/runners/docker/ways";
import { kubernetesRunnerSettings } from "../components/runners/kubernetes/settings";
import type { MirrorSettings } from "../components/mirror/settings";
import { defaultQuota } from "../components/namespace/runnerNamespace";
import { portOf } from "../components/namespace/network";
import { shutdownTimeout } from "../components/runners/manager/config";
import { proxyPorts } from "../components/runners/proxy";
import { shellRunnerSettings } from "../components/runners/shell/settings";
import type { Resources } from "../components/runners/sizes";
import type { RunnerTokenArgs } from "../components/token/runnerToken";
import { bare } from "../components/schema";
import { schemaErrors } from "../components/schemaErrors";
import type { RolloutSettings } from "../hosts/rollout";
import type { HostSsh } from "../hosts/ssh";
import {
  allRunnersErrors,
  defaultsErrors,
  nodeErrors,
  placeErrors,
  placeless,
  readRegistries,
  stackMirrorErrors,
  trustErrors,
  type CheckedRunner,
} from "./checks";
import { collisionWarnings } from "./collisions";
import { bastionOf, secretsOf } from "./logins";
import { markSecrets } from "./markedSecrets";
import { memoryFindings } from "./nodeMemory";
import { strictestFor } from "./podSecurity";
import { plainSecrets } from "./plainSecrets";
import { runnerEntry, stackSchema, type RunnerEntry, type StackFile } from "./schema";
import { rawStackFile, type RawConfig } from "./stackFile";
import { readInstances, tokenArgs, tokenErrors, type Instance } from "./tokens";

/** Settings of one runner, ready for the component of its executor. */
export type RunnerConfig = CheckedRunner & {
  /** Tags that it has in GitLab. */
  tags: string[];
  /** What makes its token. */
  token: RunnerTokenArgs;
  waitForNodes?: boolean;
};

/** Everything that the stack file says, checked. */
export interface StackConfig {
  /** Kubeconfig as the state is to remember it: empty for what kubectl uses. */
  kubeconfig: string;
  context?: string;
  namespace: string;
  gitlabUrl: string;
  registries: Registry[];
  nodes: TrustNode[];
  ssh: HostSsh;
  rollout: RolloutSettings;
  allowRestart?: boolean;
  owner?: string;
  probe?: boolean;
  reapply?: string;
  runners: RunnerConfig[];
  metricsFrom?: Record<string, string>;
  egressPorts: number[];
  quota?: Record<string, string>;
  /** The pull-through mirror, where there is to be one, with the names that it is to know. */
  mirror?: MirrorSettings & { hostAliases: Record<string, string> };
  /** The strictest Pod Security Standard that the pods of all runners meet. */
  podSecurity: PodSecurity;
  /** How long the namespace may take to go, as Go writes durations: longer than any of its runners may drain. */
  deleteTimeout: string;
  /** What is legal, and may not be meant. */
  warnings: string[];
}

/** The namespace of our keys. */
const prefix = "pi-runners:";

/**
 * Reads the configuration of the current stack: the only place that does. Every error is reported in one go, before
 * anything is registered.
 *
 * @throws InvalidInputsError, which Pulumi prints without a stack trace.
 */
export function readConfig(): StackConfig {
  // Not part of the SDK's public types; without it, plain tokens that the stack file does not show go unnoticed.
  const { isConfigSecret } = pulumi.runtime as { isConfigSecret?: (key: string) => boolean };
  return parseConfig(pulumi.runtime.allConfig(), isConfigSecret, rawStackFile(pulumi.getStack()));
}

/**
 * Does the work of readConfig.
 *
 * @param all map from key (`pi-runners:way`) to text, as Pulumi hands it to programs
 * @param isEncrypted tells whether a key is encrypted in the stack file, as a whole or in part
 * @param file what stands below `config:` in the stack file, where there is one
 */
export function parseConfig(
  all: Record<string, string>,
  isEncrypted = (_key: string): boolean => true,
  file?: RawConfig,
): StackConfig {
  const values = ownValues(all);
  const errors = plainSecrets(values, (key) => isEncrypted(prefix + key), ownKeys(file));
  const parsed = stackSchema.safeParse(values);
  if (!parsed.success) {
    errors.push(...schemaErrors(stackSchema, parsed.error.issues, values));
    // A key of the wrong kind hides nothing: what can be judged without it is judged all the same.
    errors.push(...judgeParts(values, parsed.error.issues));
    throw refusal([...inNamespace(errors), ...misspeltNamespace(all)]);
  }
  const config = assemble(parsed.data, errors);
  const found = [...inNamespace(errors), ...misspeltNamespace(all)];
  if (found.length > 0) {
    throw refusal(found);
  }
  return { ...config, runners: markSecrets(config.runners, ownKeys(file), (key) => isEncrypted(prefix + key)) };
}

/** Our keys as they stand in the stack file; Pulumi takes the project's with and without its name. */
function ownKeys(file: RawConfig | undefined): RawConfig | undefined {
  const entries = Object.entries(file ?? {}).filter(([key]) => key.startsWith(prefix) || !key.includes(":"));
  return file && Object.fromEntries(entries.map(([key, value]) => [key.replace(prefix, ""), value]));
}

/** Reads everything that the stack file names and judges it. */
function assemble(stack: StackFile, errors: InputError[]): StackConfig {
  const registries = readRegistries(stack, errors);
  const instances = readInstances(stack, errors);
  const runners = stack.runners.map((runner, index) =>
    runnerConfig(stack, runnerEntry(runner), instances[index]!, registries),
  );
  const nodeNames = stack.nodes.map(({ name }) => name);
  errors.push(...placeErrors(stack), ...nodeErrors(stack), ...allRunnersErrors(runners, nodeNames));
  errors.push(...defaultsErrors(stack), ...tokenErrors(stack, instances));
  const memory = memoryFindings(stack.nodes, runners);
  errors.push(...memory.errors);
  const trust = {
    registries,
    ssh: { ...stack.ssh, ...secretsOf(stack.ssh), ...bastionOf(stack.ssh) },
    nodes: stack.nodes.map(({ memory: _memory, labels: _labels, ...node }) => ({
      ...node,
      ...secretsOf(node),
      ...bastionOf(node),
    })),
    rollout: { canary: stack.trust.canary, batchSize: stack.trust.batchSize, maxFailures: stack.trust.maxFailures },
  };
  errors.push(...trustErrors(trust, errors));
  const mirror = mirrorOf(stack);
  errors.push(...(mirror === undefined ? [] : stackMirrorErrors(mirror, runners)));
  return {
    ...trust,
    kubeconfig: placeless(stack.kubeconfig),
    context: stack.context,
    namespace: stack.namespace,
    gitlabUrl: stack.gitlab.url,
    allowRestart: stack.trust.allowRestart,
    owner: stack.trust.owner,
    probe: stack.trust.probe,
    reapply: stack.trust.reapply,
    runners,
    metricsFrom: unlessEmpty(stack.metricsFrom),
    egressPorts: [...new Set([...stack.egressPorts, ...otherPorts(stack), ...runners.flatMap(portsOfProxy)])],
    quota: unlessEmpty(stack.quota) ?? (mirror && quotaWith(mirror)),
    mirror: mirror && { ...mirror, hostAliases: stack.hostAliases },
    podSecurity: strictestFor(runners, mirror),
    // Ten minutes for pods to stop once their jobs are over.
    deleteTimeout: `${Math.ceil(Math.max(0, ...runners.map(stopTime)) / 60) + 10}m`,
    warnings: [...memory.warnings, ...collisionWarnings(runners)],
  };
}

/** Ports of further GitLab instances, which pods have to reach as well. */
function otherPorts({ gitlab, runners }: StackFile): number[] {
  const urls = runners.flatMap((runner) => runner.gitlab?.url ?? []).filter((url) => URL.canParse(url));
  return urls.map(portOf).filter((port) => !URL.canParse(gitlab.url) || port !== portOf(gitlab.url));
}

/** Ports of a runner's proxy that pods have to reach. */
function portsOfProxy({ executor, settings, token }: RunnerConfig): number[] {
  return executor === "shell" && token.place === undefined ? [] : proxyPorts(settings);
}

/** Seconds that jobs of a runner may take to end; the first half minute of an abort is in what pods have beside. */
function stopTime({ settings }: RunnerConfig): number {
  return settings.drainTimeout + Math.max(0, shutdownTimeout(settings) - 30);
}

/** The mirror that a stack file asks for. */
function mirrorOf({ mirror }: StackFile): MirrorSettings | undefined {
  if (mirror === undefined || !mirror.enabled) {
    return undefined;
  }
  const { enabled: _enabled, ...settings } = mirror;
  return settings;
}

/** The namespace's own quota, with room for the claim of a mirror. */
function quotaWith({ hostFolder }: MirrorSettings): Record<string, string> | undefined {
  return hostFolder === undefined ? { ...defaultQuota, persistentvolumeclaims: "1" } : undefined;
}

function unlessEmpty(table: Record<string, string>): Record<string, string> | undefined {
  return Object.keys(table).length === 0 ? undefined : table;
}

/** What a runner is given by its stack, whatever its executor. */
type Place = Pick<DockerRunnerSettings, "namespace" | "url" | "hostAliases" | "serverCa">;

/** One runner's settings, over those that all runners have. */
function runnerConfig(stack: StackFile, entry: RunnerEntry, instance: Instance, registries: Registry[]): RunnerConfig {
  const { name, tags = [name] } = entry.runner;
  const { waitForNodes = stack.runnerDefaults.waitForNodes } = entry.runner as { waitForNodes?: boolean };
  const { url, serverCa } = instance;
  const place = { namespace: stack.namespace, url, hostAliases: stack.hostAliases, serverCa };
  const checked = checkedRunner(stack, entry, place, registries);
  const token = tokenArgs(stack, entry.runner, instance, checked.settings);
  return { ...checked, tags, waitForNodes, token };
}

function checkedRunner(stack: StackFile, entry: RunnerEntry, place: Place, registries: Registry[]): CheckedRunner {
  const { executor } = entry;
  switch (executor) {
    case "docker": {
      const { way } = entry.runner;
      const own = withDefaults(stack, entry.runner, dockerRunnerSettings, (key) => takesSetting(way, key));
      const inner = hasInnerDaemon(way) ? { registries } : {};
      return { executor, settings: dockerRunnerSettings.parse({ ...own, ...inner, ...place }) };
    }
    case "kubernetes": {
      const own = withDefaults(stack, entry.runner, kubernetesRunnerSettings);
      return { executor, settings: kubernetesRunnerSettings.parse({ ...own, registries, ...place }) };
    }
    case "shell": {
      const { hosts, rollout, probe, reapply } = entry.runner;
      const own = withDefaults(stack, entry.runner, shellRunnerSettings);
      const settings = shellRunnerSettings.parse({ ...own, url: place.url, serverCa: place.serverCa });
      return { executor, settings, on: { hosts, rollout, probe, reapply } };
    }
    default:
      throw new Error(`No settings for executor ${String(executor satisfies never)}; add them to stackConfig.ts.`);
  }
}

/**
 * What a runner says of itself, over those defaults of all runners that its executor knows.
 *
 * @param takes of a default: is it for this runner? One that is not is no error of it, as one of its own would be
 */
function withDefaults<R extends RunnerEntry["runner"]>(
  stack: StackFile,
  runner: R,
  settings: z.ZodObject,
  takes = (_key: string): boolean => true,
): R {
  const known = ([key, value]: [string, unknown]): boolean => Object.hasOwn(settings.shape, key) && value !== undefined;
  const common = Object.entries(stack.runnerDefaults)
    .filter(([key]) => takes(key))
    .map(([key, value]): [string, unknown] => [key, knownPart(settings.shape[key], value)]);
  const own = runner as { resources?: Resources };
  return {
    ...Object.fromEntries(common.filter(known)),
    ...Object.fromEntries(Object.entries(runner).filter(known)),
    ...(Object.hasOwn(settings.shape, "resources")
      ? { resources: mergedResources(stack.runnerDefaults.resources, own.resources) }
      : {}),
  } as R;
}

/** A default without what only other executors know of it, such as the image of `prune`. */
function knownPart(schema: unknown, value: unknown): unknown {
  const type = bare(schema);
  return type instanceof z.ZodObject && typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).filter(([key]) => Object.hasOwn(type.shape, key)))
    : value;
}

/** A runner's requests and limits over those of all runners, resource by resource. */
function mergedResources(defaults: Resources | undefined, own: Resources | undefined): Resources | undefined {
  if (defaults === undefined || own === undefined) {
    return own ?? defaults;
  }
  return {
    requests: { ...defaults.requests, ...own.requests },
    limits: { ...defaults.limits, ...own.limits },
  };
}

/**
 * Our keys, with their values parsed: Pulumi hands everything over as text, structures as JSON. Empty text is the default
 * that Pulumi.yaml gives to keys that may be left out.
 */
function ownValues(all: Record<string, string>): Record<string, unknown> {
  const own = Object.entries(all).filter(([key, value]) => key.startsWith(prefix) && value !== "");
  return Object.fromEntries(own.map(([key, value]) => [key.slice(prefix.length), fromText(value)]));
}

function fromText(value: string): unknown {
  if (!/^\s*[[{]/.test(value)) {
    return value;
  }
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

/** Keys of which only the namespace is misspelt would be read by nobody. */
function misspeltNamespace(all: Record<string, string>): InputError[] {
  const known = Object.keys(stackSchema.shape);
  return Object.keys(all).flatMap((key) => {
    const [namespace, name] = key.split(":") as [string, string | undefined];
    const near = /^pi[-_.]?runners?$/i.test(namespace) && namespace !== "pi-runners";
    const reason = `no such namespace; write ${prefix}${known.includes(name ?? "") ? name : "…"}`;
    return near ? [{ propertyPath: key, reason }] : [];
  });
}

/** Judges what is well-formed in a stack file that as a whole is not, so that one run reports everything. */
function judgeParts(values: RawConfig, issues: readonly { path: PropertyKey[] }[]): InputError[] {
  const entries = Object.entries(stackSchema.shape).map(([key, schema]) => {
    const result = schema.safeParse(values[key]);
    return [key, result.success ? result.data : (standIns.get(key) ?? schema.safeParse(undefined).data)] as const;
  });
  const stack = Object.fromEntries(entries) as StackFile;
  const errors: InputError[] = [];
  // Without the runners nothing can be said of tokens: which belongs to whom is unknown.
  const runnersAreSound = !issues.some(({ path }) => path[0] === "runners");
  assemble(runnersAreSound ? stack : { ...stack, tokens: {}, registrationTokens: {} }, errors);
  return errors;
}

/** What stands for a key that is wrong or missing, and has no default, while the others are judged. */
const standIns = new Map<string, unknown>([
  ["gitlab", { url: "https://gitlab.invalid" }],
  ["registries", []],
  ["runners", []],
]);

function inNamespace(errors: InputError[]): InputError[] {
  return errors.map(({ propertyPath, reason }) => ({ propertyPath: prefix + propertyPath, reason }));
}

function refusal(errors: InputError[]): InvalidInputsError {
  const count = errors.length === 1 ? "an error" : `${errors.length} errors`;
  return new InvalidInputsError(
    `The configuration of this stack has ${count}; nothing was touched.\n${linesOf(errors)}\n` +
      "docs/reference/configuration.md describes every key; fix the stack file, or use pulumi config set --path.",
    errors,
  );
}
