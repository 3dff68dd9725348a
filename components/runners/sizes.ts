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
  /** A job's container where that is one of a pod. */
  job: { requests: { cpu: string; memory: string }; limits: { memory: string } };
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
    // The build runs in there, so the job gets what job and inner daemon have together elsewhere.
    job: { requests: { cpu: "200m", memory: "512Mi" }, limits: { memory: "2560Mi" } },
    serviceMemory: "1536m",
  },
  "8GB": {
    manager: { requests: { cpu: "50m", memory: "96Mi" }, limits: { memory: "384Mi" } },
    jobMemory: "2g",
    job: { requests: { cpu: "200m", memory: "1Gi" }, limits: { memory: "5Gi" } },
    serviceMemory: "3g",
  },
};

/** What an engine that stays up may take, with all that its jobs run in there. */
const engines: Record<NodeSize, Resources> = {
  "4GB": { requests: { cpu: "100m", memory: "192Mi" }, limits: { memory: "2560Mi" } },
  "8GB": { requests: { cpu: "100m", memory: "256Mi" }, limits: { memory: "5Gi" } },
};

const binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const decimal = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

/** The value of a quantity as Kubernetes writes them (`50m`, `512Mi`, `1e3`); undefined when it is none, or negative. */
export function quantity(text: string): number | undefined {
  const found = /^\+?(\d+\.?\d*|\.\d+)(?:([KMGTPE]i)|([numkMGTPE]?)|[eE]([+-]?\d+))$/.exec(text);
  if (found === null) {
    return undefined;
  }
  const [, digits, binarySuffix, decimalSuffix = "", exponent] = found;
  if (binarySuffix !== undefined) {
    return Number(digits) * 1024 ** (binary.indexOf(binarySuffix) + 1);
  }
  return Number(digits) * 10 ** (exponent === undefined ? 3 * (decimal.indexOf(decimalSuffix) - 3) : Number(exponent));
}

/** Bytes of an amount of memory as Docker writes it (`1536m`, `1.5g`): its units are powers of 1024, `gb` too. */
export function dockerBytes(text: string): number | undefined {
  const [, digits, unit = ""] = /^(\d+\.?\d*|\.\d+) ?(?:([kmgtp])i?b?|b)?$/i.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * 1024 ** ("kmgtp".indexOf(unit.toLowerCase() || "-") + 1);
}

/** What the runner manager's container asks for. */
export function managerResources(size: NodeSize | undefined, given?: Resources): Resources {
  return over(budgets[size ?? "4GB"].manager, given);
}

/** What the container of a resident engine asks for. */
export function engineResources(size: NodeSize | undefined, given?: Resources): Resources {
  return over(engines[size ?? "4GB"], given);
}

/**
 * What was given over the budget of the node's size, resource by resource. Where only one of request and limit was given, and the budget's other one would contradict it, that one follows:
 * Kubernetes refuses a request that is above its limit.
 */
function over(budget: Resources, given: Resources = {}): Resources {
  const requests = { ...budget.requests, ...given.requests };
  const limits = { ...budget.limits, ...given.limits };
  for (const [resource, request] of Object.entries(requests)) {
    const limit = limits[resource];
    if (limit === undefined || (quantity(request) ?? 0) <= (quantity(limit) ?? Infinity)) {
      continue;
    }
    if (given.limits?.[resource] === undefined) {
      limits[resource] = request;
    } else if (given.requests?.[resource] === undefined) {
      requests[resource] = limit;
    }
  }
  return { requests, limits };
}
