import type { types } from "@pulumi/kubernetes";
import type { Architecture } from "../architecture";
import type { ConfigRest } from "../configToml/rest";
import type { Toleration } from "../settings";
import { metricsPortName, shutdownTimeout } from "./config";
import { drainScript, graceMargin, probeGrace } from "./scripts";

/** Labels that find the pods of one runner; they never change, as a DaemonSet's selector cannot. */
export function selectorLabels(name: string): Record<string, string> {
  return { "app.kubernetes.io/name": "gitlab-runner", "app.kubernetes.io/instance": name };
}

/** How long a pod may take to stop: jobs finish, those that do not are aborted and cleaned up after. */
export function gracePeriod(settings: { drainTimeout: number; config?: ConfigRest }): number {
  return settings.drainTimeout + shutdownTimeout(settings) + graceMargin;
}

/** Where a manager's pod may run. */
interface Placement {
  architecture?: Architecture;
  nodeSelector?: Record<string, string>;
  tolerations?: Toleration[];
  priorityClassName?: string;
  imagePullSecrets?: string[];
}

/** The labels of the nodes that a runner is for. */
export function nodeLabels(settings: Placement): Record<string, string> {
  return {
    "kubernetes.io/os": "linux",
    ...(settings.architecture === undefined ? {} : { "kubernetes.io/arch": settings.architecture }),
    ...settings.nodeSelector,
  };
}

/** Where the manager's pod goes, and what it may pull there. */
export function placement(settings: Placement): Partial<types.input.core.v1.PodSpec> {
  return {
    priorityClassName: settings.priorityClassName,
    nodeSelector: nodeLabels(settings),
    tolerations: settings.tolerations,
    imagePullSecrets: settings.imagePullSecrets?.map((name) => ({ name })),
  };
}

/** Kubernetes wants one entry per address. */
export function hostAliases(
  names: Record<string, string> | undefined,
): { ip: string; hostnames: string[] }[] | undefined {
  const byAddress = new Map<string, string[]>();
  for (const [name, address] of Object.entries(names ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
    byAddress.set(address, [...(byAddress.get(address) ?? []), name]);
  }
  const aliases = [...byAddress].map(([ip, hostnames]) => ({ ip, hostnames }));
  return aliases.length === 0 ? undefined : aliases;
}

/** What of a manager's container watches over it: its port, its probes, and the hook that drains it. */
export function watched(settings: {
  metricsPort: number;
  drainTimeout: number;
}): Partial<types.input.core.v1.Container> {
  // The runner's own page, so that an outage of GitLab restarts nothing.
  const httpGet = { path: "/metrics", port: metricsPortName };
  // Without this, the container of a runner that hangs would first wait for its drain, an hour by default.
  const killed = { terminationGracePeriodSeconds: probeGrace };
  return {
    ports: [{ name: metricsPortName, containerPort: settings.metricsPort, protocol: "TCP" }],
    startupProbe: { httpGet, periodSeconds: 2, failureThreshold: 60, timeoutSeconds: 5, ...killed },
    readinessProbe: { httpGet, periodSeconds: 10, failureThreshold: 3, timeoutSeconds: 5 },
    livenessProbe: { httpGet, periodSeconds: 30, failureThreshold: 6, timeoutSeconds: 10, ...killed },
    lifecycle: { preStop: { exec: { command: ["/bin/sh", "-c", drainScript(settings.drainTimeout)] } } },
  };
}
