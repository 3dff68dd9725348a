import { z } from "zod";
import { architectures } from "../components/runners/architecture";
import { configRest } from "../components/runners/configToml/rest";
import { pullPolicy } from "../components/runners/configToml/settings/values";
import { nodeSizes } from "../components/runners/sizes";
import { dockerWays } from "../components/runners/docker/ways";

const port = z.int().min(1).max(65535);
const text = z.string().min(1);
const texts = z.record(z.string(), z.string());

/** A registry that nodes, runners and builds are to trust. */
const registry = z.strictObject({
  /** `host` or `host:port`, without scheme or path. */
  address: text,
  /** True: plain HTTP, or HTTPS without verification. */
  insecure: z.boolean().optional(),
  /** File with the CA that signed its certificate, PEM; relative to the project. */
  caFile: text.optional(),
});

const bastion = z.strictObject({
  host: text,
  port: port.optional(),
  user: text.optional(),
  privateKeyFile: text.optional(),
  privateKey: text.optional(),
  privateKeyPassword: text.optional(),
  password: text.optional(),
  agentSocket: text.optional(),
  hostKey: text.optional(),
});

/** How to log in to a node. */
const login = {
  user: text.optional(),
  port: port.optional(),
  privateKeyFile: text.optional(),
  privateKey: text.optional(),
  privateKeyPassword: text.optional(),
  agentSocket: text.optional(),
  password: text.optional(),
  sudoPassword: text.optional(),
  bastion: bastion.optional(),
};

const node = z.strictObject({
  name: text,
  host: text,
  ...login,
  hostKey: text.optional(),
  engines: z
    .array(z.enum(["docker", "containerd", "microk8s", "k3s", "buildkit"]))
    .min(1)
    .optional(),
  installDocker: z.enum(["apt", "snap"]).optional(),
  allowRestart: z.boolean().optional(),
  retain: z.boolean().optional(),
});

const toleration = z.strictObject({
  key: text.optional(),
  operator: z.enum(["Exists", "Equal"]).optional(),
  value: z.string().optional(),
  effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]).optional(),
  tolerationSeconds: z.int().optional(),
});

/** What one runner may set for itself, and `runnerDefaults` for all of them. */
const runnerDefaults = z.strictObject({
  architecture: z.enum(architectures).optional(),
  nodeSelector: texts.optional(),
  tolerations: z.array(toleration).optional(),
  priorityClassName: text.optional(),
  size: z.enum(nodeSizes).optional(),
  resources: z.strictObject({ requests: texts.optional(), limits: texts.optional() }).optional(),
  concurrent: z.int().optional(),
  checkInterval: z.int().optional(),
  image: text.optional(),
  helperImage: text.optional(),
  jobImage: text.optional(),
  pullPolicy: z.union([pullPolicy, z.array(pullPolicy).min(1)]).optional(),
  allowedImages: z.array(text).optional(),
  allowedServices: z.array(text).optional(),
  imagePullSecrets: z.array(text).optional(),
  mtu: z.int().optional(),
  metricsPort: z.int().optional(),
  drainTimeout: z.int().optional(),
  dockerSocket: z.string().startsWith("/").optional(),
  waitForNodes: z.boolean().optional(),
});

const runner = runnerDefaults.extend({
  name: text,
  way: z.enum(dockerWays),
  tags: z.array(text).optional(),
  dindImage: text.optional(),
  allowTlsOff: z.boolean().optional(),
  config: configRest.optional(),
});

/** The whole stack file, below the namespace `pi-runners:`. What each key means stands in Pulumi.yaml. */
export const stackSchema = z.strictObject({
  kubeconfig: text.optional(),
  context: text.optional(),
  namespace: text.default("gitlab-runners"),
  gitlab: z.strictObject({ url: text, caFile: text.optional() }),
  registries: z.array(registry).min(1),
  hostAliases: texts.default({}),
  ssh: z.strictObject({ ...login, knownHostsFile: z.union([text, z.array(text).min(1)]).optional() }).default({}),
  nodes: z.array(node).default([]),
  trust: z
    .strictObject({
      canary: z.union([z.int().min(0), z.array(text)]).optional(),
      batchSize: z.int().min(1).optional(),
      maxFailures: z.int().min(0).optional(),
      allowRestart: z.boolean().optional(),
      owner: text.optional(),
      probe: z.boolean().optional(),
      reapply: text.optional(),
    })
    .default({}),
  runnerDefaults: runnerDefaults.extend({ dindImage: text.optional() }).default({}),
  runners: z.array(runner).min(1),
  tokens: z.record(z.string(), z.string()).default({}),
  registrationTokens: z.record(z.string(), z.string()).default({}),
  metricsFrom: texts.default({}),
  egressPorts: z.array(port).default([]),
  quota: texts.default({}),
});

/** The stack file as it was read: every key known, every value of the right kind. */
export type StackFile = z.infer<typeof stackSchema>;
