/** What a runner is in GitLab: as it is asked for, as GitLab shows it, and whose it is. Serialised into the state: see request.ts. */
import { gitlabError } from "./failures";
import type { GitlabAddress } from "./request";

type RunnerScope = "instance" | "group" | "project";

/** What a runner is in GitLab, as it is stored. */
export interface GitlabRunnerState extends GitlabAddress {
  accessToken: string;
  /** For messages. */
  name: string;
  type: RunnerScope;
  groupId?: number;
  projectId?: number;
  /** Id of a runner that is there already: it is taken over, and never deleted. */
  adopt?: number;
  /** Text that stands in the descriptions of this stack's runner only. */
  mark: string;
  description: string;
  tags: string[];
  runUntagged: boolean;
  locked: boolean;
  paused: boolean;
  protected: boolean;
  /** Seconds; 0 for no limit. */
  maximumTimeout: number;
  maintenanceNote: string;
  /** Another text makes another runner, with another token. */
  rotate?: string;
  /** Seconds that the jobs of a runner which goes may take. */
  drainTimeout: number;
}

/** A runner as GitLab shows it. */
export interface Shown {
  id: number;
  runner_type: string;
  description: string | null;
  tag_list: string[];
  run_untagged: boolean;
  locked: boolean;
  paused: boolean;
  access_level: string;
  maximum_timeout: number | null;
  maintenance_note: string | null;
  contacted_at?: string | null;
}

export function attributesOf(state: GitlabRunnerState): object {
  return {
    description: state.description,
    tag_list: state.tags,
    run_untagged: state.runUntagged,
    locked: state.locked,
    paused: state.paused,
    access_level: state.protected ? "ref_protected" : "not_protected",
    maximum_timeout: state.maximumTimeout === 0 ? null : state.maximumTimeout,
    maintenance_note: state.maintenanceNote,
  };
}

/** The same, as it stands in GitLab. Tags are a set there. */
export function withShown<T extends GitlabRunnerState>(state: T, shown: Shown): T {
  const sameTags = JSON.stringify([...shown.tag_list].sort()) === JSON.stringify([...state.tags].sort());
  return {
    ...state,
    description: shown.description ?? "",
    tags: sameTags ? state.tags : shown.tag_list,
    runUntagged: shown.run_untagged,
    locked: shown.locked,
    paused: shown.paused,
    protected: shown.access_level === "ref_protected",
    maximumTimeout: shown.maximum_timeout ?? 0,
    maintenanceNote: shown.maintenance_note ?? "",
  };
}

/** Compared as text; what is left out and what is null are the same. */
export function differ(one: object, other: object, keys: readonly string[]): string[] {
  const text = (from: object, key: string): string => JSON.stringify((from as Record<string, unknown>)[key] ?? null);
  return keys.filter((key) => text(one, key) !== text(other, key));
}

/** The mark of another runner, of this stack or of another; undefined where there is none. */
function otherMark({ mark }: GitlabRunnerState, { description, maintenance_note }: Shown): string | undefined {
  const marks = `${description} ${maintenance_note}`.match(/pi-runners [0-9a-f]{8}/g) ?? [];
  return marks.find((one) => one !== mark);
}

/**
 * Is a runner of this number the one that was created? A GitLab that was set up again counts from one again. One that was
 * taken over is, unless somebody else has it by now.
 */
export function isOurs(state: GitlabRunnerState, shown: Shown): boolean {
  return state.adopt === undefined
    ? `${shown.description} ${shown.maintenance_note}`.includes(state.mark)
    : otherMark(state, shown) === undefined;
}

/** The last line of a runner's maintenance note. One that is taken over says so: no older entry of it may delete it. */
export function noteOf({ mark, adopt }: { mark: string; adopt?: number }): string {
  return `${adopt === undefined ? "Kept" : "Taken over"} by Pulumi, ${mark}`;
}

/** Has the stack taken it over, other than this state of it knows? */
export function isTakenOver(state: GitlabRunnerState, { id, maintenance_note }: Shown): boolean {
  return state.adopt === undefined && (maintenance_note ?? "").includes(noteOf({ ...state, adopt: id }));
}

/** @throws Error in three parts where a runner that is to be taken over is another's, or of another kind */
export function refuseOthers(state: GitlabRunnerState, shown: Shown): void {
  const where = `At ${state.url}, for runner ${state.name}, create.id ${state.adopt}.`;
  const mark = otherMark(state, shown);
  if (mark !== undefined) {
    throw gitlabError(
      `Runner ${state.adopt} is taken already: it bears the mark of another runner, "${mark}".`,
      where,
      "Name another runner, or leave create.id out, so that one is created. If the stack that the mark is of is gone: take the mark out of the runner's description and maintenance note in GitLab, then run again.",
    );
  }
  if (shown.runner_type !== `${state.type}_type`) {
    throw gitlabError(
      `Runner ${state.adopt} is of ${shown.runner_type.replace("_type", "")}, not of ${state.type}.`,
      where,
      "Write in create.type what it is, or name another runner.",
    );
  }
}

/** A runner that was taken over, once the stack goes: without the mark, so that another stack may take it over. */
export function unmarked({ description, maintenanceNote, mark }: GitlabRunnerState): object {
  return {
    description: description.replace(` [${mark}]`, ""),
    maintenance_note: maintenanceNote.replace(new RegExp(`\\n?[^\\n]*${mark}$`), ""),
  };
}
