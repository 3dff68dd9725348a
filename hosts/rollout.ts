import { z } from "zod";
import type { InputError } from "../components/inputErrors";
import { optional, text, type Arguments } from "../components/schema";

/** In which order hosts get a change, and when to stop. */
export const rolloutSettings = {
  canary: optional(z.union([z.int().min(0), z.array(text)]), {
    description: "How many nodes go first, or their names; when one fails no other is touched.",
    defaultText: "1",
  }),
  batchSize: optional(z.int().min(1), { description: "Nodes at the same time after that.", defaultText: "10" }),
  maxFailures: optional(z.int().min(0), {
    description: "How many nodes, canary aside, may fail; once more have, no further batch begins.",
    defaultText: "1",
  }),
};

/** In which order nodes get a change, and when to stop. */
export interface RolloutSettings extends Arguments<typeof rolloutSettings> {}

/** Why a node was not touched. */
export class NotTouchedError extends Error {}

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
    settings: RolloutSettings = {},
    private readonly alone: ReadonlySet<string> = new Set(),
  ) {
    this.batches = batchesOf(nodes, settings);
    this.maxFailures = settings.maxFailures ?? 1;
  }

  /** Resolves when the node may start; rejects with NotTouchedError when it must not. */
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
        one.refuse(new NotTouchedError(`${refusal}: node ${one.node} was not touched. Fix that, then run again.`));
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
export function batchesOf(nodes: string[], settings: RolloutSettings): string[][] {
  const { canary = 1, batchSize = 10 } = settings;
  const first = Array.isArray(canary) ? nodes.filter((node) => canary.includes(node)) : nodes.slice(0, canary);
  const rest = nodes.filter((node) => !first.includes(node));
  const batches = [first];
  for (let start = 0; start < rest.length; start += batchSize) {
    batches.push(rest.slice(start, start + batchSize));
  }
  return batches;
}

/** What is wrong with roll-out settings, by paths such as `batchSize`. */
export function rolloutErrors(nodes: string[], settings: RolloutSettings): InputError[] {
  const { canary = 1, batchSize = 10, maxFailures = 1 } = settings;
  const numbers = { batchSize: [batchSize, 1], maxFailures: [maxFailures, 0] } as const;
  const errors = Object.entries(numbers).flatMap(([key, [value, least]]) => numberErrors(key, value, least));
  if (!Array.isArray(canary)) {
    return [...numberErrors("canary", canary, 0), ...errors];
  }
  const unknown = canary.flatMap((name, index) =>
    nodes.includes(name)
      ? []
      : [{ propertyPath: `canary[${index}]`, reason: `"${name}" is no node; nodes are ${nodes.join(", ") || "none"}` }],
  );
  return [...unknown, ...errors];
}

function numberErrors(propertyPath: string, value: number, least: number): InputError[] {
  return Number.isInteger(value) && value >= least
    ? []
    : [{ propertyPath, reason: `is ${String(value)}; give a whole number from ${least}, or leave it out` }];
}
