import type { types } from "@pulumi/kubernetes";
import { below, type InputError } from "../components/inputErrors";
import { dockerRunnerConfig } from "../components/runners/docker/dockerConfig";
import { podTemplate as dockerPod } from "../components/runners/docker/pod";
import type { DockerRunnerSettings } from "../components/runners/docker/settings";
import { hasResidentEngine } from "../components/runners/docker/ways";
import { kubernetesRunnerConfig } from "../components/runners/kubernetes/kubernetesConfig";
import { guardTemplate } from "../components/runners/kubernetes/layersGuard";
import { podTemplate as kubernetesPod } from "../components/runners/kubernetes/pod";
import type { KubernetesRunnerSettings } from "../components/runners/kubernetes/settings";
import { oneError } from "../components/runners/errors";
import { nodeLabels } from "../components/runners/manager/pod";
import { ownRunner } from "../components/runners/settings";
import { dockerBytes, quantity } from "../components/runners/sizes";
import type { CheckedRunner } from "./checks";
import type { StackFile } from "./schema";

type Node = StackFile["nodes"][number];

/**
 * What the system, Kubernetes and the node's Docker take beside runners and jobs. An agent of k3s takes 268 MB on a
 * Raspberry Pi 4 (docs.k3s.io/reference/resource-profiling); a server of it three times as much as all this.
 */
const systemBytes = 512 * 1024 ** 2;

/** What a runner may take of a node. */
interface Share {
  runner: string;
  bytes: number;
  /** How that comes about: `2 jobs of 1 GiB, manager 384 MiB`. */
  parts: string[];
}

/** What is known of all nodes together, to judge where a runner may be. */
interface Place {
  nodes: Node[];
  /** Labels that any node's entry names; what a node does not say of one of them, it does not have. */
  known: Set<string>;
}

/** What the memory of nodes, where the stack file says it, means for the runners that may be there. */
interface MemoryFindings {
  /** What can never come up. */
  errors: InputError[];
  /** What may end processes once jobs take all that they may: legal, and for the stack's owner to judge. */
  warnings: string[];
}

/** Adds up what all runners of a stack may take at once of each node whose memory is known. */
export function memoryFindings(nodes: Node[], runners: CheckedRunner[]): MemoryFindings {
  const known = new Set(nodes.flatMap(({ labels }) => Object.keys(labels ?? {})));
  const place = { nodes, known };
  const sized = nodes.filter(({ memory }) => memory !== undefined);
  const warnings = new Map<string, string[]>();
  for (const node of sized) {
    const shares = runners.flatMap((runner) => shareOf(runner, node, place));
    const text = overcommitted(bytesOf(node), shares);
    if (text !== undefined) {
      warnings.set(text, [...(warnings.get(text) ?? []), node.name]);
    }
  }
  return {
    errors: runners.flatMap((runner, index) => below(`runners[${index}]`, unschedulable(runner, sized, place))),
    warnings: [
      ...[...warnings].map(([text, names]) => `${names.length === 1 ? "Node" : "Nodes"} ${names.join(", ")}: ${text}`),
      ...runners.flatMap((runner) => waiting(runner, place)),
    ],
  };
}

function bytesOf({ memory }: Node): number {
  return quantity(memory!)!;
}

/** May a runner be on a node? Undefined where its labels are asked for, and no entry says them. */
function mayBeOn(runner: CheckedRunner, node: Node, { known }: Place): boolean | undefined {
  if (runner.executor === "shell") {
    return runner.on.hosts.includes(node.name);
  }
  const labels: Record<string, string> = {
    "kubernetes.io/os": "linux",
    "kubernetes.io/hostname": node.name,
    ...node.labels,
  };
  const selected = Object.entries(selectorOf(runner));
  if (selected.some(([key, value]) => labels[key] !== value && (key in labels || known.has(key)))) {
    return false;
  }
  return selected.every(([key]) => key in labels) ? true : undefined;
}

