import type { GitlabRunnerState } from "../../../components/token/gitlab/runnerResource";
import type { GitlabTokenState } from "../../../components/token/gitlab/tokenResource";

/** The mark of the runners below. */
export const mark = "pi-runners 0a1b2c3d";

/** Where a runner is, and by which access token. */
export type At = Pick<GitlabRunnerState, "url" | "accessToken">;

/** A runner of an instance, with a value in every setting. */
export function runnerState(at: At, more: Partial<GitlabRunnerState> = {}): GitlabRunnerState {
  return {
    ...at,
    name: "dood",
    type: "instance",
    mark,
    description: `dood [${mark}]`,
    tags: ["pi", "dood"],
    runUntagged: false,
    locked: true,
    paused: false,
    protected: true,
    maximumTimeout: 3600,
    maintenanceNote: `Rack 2\n${mark}`,
    drainTimeout: 30,
    ...more,
  };
}

/** The token of a runner. */
export function tokenState(at: At, runnerId: string, more: Partial<GitlabTokenState> = {}): GitlabTokenState {
  return { ...at, name: "dood", needs: "Give an access token.", runnerId, renew: false, ...more };
}

/** Each setting with another value. */
export const changes: Partial<GitlabRunnerState>[] = [
  { description: `another [${mark}]` },
  { tags: ["arm64"] },
  { runUntagged: true, tags: [] },
  { locked: false },
  { paused: true },
  { protected: false },
  { maximumTimeout: 0 },
  { maximumTimeout: 700 },
  { maintenanceNote: mark },
];
