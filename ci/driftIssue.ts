import type { GitlabProject } from "./gitlabApi";
import { summaryOf } from "./report/note";
import type { Report } from "./report/report";

interface Issue {
  iid: number;
  description: string | null;
}

/** Label by which the issues are found; people may add others. */
const label = "drift";

/**
 * Is anything, in the state, in the cluster or on a node, other than the stack file says, or other than it was deployed? What
 * somebody changed by hand to what the stack file says by now is drift, too, until it is deployed. A node that is silent is none:
 * it is off.
 */
export function hasDrift({ result, found, nodes }: Report): boolean {
  return result === "changes" || found.length > 0 || nodes.some(({ differs }) => differs);
}

/** What a list of issues shows. */
export function driftTitle({ stack, counts, found, nodes }: Report): string {
  const other = new Set(nodes.filter(({ differs }) => differs).map(({ node }) => node));
  const parts = [
    summaryOf(counts),
    found.length === 0 ? "" : `${found.length} changed outside of the program`,
    other.size === 0 ? "" : `${other.size} ${other.size === 1 ? "node differs" : "nodes differ"}`,
  ];
  return `Drift of ${stack}: ${parts.filter((part) => part !== "").join(", ")}`.slice(0, 255);
}

/** One open issue for each stack that drifted: opened, brought up to date, and closed when the drift is gone. */
export async function keepDriftIssue(project: GitlabProject, report: Report, text: string): Promise<void> {
  const mark = `<!-- pi-runners drift of ${encodeURIComponent(report.stack)} -->`;
  const open = await project.all<Issue>(`/issues?state=opened&labels=${label}`);
  const issue = open.find(({ description }) => description?.startsWith(mark));
  const description = `${mark}\n${text}`;
  if (!hasDrift(report)) {
    if (issue !== undefined && report.result !== "error") {
      await project.put(`/issues/${issue.iid}`, { description, state_event: "close" });
    }
    return;
  }
  const title = driftTitle(report);
  await (issue === undefined
    ? project.post("/issues", { title, description, labels: label })
    : project.put(`/issues/${issue.iid}`, { title, description }));
}
