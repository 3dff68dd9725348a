import type { types } from "@pulumi/kubernetes";
import { metricsPortName } from "../runners/manager/config";

/** What runner pods may talk to. */
interface RunnerNetwork {
  gitlabUrl?: string;
  egressPorts?: number[];
  metricsFrom?: Record<string, string>;
  metricsPort?: number;
}

/**
 * TCP ports on which API servers listen: the service's own, kubeadm's and k3s', microk8s'. A policy may be held against the
 * address before or after the service's is replaced, so all are named.
 */
export const apiServerPorts = [443, 6443, 16443];

/** TCP port of an http or https address. */
export function portOf(url: string): number {
  const { port, protocol } = new URL(url);
  return port === "" ? (protocol === "http:" ? 80 : 443) : Number(port);
}

/**
 * A policy that denies all but what a runner manager needs: DNS, and the port of GitLab. Jobs are containers of the
 * node's Docker, not pods, so this binds the manager only. Addresses are not pinned: GitLab's may change. The probes come
 * from the node itself, which every policy lets through (Kubernetes docs, "Network Policies").
 */
export function networkPolicySpec(network: RunnerNetwork): types.input.networking.v1.NetworkPolicySpec {
  const gitlab = network.gitlabUrl === undefined ? 443 : portOf(network.gitlabUrl);
  const ports = [...new Set([gitlab, ...(network.egressPorts ?? [])])];
  const ingress: types.input.networking.v1.NetworkPolicyIngressRule[] =
    Object.keys(network.metricsFrom ?? {}).length === 0
      ? []
      : [
          {
            from: [{ namespaceSelector: { matchLabels: network.metricsFrom } }],
            // By name, so that it is right for every runner, whatever its port.
            ports: [{ protocol: "TCP", port: network.metricsPort ?? metricsPortName }],
          },
        ];
  return {
    podSelector: {},
    policyTypes: ["Ingress", "Egress"],
    ingress,
    egress: [
      {
        ports: [
          { protocol: "UDP", port: 53 },
          { protocol: "TCP", port: 53 },
        ],
      },
      { ports: ports.map((port) => ({ protocol: "TCP", port })) },
    ],
  };
}
