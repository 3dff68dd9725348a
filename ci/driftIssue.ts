import type { GitlabProject } from "./gitlabApi";
import { titleOf } from "./report/note";
import type { Report } from "./report/report";

interface Issue {
  iid: number;
  description: string | null;
}

/** Label by which the issues are found; people may add others. */
const label = "drift";

/** Is anything, in the state or on a node, other than the stack file says? A node that is silent is no drift: it is off. */
export function hasDrift({ result, nodes }: Report): boolean {
  return result === "changes" || nodes.some(({ differs }) => differs);
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
  const title = `Drift: ${titleOf(report).replace(/`/g, "")}`.slice(0, 255);
  await (issue === undefined
    ? project.post("/issues", { title, description, labels: label })
    : project.put(`/issues/${issue.iid}`, { title, description }));
}
