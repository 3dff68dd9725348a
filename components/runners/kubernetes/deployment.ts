import type { types } from "@pulumi/kubernetes";
import { z } from "zod";
import { port, table, text } from "../../schema";
import { mountPoint } from "../configToml/merge";
import { mergeTables, type Rule, type Table } from "../merge";

/** The manager's container. */
export const managerContainerName = "runner";

/** A key of Kubernetes that nobody gives, as the runner promises what depends on it. */
const refused = (reason: string) => z.never({ error: reason }).optional();

/** Longer than Pulumi waits, each update would fail. */
const seconds = (longest: number, reason: string) =>
  z
    .int()
    .refine((given) => given <= longest, `must be at most ${longest}: ${reason}`)
    .meta({ maximum: longest });

const labelled = z.strictObject({ labels: table.optional(), annotations: table.optional() });

const container = z.looseObject({
  name: text,
  env: z.array(z.looseObject({ name: text })).optional(),
  ports: z.array(z.looseObject({ containerPort: port })).optional(),
  volumeMounts: z.array(z.looseObject({ mountPath: text })).optional(),
});

const rights = "the rights to make jobs' pods are bound to an account that this runner makes; drop it";
const processOne = "the drain, which lets jobs finish, asks process 1 of the container; drop it";

/** What Kubernetes says of these keys is not repeated: it refuses what it does not know. */
const podSpec = z.looseObject({
  containers: z.array(container).optional(),
  initContainers: z.array(container).optional(),
  volumes: z.array(z.looseObject({ name: text })).optional(),
  imagePullSecrets: z.array(z.looseObject({ name: text })).optional(),
  hostAliases: z.array(z.looseObject({ ip: text, hostnames: z.array(text).optional() })).optional(),
  terminationGracePeriodSeconds: refused("follows from drainTimeout; set that"),
  serviceAccountName: refused(rights),
  serviceAccount: refused(rights),
  automountServiceAccountToken: refused(rights),
  hostPID: refused(processOne),
  shareProcessNamespace: refused(processOne),
});

/** A patch of the manager's Deployment, in Kubernetes' own words. */
export const deploymentPatch = z.strictObject({
  metadata: labelled.extend({ name: refused("is the runner's name"), namespace: refused("is the stack's") }).optional(),
  spec: z
    .strictObject({
      strategy: z.record(z.string(), z.unknown()).optional(),
      minReadySeconds: seconds(300, "with it each update would outlast the ten minutes that Pulumi waits").optional(),
      progressDeadlineSeconds: seconds(600, "Pulumi waits for no longer than ten minutes").optional(),
      revisionHistoryLimit: z.int().optional(),
      template: z.strictObject({ metadata: labelled.optional(), spec: podSpec.optional() }).optional(),
      replicas: refused("is the runner's setting replicas; set that"),
      selector: refused(
        "never changes, and the budget and the network policy find managers by the same labels; drop it",
      ),
    })
    .optional(),
});

export type DeploymentPatch = z.infer<typeof deploymentPatch>;

/**
 * A list whose entries are known by a key, as in Kubernetes' strategic merge patch: an entry goes over ours of the same key,
 * others come after ours.
 */
function listBy(keyOf: (entry: Table) => unknown, over?: (ours: Table, given: Table) => Table): Rule {
  return (preset, given, merged) =>
    (given as Table[]).reduce((list, entry) => {
      const isIt = (one: Table): boolean => keyOf(one) === keyOf(entry);
      return list.some(isIt) ? list.map((one) => (isIt(one) ? (over ?? merged)(one, entry) : one)) : [...list, entry];
    }, preset as Table[]);
}

/** Names of one address: ours first. The rest of a patch's entry takes the place of ours. */
function withNames(ours: Table, given: Table): Table {
  const names = [ours, given].flatMap(({ hostnames = [] }) => hostnames as string[]);
  return { ...ours, ...given, hostnames: [...new Set(names)] };
}

const byName = listBy(({ name }) => name);

/**
 * The lists of a pod template that Kubernetes merges (k8s.io/api, core/v1/types.go, `patchMergeKey`), as far as ours has
 * them; it replaces every other one, such as `tolerations`.
 */
const rules = new Map<string, Rule>([
  ["spec.containers", byName],
  ["spec.containers.env", byName],
  ["spec.containers.ports", listBy(({ containerPort }) => containerPort)],
  ["spec.containers.volumeMounts", listBy(({ mountPath }) => mountPoint(String(mountPath)))],
  // A volume is of one kind only: another one takes the place of ours (`retainKeys`).
  [
    "spec.volumes",
    listBy(
      ({ name }) => name,
      (_ours, given) => given,
    ),
  ],
  ["spec.imagePullSecrets", byName],
  ["spec.hostAliases", listBy(({ ip }) => ip, withNames)],
]);

type PodTemplate = types.input.core.v1.PodTemplateSpec;

/** The manager's pod template with what the stack file says of it. */
export function patchedTemplate(template: PodTemplate, { deployment }: { deployment?: DeploymentPatch }): PodTemplate {
  const patch = deployment?.spec?.template;
  return patch === undefined ? template : mergeTables(template as Table, patch, rules);
}