/** Labels of the nodes that the jobs of a runner may be on. */
function selectorOf(runner: Exclude<CheckedRunner, { executor: "shell" }>): Record<string, string> {
  return runner.executor === "docker"
    ? nodeLabels(runner.settings)
    : (jobsOfPods(runner.settings).node_selector ?? nodeLabels(runner.settings));
}

/** How many nodes of the stack the pods of a runner are spread over. */
function spread(runner: CheckedRunner, place: Place): number {
  return place.nodes.filter((node) => mayBeOn(runner, node, place) !== false).length;
}

function shareOf(runner: CheckedRunner, node: Node, place: Place): Share[] {
  if (mayBeOn(runner, node, place) === false) {
    return [];
  }
  const { name } = runner.settings;
  const { executor } = runner;
  switch (executor) {
    case "docker":
      return [share(name, [...dockerJobs(runner.settings), ["its pod", amount(dockerPod(runner.settings), "limits")]])];
    case "kubernetes":
      return [share(name, podsOf(runner.settings, spread(runner, place)))];
    case "shell":
      return []; // Nothing limits what a job takes there.
    default:
      throw new Error(`No memory is known of executor ${String(executor satisfies never)}; add it to nodeMemory.ts.`);
  }
}

type Part = [what: string, bytes: number];

function share(runner: string, parts: Part[]): Share {
  const counted = parts.filter(([, bytes]) => bytes > 0);
  return {
    runner,
    bytes: counted.reduce((sum, [, bytes]) => sum + bytes, 0),
    parts: counted.map(([what, bytes]) => `${what} ${inWords(bytes)}`),
  };
}

/** Jobs in containers of the node's Docker, of which Kubernetes knows nothing. Those of an engine in the pod are the pod's. */
function dockerJobs(settings: DockerRunnerSettings): Part[] {
  if (hasResidentEngine(settings.way)) {
    return [];
  }
  const docker = dockerRunnerConfig(settings, "").runners![0]!.docker!;
  const services = (docker.services ?? []).length * (dockerBytes(docker.service_memory ?? "") ?? 0);
  const count = atOnce(settings);
  return [[jobs(count), count * ((dockerBytes(docker.memory ?? "") ?? 0) + services)]];
}

/** `limit` of `[[runners]]` may allow fewer than `concurrent`; 0 is no limit. */
function atOnce(settings: DockerRunnerSettings | KubernetesRunnerSettings): number {
  const { limit = 0 } = ownRunner(settings);
  return limit > 0 ? Math.min(limit, settings.concurrent) : settings.concurrent;
}

const jobs = (count: number): string => (count === 1 ? "a job" : `${count} jobs`);

/**
 * Managers and jobs that Kubernetes spreads over nodes, and on each node what looks after the layers of builds. Of a job it keeps free what it asks for, and ends one that takes
 * more first, when a node's memory ends; so what it asks for counts.
 */
function podsOf(settings: KubernetesRunnerSettings, nodes: number): Part[] {
  const count = Math.ceil((settings.replicas * atOnce(settings)) / nodes);
  return [
    [`${jobs(count)} in pods`, count * podRequest(settings)],
    ["its manager", Math.ceil(settings.replicas / nodes) * amount(kubernetesPod(settings), "limits")],
    ["its guard", settings.buildCache === undefined ? 0 : amount(guardTemplate(settings), "limits")],
  ];
}

function jobsOfPods(settings: KubernetesRunnerSettings) {
  return kubernetesRunnerConfig(settings, "").runners![0]!.kubernetes!;
}

/** What the pod of a job asks for: the job, its helper and its services. */
function podRequest(settings: KubernetesRunnerSettings): number {
  const section = jobsOfPods(settings);
  const bytes = (text: string | undefined): number => quantity(text ?? "") ?? 0;
  const services = (section.services ?? []).length * bytes(section.service_memory_request);
  const ofPod = bytes(section.pod_memory_request);
  return ofPod || bytes(section.memory_request) + bytes(section.helper_memory_request) + services;
}

