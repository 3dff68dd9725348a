import { readLook, type Looked } from "../../components/registryTrust/look";
import { changesOf, countsOf, foundChanged, type Change, type Counts } from "./changes";
import type { Consequence } from "./consequence";
import { consequencesOf } from "./consequences";
import { identity, messages, type Preview } from "./preview";
import { reportedErrors, type ReportedError } from "./stackFileErrors";

/** What was found on a node: by trust, or by a runner there. */
export interface NodeLook extends Looked {
  /** The runner that looked at what is its own; missing where it is trust's look. */
  runner?: string;
}

/** What a preview of one stack found, for people and for machines. */
export interface Report {
  stack: string;
  result: "none" | "changes" | "error";
  counts: Counts;
  changes: Change[];
  /** What is not as it was deployed, where the preview has looked (`--drift`). */
  found: Change[];
  consequences: Consequence[];
  /** What nodes said that were looked at (`trust.probe`). */
  nodes: NodeLook[];
  warnings: string[];
  errors: ReportedError[];
}

/**
 * Reads what a preview found.
 *
 * @param failure what Pulumi said when it ended with an error without a word of that in its JSON
 * @param file the stack file, to find the lines of errors
 */
export function reportOf(
  stack: string,
  preview: Preview,
  failure?: string,
  file?: { name: string; text: string },
): Report {
  const failures = messages(preview, "error");
  // Pulumi's last word on a resource that failed.
  const told = failures.filter((text) => text !== "preview failed" || failures.length === 1);
  const errors = reportedErrors(told.length > 0 || failure === undefined ? told : [failure], file);
  const nodes = looksOf(preview);
  const changes = errors.length > 0 ? [] : changesOf(preview);
  return {
    stack,
    result: errors.length > 0 ? "error" : changes.length > 0 ? "changes" : "none",
    counts: countsOf(changes),
    changes,
    found: errors.length > 0 ? [] : foundChanged(preview),
    consequences: consequencesOf(changes, nodes),
    nodes,
    warnings: messages(preview, "warning").filter((text) => readLook(text) === undefined),
    errors,
  };
}

/** What nodes said, each once: of one that does not answer, everybody who would look at it says the same. */
function looksOf({ diagnostics = [] }: Preview): NodeLook[] {
  const looks = diagnostics
    .filter(({ severity }) => severity === "info" || severity === "warning")
    .flatMap(({ message = "", urn = "" }) => {
      const look = readLook(message);
      const { type, name } = identity(urn);
      return look === undefined ? [] : [{ ...look, ...(type === shellRunner && !look.silent ? { runner: name } : {}) }];
    });
  const once = new Map(looks.map((look) => [`${look.runner} ${look.text}`, look]));
  return [...once.values()].sort((a, b) => a.node.localeCompare(b.node));
}

const shellRunner = "pi-runners:index:ShellRunner";

/** What GitLab's merge request widget reads (`artifacts:reports:terraform`). It knows no replacement: one counts as both. */
export function terraformReport({ counts }: Pick<Report, "counts">): {
  create: number;
  update: number;
  delete: number;
} {
  return {
    create: counts.create + counts.replace,
    update: counts.update,
    delete: counts.delete + counts.replace,
  };
}

/** The report for machines: what changed, without the whole states around it. */
export function machineReport(report: Report): object {
  const [changes, found] = [report.changes, report.found].map((all) =>
    all.map(({ before: _before, after: _after, ...change }) => change),
  );
  return { ...report, changes, found };
}
