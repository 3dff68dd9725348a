import { differencesOf, type Difference } from "./differences";
import { identity, type Preview, type State, type Step } from "./preview";

export type Operation = "create" | "update" | "replace" | "delete";

/** What a preview says of one resource that changes. */
export interface Change {
  operation: Operation;
  urn: string;
  /** Type token, such as `kubernetes:apps/v1:DaemonSet`. */
  type: string;
  name: string;
  /** The component directly below the stack that it belongs to; itself, where it belongs to none. */
  component: { type: string; name: string };
  differences: Difference[];
  /** Properties because of which it is replaced. */
  because: string[];
  before?: State;
  after?: State;
}

/** Pulumi's operations, as a reader knows them. The halves of a replacement stand beside the whole. */
const operations: Record<string, Operation> = {
  create: "create",
  import: "create",
  update: "update",
  replace: "replace",
  delete: "delete",
  discard: "delete",
};

/** Every resource that a preview changes, in Pulumi's order; the stack's own step, whose outputs follow, is none. */
export function changesOf({ steps = [] }: Preview): Change[] {
  const looks = looksIn(steps);
  return changesIn(
    steps.filter((step) => !looks.has(step)),
    steps,
  );
}

/**
 * Every resource that is not as it was deployed, where the preview has looked (`pulumi preview --refresh --show-sames`): what a look
 * began with beside what the program's own step begins with. What the look itself is said to have found is not relied on, as
 * Pulumi leaves that out where the program's step comes first (pulumi, pkg/backend/display/json.go).
 */
export function foundChanged({ steps = [] }: Preview): Change[] {
  const parents = parentsIn(steps);
  return [...looksIn(steps)].flatMap((look) => {
    const own = steps.find((step) => step.urn === look.urn && step !== look);
    if (own === undefined) {
      return [];
    }
    const { newState: _wanted, ...deployed } = look;
    if (own.op === "create") {
      return [changeOf(deployed, "delete", parents)];
    }
    const differing = look.op === "update" ? look.detailedDiff : putsBack(steps) ? own.detailedDiff : undefined;
    const step: Step = { ...deployed, op: "update", ...(own.oldState === undefined ? {} : { newState: own.oldState }) };
    const change = changeOf({ ...step, detailedDiff: differing ?? null }, "update", parents);
    return change.differences.length === 0 ? [] : [change];
  });
}

/**
 * Does the program change nothing but objects of the cluster? Then neither a component nor a token is another one, and an update
 * puts back what somebody changed: that is all that is known of a secret.
 */
function putsBack(steps: Step[]): boolean {
  return steps.every(({ op, urn }) => {
    const { type } = identity(urn);
    return ["same", "refresh"].includes(op) || type.startsWith("kubernetes:") || type === "pulumi:pulumi:Stack";
  });
}

/**
 * A preview that looks has the look at a resource as a step before the program's own (`refresh`; where something was found
 * mostly update or delete). The program's own follows in any case, as `--show-sames` has also those that change nothing. Components,
 * and what the program no longer has, are not looked at.
 */
function looksIn(steps: Step[]): Set<Step> {
  if (!steps.some(({ op }) => op === "refresh")) {
    return new Set();
  }
  const last = new Map(steps.map((step) => [step.urn, step]));
  const seen = new Set<string>();
  return new Set(
    steps.filter((step) => {
      const first = !seen.has(step.urn);
      seen.add(step.urn);
      return first && (step.op === "refresh" || last.get(step.urn) !== step);
    }),
  );
}

function changesIn(chosen: Step[], all: Step[]): Change[] {
  const parents = parentsIn(all);
  return chosen
    .filter(({ op, urn }) => op in operations && identity(urn).type !== "pulumi:pulumi:Stack")
    .map((step) => changeOf(step, operations[step.op]!, parents));
}

type Parents = Map<string, string | undefined>;

const parentsIn = (steps: Step[]): Parents =>
  new Map(steps.map((step) => [step.urn, (step.newState ?? step.oldState)?.parent]));

function changeOf(step: Step, operation: Operation, parents: Parents): Change {
  const { urn, oldState, newState, replaceReasons } = step;
  return {
    operation,
    urn,
    ...identity(urn),
    component: identity(topmost(urn, parents)),
    differences: differencesOf(step),
    because: replaceReasons ?? [],
    ...(oldState === undefined ? {} : { before: oldState }),
    ...(newState === undefined ? {} : { after: newState }),
  };
}

/** The outermost ancestor below the stack itself. */
function topmost(urn: string, parents: Parents): string {
  const parent = parents.get(urn);
  return parent === undefined || identity(parent).type === "pulumi:pulumi:Stack" ? urn : topmost(parent, parents);
}

/** What counts of the changes, as people say it. */
export type Counts = Record<Operation, number>;

export function countsOf(changes: Change[]): Counts {
  const of = (operation: Operation): number => changes.filter((change) => change.operation === operation).length;
  return { create: of("create"), update: of("update"), replace: of("replace"), delete: of("delete") };
}
