/** What one update has done and knows: its dynamic providers, which run in one process, share it. Serialised: see request.ts. */
import type { GitlabError } from "./failures";
import type { GitlabAddress } from "./request";
import { differ, type GitlabRunnerState } from "./shownRunner";

type ReachedBy = Pick<GitlabRunnerState, "url" | "ca" | "hostAliases" | "accessToken">;

/** What one update did: its dynamic providers share it. */
interface Memory {
  /** A runner that is being replaced bears the same mark as the one that takes its place. */
  replaced: Set<string>;
  successors: Map<string, string>;
  /** Taken over. Missing where code of before that was kept, in the state, comes first. */
  taken?: Set<string>;
  /** How the stack file reaches each GitLab, by runner and by GitLab: what is removed knows how it was when it was made. */
  addresses?: Map<string, ReachedBy>;
}

export function memory(): Memory {
  const shared = globalThis as unknown as Record<symbol, Memory>;
  return (shared[Symbol.for("pi-runners/gitlab-runners")] ??= { replaced: new Set(), successors: new Map() });
}

export function taken(): Set<string> {
  return (memory().taken ??= new Set());
}

/** A GitLab in what an update remembers; its address may be written another way by the same update. */
function placeOf({ url }: GitlabAddress): string {
  return url
    .replace(/^https?:\/\//i, "")
    .replace(/\/+$/, "")
    .toLowerCase();
}

/** A runner in what an update remembers. */
export function keyOf(address: GitlabAddress, id: number | string): string {
  return `${placeOf(address)} ${id}`;
}

export function remember(state: GitlabRunnerState): void {
  const { url, ca, hostAliases, accessToken } = state;
  const known = (memory().addresses ??= new Map());
  known.set(keyOf(state, state.mark), { url, ca, hostAliases, accessToken });
  known.set(placeOf(state), { url, ca, hostAliases, accessToken });
}

/**
 * Does something to a runner that goes: as it was reached when it was made, and where that leads nowhere any more as the
 * stack file reaches the same GitLab now. A new access token never goes to an older address.
 */
export async function byAnyAddress(
  state: GitlabRunnerState,
  work: (by: GitlabRunnerState) => Promise<void>,
): Promise<void> {
  try {
    await work(state);
  } catch (error) {
    const { status } = error as GitlabError;
    const known = memory().addresses;
    const today = known?.get(keyOf(state, state.mark)) ?? known?.get(placeOf(state));
    const isLost = status === undefined || status === 401 || (status >= 300 && status < 400);
    if (
      !isLost ||
      today === undefined ||
      differ(today, state, ["url", "ca", "hostAliases", "accessToken"]).length === 0
    ) {
      throw error;
    }
    await work({ ...state, ...today });
  }
}