/** Memory of the containers of a pod that run side by side, those beside the manager included. */
function amount({ spec }: types.input.core.v1.PodTemplateSpec, kind: "requests" | "limits"): number {
  const { containers, initContainers = [] } = spec as Pods;
  const sidecars = initContainers.filter(({ restartPolicy }) => restartPolicy === "Always");
  return [...containers, ...sidecars].reduce(
    (sum, { resources }) => sum + (quantity(resources?.[kind]?.["memory"] ?? "") ?? 0),
    0,
  );
}

/** Of a pod template what is read here; all of it is plain data. */
interface Pods {
  containers: Container[];
  initContainers?: Container[];
}

interface Container {
  restartPolicy?: string;
  resources?: Partial<Record<"requests" | "limits", Record<string, string>>>;
}

function overcommitted(memory: number, shares: Share[]): string | undefined {
  const sum = shares.reduce((all, { bytes }) => all + bytes, systemBytes);
  if (sum <= memory || shares.length === 0) {
    return undefined;
  }
  const listed = shares.map(({ runner, bytes, parts }) => `${runner} ${inWords(bytes)} (${parts.join(", ")})`);
  return (
    `what may run there takes up to ${inWords(sum)} at once, and there are ${inWords(memory)} of memory: ` +
    `${[...listed, `the system ${inWords(systemBytes)}`].join("; ")}. ` +
    "Where memory ends, the kernel ends a process of its own choice, which may be the node's Docker with all jobs. " +
    "Lower concurrent or size of a runner, keep one off the node by nodeSelector (nodes[].labels says what the node has), " +
    "or take memory out of the node's entry where jobs never need what they may take. See docs/ways.md, Memory of nodes."
  );
}

/** A pod on each node that asks for more than one has: no job of that runner would ever run there. */
function unschedulable(runner: CheckedRunner, sized: Node[], place: Place): InputError[] {
  if (runner.executor !== "docker") {
    return [];
  }
  const asked = amount(dockerPod(runner.settings), "requests");
  const small = sized.filter((node) => bytesOf(node) < asked && mayBeOn(runner, node, place) === true);
  const key = hasResidentEngine(runner.settings.way) ? "engineResources" : "resources";
  const having = small.map((node) => `${node.name} (${inWords(bytesOf(node))})`).join(", ");
  const reason = `the runner's pod asks for ${inWords(asked)} of memory, more than ${having} has, and would never start there; lower it, or keep the runner off by nodeSelector`;
  return oneError(`${key}.requests.memory`, small.length === 0 ? undefined : reason);
}

/** Pods of jobs that no node of the stack has room for. The cluster may have others, so this is no error. */
function waiting(runner: CheckedRunner, place: Place): string[] {
  if (runner.executor !== "kubernetes") {
    return [];
  }
  const asked = podRequest(runner.settings);
  const nodes = place.nodes.filter((node) => mayBeOn(runner, node, place) !== false);
  return nodes.length > 0 && nodes.every((node) => node.memory !== undefined && bytesOf(node) < asked)
    ? [
        `Runner ${runner.settings.name}: the pod of a job asks for ${inWords(asked)} of memory, more than any of ${nodes.map(({ name }) => name).join(", ")} has. ` +
          "Unless the cluster has other nodes, its jobs wait until they time out. Lower size, or memory_request in config.runners[0].kubernetes.",
      ]
    : [];
}

/** Bytes as people read them: `1.5 GiB`, `384 MiB`. */
function inWords(bytes: number): string {
  const [unit, name] = bytes < 1024 ** 3 ? [1024 ** 2, "MiB"] : [1024 ** 3, "GiB"];
  return `${Number((bytes / unit).toFixed(name === "MiB" ? 0 : 1))} ${name}`;
}
