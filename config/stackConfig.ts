import * as pulumi from "@pulumi/pulumi";
import {
  nodeMistakes,
  pathOf,
  placeMistakes,
  readRegistries,
  readText,
  runnerMistakes,
  tokenMistakes,
  trustMistakes,
} from "./checks";
import { mistakesOf, type Mistake } from "./mistakes";
import { stackSchema, type StackFile } from "./schema";
import type { RolloutSettings } from "../hosts/rollout";
import { loginSecrets, type HostSsh } from "../hosts/ssh";
import type { TrustNode } from "../components/registryTrust/args";
import type { Registry } from "../components/registryTrust/registry";
import type { DockerRunnerSettings } from "../components/runners/docker/dockerConfig";

/** Settings of one runner, ready for its component. */
export interface RunnerConfig extends DockerRunnerSettings {
  /** Tags that it has in GitLab. */
  tags: string[];
  /** Its authentication token, as a secret. */
  authenticationToken: pulumi.Output<string>;
  waitForNodes?: boolean;
}

/** Everything that the stack file says, checked. */
export interface StackConfig {
  kubeconfig?: string;
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
}

/** The namespace of our keys. */
const prefix = "pi-runners:";

/**
 * Reads the configuration of the current stack: the only place that does. Every mistake is reported in one go, before
 * anything is registered.
 *
 * @throws pulumi.RunError, which Pulumi prints without a stack trace.
 */
export function readConfig(): StackConfig {
  // Not part of the SDK's public types; without it, plain tokens go unnoticed.
  const { isConfigSecret } = pulumi.runtime as { isConfigSecret?: (key: string) => boolean };
  return parseConfig(pulumi.runtime.allConfig(), isConfigSecret);
}

/**
 * Does the work of readConfig.
 *
 * @param all map from key (`pi-runners:way`) to text, as Pulumi hands it to programs
 * @param isEncrypted tells whether a key is encrypted in the stack file, as a whole or in part
 */
export function parseConfig(all: Record<string, string>, isEncrypted = (_key: string): boolean => true): StackConfig {
  const mistakes: Mistake[] = plainSecrets(all, isEncrypted);
  const values = ownValues(all);
  const parsed = stackSchema.safeParse(values);
  if (!parsed.success) {
    mistakes.push(...mistakesOf(stackSchema, parsed.error.issues), ...misspeltNamespace(all));
    // A key of the wrong kind hides nothing: what can be judged without it is judged all the same.
    mistakes.push(...judgeParts(values, mistakes));
    throw problem(mistakes);
  }
  const stack = parsed.data;
  const config = assemble(stack, mistakes);
  mistakes.push(...misspeltNamespace(all));
  if (mistakes.length > 0) {
    throw problem(mistakes);
  }
  return config;
}

/** Reads everything that the stack file names and judges it. */
function assemble(stack: StackFile, mistakes: Mistake[]): StackConfig {
  const registries = readRegistries(stack, mistakes);
  const serverCa = readText("gitlab.caFile", stack.gitlab.caFile, mistakes);
  const runners = stack.runners.map((runner) => runnerSettings(stack, runner, registries, serverCa));
  mistakes.push(...placeMistakes(stack), ...nodeMistakes(stack), ...runnerMistakes(runners), ...tokenMistakes(stack));
  const trust = {
    registries,
    ssh: { ...stack.ssh, ...secretsOf(stack.ssh), ...bastionOf(stack.ssh) },
    nodes: stack.nodes.map((node) => ({ ...node, ...secretsOf(node), ...bastionOf(node) })),
    rollout: { canary: stack.trust.canary, batchSize: stack.trust.batchSize, maxFailures: stack.trust.maxFailures },
  };
  mistakes.push(...trustMistakes(trust, mistakes));
  return {
    ...trust,
    kubeconfig: stack.kubeconfig === undefined ? undefined : pathOf(stack.kubeconfig),
    context: stack.context,
    namespace: stack.namespace,
    gitlabUrl: stack.gitlab.url,
    allowRestart: stack.trust.allowRestart,
    owner: stack.trust.owner,
    probe: stack.trust.probe,
    reapply: stack.trust.reapply,
    runners: runners.map((settings, index) => {
      const { name, tags, waitForNodes } = { ...stack.runnerDefaults, ...stack.runners[index]! };
      const authenticationToken = pulumi.secret(stack.tokens[name] ?? "");
      return { ...settings, tags: tags ?? [name], waitForNodes, authenticationToken };
    }),
    metricsFrom: unlessEmpty(stack.metricsFrom),
    egressPorts: stack.egressPorts,
    quota: unlessEmpty(stack.quota),
  };
}

