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
  const refreshed = refreshSteps(steps);
  return changesIn(
    steps.filter((step) => !refreshed.has(step)),
    steps,
  );
}

/** Every resource that is not as the state has it, where the preview has looked (`pulumi preview --refresh --show-sames`). */
export function foundChanged({ steps = [] }: Preview): Change[] {
  // A provider that wants to act by the clock, such as for a token that is to be renewed, says update, and nothing differs.
  return changesIn([...refreshSteps(steps)], steps).filter(
    ({ operation, differences }) => operation !== "update" || differences.length > 0,
  );
}

/**
 * A preview that looks has the look at a resource as a step before the program's own, and where something was found that says
 * update or delete, too (pulumi, pkg/backend/display/json.go). The program's own follows in any case, as `--show-sames` has also
 * those that change nothing: without it, what somebody changed to just what the program says by now would pass for the program's
 * change. Components, and what the program no longer has, are not looked at.
 */
function refreshSteps(steps: Step[]): Set<Step> {
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
  const parents = new Map(all.map((step) => [step.urn, (step.newState ?? step.oldState)?.parent]));
  return chosen
    .filter(({ op, urn }) => op in operations && identity(urn).type !== "pulumi:pulumi:Stack")
    .map((step) => changeOf(step, operations[step.op]!, parents));
}

function changeOf(step: Step, operation: Operation, parents: Map<string, string | undefined>): Change {
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
function topmost(urn: string, parents: Map<string, string | undefined>): string {
  const parent = parents.get(urn);
  return parent === undefined || identity(parent).type === "pulumi:pulumi:Stack" ? urn : topmost(parent, parents);
}

/** What counts of the changes, as people say it. */
export type Counts = Record<Operation, number>;

export function countsOf(changes: Change[]): Counts {
  const of = (operation: Operation): number => changes.filter((change) => change.operation === operation).length;
  return { create: of("create"), update: of("update"), replace: of("replace"), delete: of("delete") };
}
