import type { InputError } from "../inputErrors";
import { oneError } from "../runners/errors";
import type { Creation } from "./settings";

/** Combinations of a creation's settings that GitLab would refuse. */
export function creationErrors(creation: Creation, tags: string[]): InputError[] {
  const { type, groupId, projectId, runUntagged } = creation;
  const given = { groupId, projectId };
  const wanted = { instance: undefined, group: "groupId", project: "projectId" }[type];
  const errors = (["groupId", "projectId"] as const).flatMap((key) => {
    if (key === wanted) {
      return oneError(key, given[key] === undefined ? `is missing; a runner of type ${type} needs it` : undefined);
    }
    return oneError(key, given[key] === undefined ? undefined : `is not for a runner of type ${type}; drop it`);
  });
  return [...errors, ...untaggedErrors(runUntagged, tags)];
}

/** A runner that would never get a job. */
export function untaggedErrors(runUntagged: boolean, tags: string[]): InputError[] {
  return tags.length === 0 && !runUntagged
    ? oneError(
        "runUntagged",
        "the runner has no tags and takes no untagged jobs, so GitLab refuses it; give it tags, or true",
      )
    : [];
}
