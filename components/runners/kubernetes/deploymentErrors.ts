import type { InputError } from "../../inputErrors";
import { oneError } from "../errors";
import { secretFolder } from "../manager/config";
import { selectorLabels } from "../manager/pod";
import { stateFolder } from "../manager/scripts";
import { isIn } from "../nodeFolder";
import { managerContainerName, type DeploymentPatch } from "./deployment";
import { managerEnvironment } from "./pod";
import type { KubernetesRunnerSettings } from "./settings";

type PodPatch = NonNullable<NonNullable<NonNullable<DeploymentPatch["spec"]>["template"]>["spec"]>;
type ContainerPatch = NonNullable<PodPatch["containers"]>[number];

/** What in `deployment` would break what the runner promises. Keys that nobody may give are in its schema. */
export function deploymentErrors(settings: KubernetesRunnerSettings): InputError[] {
  const { metadata, spec } = settings.deployment ?? {};
  const { metadata: ofPods, spec: pod = {} } = spec?.template ?? {};
  const template = "deployment.spec.template";
  const skipAwait = "pulumi.com/skipAwait";
  return [
    ...labelErrors(settings, "deployment.metadata.labels", metadata?.labels),
    ...labelErrors(settings, `${template}.metadata.labels`, ofPods?.labels),
    ...oneError(
      `deployment.metadata.annotations.${skipAwait}`,
      metadata?.annotations?.[skipAwait] && "is what waitForNodes: false does; set that",
    ),
    ...Object.keys(ofPods?.annotations ?? {})
      .filter((key) => key.startsWith("pi-runners/"))
      .flatMap((key) =>
        oneError(`${template}.metadata.annotations.${key}`, "the runner sets what begins so itself; drop it"),
      ),
    ...listErrors(pod, `${template}.spec`),
    ...oneError(
      `${template}.spec.hostNetwork`,
      pod["hostNetwork"] === true && overlaps(spec?.strategy)
        ? "the manager's port is one of the node then, and the next manager could not start beside the one before; set deployment.spec.strategy to {type: Recreate}"
        : undefined,
    ),
    ...(pod.containers ?? []).flatMap((container, index) =>
      container.name === managerContainerName
        ? containerErrors(settings, container, `${template}.spec.containers[${index}]`)
        : [],
    ),
  ];
}

/** Is the next manager there before the one before has gone? */
function overlaps(strategy: Record<string, unknown> = {}): boolean {
  const { maxSurge } = (strategy["rollingUpdate"] ?? {}) as { maxSurge?: unknown };
  return strategy["type"] !== "Recreate" && !["0", "0%"].includes(String(maxSurge));
}

/** Labels by which managers are found, or a job's pod is told from them. */
function labelErrors(
  settings: KubernetesRunnerSettings,
  path: string,
  labels: Record<string, string> = {},
): InputError[] {
  const own = [...Object.keys(selectorLabels(settings.name)), "app.kubernetes.io/managed-by"];
  return Object.keys(labels)
    .filter((key) => own.includes(key) || key.startsWith("pi-runners/"))
    .flatMap((key) =>
      oneError(
        `${path}.${key}`,
        "the runner sets it itself: managers, the budget and network policies are found by it; choose another label",
      ),
    );
}

/** Another container by the name of ours, and another volume in the place of one that the manager starts from. */
function listErrors({ initContainers = [], volumes = [] }: PodPatch, path: string): InputError[] {
  return [
    ...initContainers.flatMap(({ name }, index) =>
      oneError(
        `${path}.initContainers[${index}].name`,
        name === managerContainerName
          ? `the manager's own container is called ${name}, and stands in containers; choose another name`
          : undefined,
      ),
    ),
    ...volumes.flatMap(({ name }, index) =>
      oneError(
        `${path}.volumes[${index}].name`,
        name === "config" || name === "state"
          ? `the manager has its settings in its volume ${name}; choose another name`
          : undefined,
      ),
    ),
  ];
}

const startScript = "the manager starts by a script of its own; what has to come before goes into an init container";

/** Keys of the manager's container with a setting of their own, or that are no user's. */
const refusedKeys: Record<string, string> = {
  image: "is the runner's setting image, which is judged together with the helper's; set that",
  resources: "is the runner's setting resources, which is judged together with the nodes' memory; set that",
  command: startScript,
  args: startScript,
  envFrom: "may hold any variable, those that the runner sets too; name each in env, with valueFrom",
};

const probes = ["startupProbe", "livenessProbe", "readinessProbe"];
const handlers = ["exec", "httpGet", "tcpSocket", "grpc"];

function containerErrors(settings: KubernetesRunnerSettings, given: ContainerPatch, path: string): InputError[] {
  const { env = [], ports = [], volumeMounts = [] } = given;
  const named = managerEnvironment(settings).map(({ name }) => name);
  return [
    ...Object.keys(refusedKeys)
      .filter((key) => Object.hasOwn(given, key))
      .flatMap((key) => oneError(`${path}.${key}`, refusedKeys[key])),
    ...probes.flatMap((key) =>
      oneError(
        `${path}.${key}`,
        changes(given[key], handlers)
          ? "what is asked is the runner's own page, without which an update would not know whether it is up; change its times only"
          : undefined,
      ),
    ),
    ...oneError(
      `${path}.lifecycle`,
      changes(given["lifecycle"], ["preStop"]) ? "preStop lets jobs finish (drainTimeout); drop it" : undefined,
    ),
    ...env.flatMap(({ name }, index) =>
      oneError(
        `${path}.env[${index}].name`,
        named.includes(name)
          ? `the runner sets ${name} itself, a proxy by its setting proxy; drop it`
          : name === "LISTEN_ADDRESS"
            ? "is the runner's setting metricsPort; set that"
            : undefined,
      ),
    ),
    ...ports.flatMap(({ containerPort }, index) =>
      oneError(
        `${path}.ports[${index}].containerPort`,
        containerPort === settings.metricsPort ? "is the runner's setting metricsPort; choose another port" : undefined,
      ),
    ),
    ...volumeMounts.flatMap(({ mountPath }, index) =>
      oneError(
        `${path}.volumeMounts[${index}].mountPath`,
        [secretFolder, stateFolder].some((folder) => isIn(mountPath, folder))
          ? `the manager has its settings in ${mountPath}; choose another folder`
          : undefined,
      ),
    ),
  ];
}

/** Does a patch remove a table of ours, or give one of these keys in it? */
function changes(given: unknown, keys: string[]): boolean {
  return given === null || (typeof given === "object" && keys.some((key) => Object.hasOwn(given, key)));
}
