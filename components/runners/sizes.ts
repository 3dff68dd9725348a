/** Sizes of Raspberry Pi, by memory. */
export const nodeSizes = ["4GB", "8GB"] as const;

export type NodeSize = (typeof nodeSizes)[number];

/** Requests and limits of a container, as Kubernetes writes quantities. */
export interface Resources {
  requests?: Record<string, string>;
  limits?: Record<string, string>;
}

/** What a runner and its jobs may take of a node. */
export interface Budget {
  /** The runner manager's own pod. It only polls and copies logs; 19.4 rests at about 60 MiB. */
  manager: Resources;
  /** Memory of one job container, as Docker writes it. */
  jobMemory: string;
  /** Memory of one service container: the inner daemon of DinD builds in there. */
  serviceMemory: string;
}

/**
 * Defaults that leave Kubernetes, the node's Docker and one more workload alive: on a node of 4 GB a job and its daemon
 * have 2.5 GB together, on one of 8 GB they have 5 GB. A kernel without the memory cgroup ignores the limits (see the
 * preflight of RegistryTrust).
 */
export const budgets: Record<NodeSize, Budget> = {
  "4GB": {
    manager: { requests: { cpu: "50m", memory: "64Mi" }, limits: { memory: "256Mi" } },
    jobMemory: "1g",
    serviceMemory: "1536m",
  },
  "8GB": {
    manager: { requests: { cpu: "50m", memory: "96Mi" }, limits: { memory: "384Mi" } },
    jobMemory: "2g",
    serviceMemory: "3g",
  },
};
