import type { TrustEngine } from "./engines";

/** What one node reported when trust was last applied. */
export interface NodeTrust {
  node: string;
  /** Facts that decide whether containers will run well on the node. */
  facts: NodeFacts;
  /** Engines that were looked at, with what was done for each. */
  engines: {
    engine: TrustEngine;
    /** The systemd unit, where there is one. */
    unit?: string;
    version: string;
    /** The settings file, or the folder of settings files. */
    config: string;
    /** How the change took effect: nothing to do, files that are read at each pull, reload (HUP), or restart. */
    how: "none" | "files" | "reload" | "restart";
    trusted: string[];
  }[];
  /** What the node's owner should know, each with its way out. */
  warnings: string[];
}

/** The preflight report of a node. */
export interface NodeFacts {
  /** Machine architecture as the kernel names it: aarch64, armv7l, x86_64. */
  architecture: string;
  kernel: string;
  system: string;
  python: string;
  /** False: limits of containers are ignored (a Raspberry Pi's default). */
  memoryCgroup: boolean;
  /** `iptables v1.8.9 (nf_tables)` or `(legacy)`; null where it is missing. */
  iptables: string | null;
  /** Policy of the FORWARD chain; null where it cannot be read. */
  forwardPolicy: string | null;
  ipForward: boolean;
  /** Free space on `/`, in MiB. */
  freeMiB: number;
  /** The node's clock, in UTC. */
  clock: string;
  /** True when systemd-timesyncd has set the clock; null when unknown. */
  clockSynchronized: boolean | null;
}

/** What the nodes printed, typed; nothing of nodes that --target left out. */
export function reportsOf(nodes: { name: string }[], lines: (string | undefined)[]): Record<string, NodeTrust> {
  const found = lines.flatMap((line, index) => (line === undefined ? [] : [[nodes[index]!.name, line] as const]));
  return Object.fromEntries(found.map(([name, line]) => [name, JSON.parse(line) as NodeTrust]));
}

/** One node in a line, for the table that an update prints; the report has the rest. */
export function summaryOf({ facts, engines, warnings }: NodeTrust): string {
  const found = engines.map(({ engine, version, trusted }) => {
    const names = trusted.length === 0 ? "none" : trusted.join(", ");
    return `${engine} ${version} trusts ${names}`;
  });
  const count = warnings.length === 0 ? "" : `; warnings: ${warnings.length}`;
  return `${facts.system}, ${facts.architecture}: ${found.join("; ")}${count}`;
}
