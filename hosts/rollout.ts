/** In which order nodes get a change, and when to stop. */
export interface TrustRollout {
  /** How many nodes go first, alone, or their names; if one fails, no other node is touched. Default: 1. */
  canary?: number | string[];
  /** How many nodes after the canary at the same time. Default: 10. */
  batchSize?: number;
  /** How many nodes, the canary aside, may fail before no further batch is begun. Default: 1. */
  maxFailures?: number;
}

/** Why a node was not touched. */
export class NotTouched extends Error {}

/**
 * Lets nodes start in order: the canary, then batch after batch.
 *
 * A batch starts as soon as no more than `maxFailures` nodes of the batches before it are still at work or have failed:
 * so a dead node, which takes seconds to be given up, delays nobody, and the number of nodes that a bad change can
 * reach stays bounded. The model is Ansible's `serial` and `max_fail_percentage`.
 *
 * Nodes whose engine may be restarted go one at a time in any case: two k3s servers of three that restart together would
 * take the cluster's datastore along.
 */
export class Rollout {
  /** Batch of each node; the canary is batch 0. */
  private readonly batches: string[][];
  private readonly results = new Map<string, "ok" | "failed">();
  private readonly running = new Set<string>();
  private readonly waiting: { batch: number; node: string; start: () => void; refuse: (reason: Error) => void }[] = [];
  private readonly maxFailures: number;

  /** @param alone nodes of which no two may be at work at the same time */
  constructor(
    nodes: string[],
    settings: TrustRollout = {},
    private readonly alone: ReadonlySet<string> = new Set(),
  ) {
    this.batches = batchesOf(nodes, settings);
    this.maxFailures = settings.maxFailures ?? 1;
  }

  /** Resolves when the node may start; rejects with NotTouched when it must not. */
  turn(node: string): Promise<void> {
    const batch = this.batches.findIndex((names) => names.includes(node));
    return new Promise((start, refuse) => {
      this.waiting.push({ batch, node, start, refuse });
      this.admit();
    });
  }

  /** Says how a node's run ended. */
  ended(node: string, result: "ok" | "failed"): void {
    this.running.delete(node);
    this.results.set(node, result);
    this.admit();
  }

  private admit(): void {
    for (const one of this.waiting.splice(0)) {
      const refusal = this.refusal(one.batch);
      if (refusal !== undefined) {
        one.refuse(new NotTouched(`${refusal}: node ${one.node} was not touched. Mend that, then run again.`));
      } else if (this.open(one.batch) && this.free(one.node)) {
        this.running.add(one.node);
        one.start();
      } else {
        this.waiting.push(one);
      }
    }
  }

  private refusal(batch: number): string | undefined {
    if (batch === 0) {
      return undefined;
    }
    const canaries = this.batches[0]!.filter((node) => this.results.get(node) === "failed");
    if (canaries.length > 0) {
      return `The canary failed (${canaries.join(", ")})`;
    }
    const failed = this.before(batch).filter((node) => this.results.get(node) === "failed");
    return failed.length > this.maxFailures ? `More than ${this.maxFailures} failed (${failed.join(", ")})` : undefined;
  }

  private open(batch: number): boolean {
    const canaryDone = batch === 0 || this.batches[0]!.every((node) => this.results.get(node) === "ok");
    return (
      canaryDone && this.before(batch).filter((node) => this.results.get(node) !== "ok").length <= this.maxFailures
    );
  }

  private free(node: string): boolean {
    return !this.alone.has(node) || ![...this.running].some((other) => this.alone.has(other));
  }

  /** Nodes of the batches between the canary and this one. */
  private before(batch: number): string[] {
    return this.batches.slice(1, Math.max(batch, 1)).flat();
  }
}

/** The canary first, even when it is empty, then the rest by size. */
export function batchesOf(nodes: string[], settings: TrustRollout): string[][] {
  const { canary = 1, batchSize = 10 } = settings;
  const first = Array.isArray(canary) ? nodes.filter((node) => canary.includes(node)) : nodes.slice(0, canary);
  const rest = nodes.filter((node) => !first.includes(node));
  const batches = [first];
  for (let start = 0; start < rest.length; start += batchSize) {
    batches.push(rest.slice(start, start + batchSize));
  }
  return batches;
}

/** Says what is wrong with roll-out settings, in three parts; undefined when nothing is. */
export function rolloutProblem(nodes: string[], settings: TrustRollout): string | undefined {
  const { canary = 1, batchSize = 10, maxFailures = 1 } = settings;
  if (Array.isArray(canary)) {
    const unknown = canary.filter((name) => !nodes.includes(name));
    return unknown.length > 0
      ? `Unknown node (${unknown.join(", ")}): rollout.canary. Name nodes of the list: ${nodes.join(", ")}.`
      : undefined;
  }
  const numbers = { canary: [canary, 0], batchSize: [batchSize, 1], maxFailures: [maxFailures, 0] } as const;
  for (const [key, [value, least]] of Object.entries(numbers)) {
    if (!Number.isInteger(value) || value < least) {
      return `Not a whole number from ${least}: rollout.${key} is ${String(value)}. Give one, or leave it out.`;
    }
  }
  return undefined;
}