function unlessEmpty(table: Record<string, string>): Record<string, string> | undefined {
  return Object.keys(table).length === 0 ? undefined : table;
}

/** One runner's settings, over those that all runners have. */
function runnerSettings(
  stack: StackFile,
  runner: StackFile["runners"][number],
  registries: Registry[],
  serverCa: string | undefined,
): DockerRunnerSettings {
  const { dindImage, ...defaults } = stack.runnerDefaults;
  const { tags: _tags, waitForNodes: _wait, pullPolicy, ...settings } = { ...defaults, ...runner };
  return {
    ...settings,
    ...(runner.way === "dood" ? {} : { dindImage: runner.dindImage ?? dindImage, registries }),
    pullPolicy: pullPolicy === undefined ? undefined : [pullPolicy].flat(),
    namespace: stack.namespace,
    url: stack.gitlab.url,
    hostAliases: stack.hostAliases,
    serverCa,
  };
}

/** Keys of a login whose values must never be seen. */
const secretKeys = [...loginSecrets, "sudoPassword"] as const;

/** Secrets that stand in the stack file for everybody to read, who can read the repository. */
function plainSecrets(all: Record<string, string>, isEncrypted: (key: string) => boolean): Mistake[] {
  const holds: Record<string, RegExp> = {
    tokens: /[^{}\s]/,
    registrationTokens: /[^{}\s]/,
    ssh: new RegExp(`"(${secretKeys.join("|")})":`),
    nodes: new RegExp(`"(${secretKeys.join("|")})":`),
  };
  return Object.entries(holds).flatMap(([key, secret]) =>
    secret.test(all[prefix + key] ?? "") && !isEncrypted(prefix + key)
      ? [
          {
            key,
            text: `holds secrets in plain text; set them with pulumi config set --path --secret '${key}…', and take those that were committed for exposed`,
          },
        ]
      : [],
  );
}

type Login = Partial<Record<(typeof secretKeys)[number], string>>;

/** Marks passwords and keys as secrets, so that no state, log or preview shows them. */
function secretsOf(login: Login): Partial<Record<(typeof secretKeys)[number], pulumi.Output<string>>> {
  const given = secretKeys.filter((key) => login[key] !== undefined);
  return Object.fromEntries(given.map((key) => [key, pulumi.secret(login[key])]));
}

/** The same of the host that leads to a node. */
function bastionOf(login: StackFile["ssh"]): Pick<HostSsh, "bastion"> {
  return login.bastion === undefined ? {} : { bastion: { ...login.bastion, ...secretsOf(login.bastion) } };
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
function misspeltNamespace(all: Record<string, string>): Mistake[] {
  const known = Object.keys(stackSchema.shape);
  return Object.keys(all).flatMap((key) => {
    const [namespace, name] = key.split(":") as [string, string | undefined];
    const near = /^pi[-_.]?runners?$/i.test(namespace) && namespace !== "pi-runners";
    return near ? [{ key, text: `no such namespace; write ${prefix}${known.includes(name ?? "") ? name : "…"}` }] : [];
  });
}

/** Judges what is well-formed in a stack file that as a whole is not, so that one run reports everything. */
function judgeParts(values: Record<string, unknown>, found: Mistake[]): Mistake[] {
  const sound: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(stackSchema.shape)) {
    const result = schema.safeParse(values[key]);
    if (result.success) {
      sound[key] = result.data;
    }
  }
  const { gitlab, registries, runners } = sound as Partial<StackFile>;
  const partial = {
    ...sound,
    gitlab: gitlab ?? { url: "https://gitlab.invalid" },
    registries: registries ?? [],
    runners: runners ?? [],
  } as StackFile;
  for (const [key, schema] of Object.entries(stackSchema.shape)) {
    if (!(key in partial)) {
      (partial as Record<string, unknown>)[key] = schema.safeParse(undefined).data;
    }
  }
  const mistakes: Mistake[] = [];
  assemble(partial, mistakes);
  const blamed = new Set(found.map(({ key }) => key.split(/[.[]/)[0]));
  // Without the runners nothing can be said of tokens: which belongs to whom is unknown.
  return mistakes.filter(({ key }) => !(blamed.has("runners") && /^(registrationT|t)okens/.test(key)));
}

function problem(mistakes: Mistake[]): pulumi.RunError {
  const lines = mistakes.map(({ key, text }) => `  ${key.includes(":") ? "" : prefix}${key}: ${text}`);
  const count = mistakes.length === 1 ? "a mistake" : `${mistakes.length} mistakes`;
  return new pulumi.RunError(
    `The configuration of this stack has ${count}; nothing was touched.\n${lines.join("\n")}\n` +
      "Pulumi.yaml describes every key; mend the stack file or use pulumi config set --path.",
  );
}
