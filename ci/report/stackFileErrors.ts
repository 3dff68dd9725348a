import { isNode, LineCounter, parseDocument, type Document } from "yaml";
import { createHash } from "node:crypto";
import { partsOf } from "./differences";

/** What is wrong, and where it stands. */
export interface ReportedError {
  /** The key, as `pulumi config set --path` takes it; missing where the error is about no key. */
  key?: string;
  reason: string;
  /** Where the key stands, or would stand: file below the project, and line. */
  file?: string;
  line?: number;
}

/**
 * Errors of a preview as single ones, those about keys of the stack file with file and line.
 *
 * @param messages errors as Pulumi prints them
 * @param file name of the stack file, and its text
 */
export function reportedErrors(messages: string[], file?: { name: string; text: string }): ReportedError[] {
  const lines = new LineCounter();
  const document = file === undefined ? undefined : parseDocument(file.text, { lineCounter: lines });
  return messages.flatMap((message) => {
    const text = message.replace(/^error: /, "");
    const keys = [...text.matchAll(/^ {2}(pi-runners:\S+?): (.*)$/gm)];
    if (keys.length === 0) {
      const at = /invalid YAML file: yaml: line (\d+):/.exec(text)?.[1];
      return [{ reason: text, ...(at === undefined || !file ? {} : { file: file.name, line: Number(at) }) }];
    }
    return keys.map(([, key, reason]) => {
      const line = document === undefined ? undefined : lineOf(document, lines, key!);
      return { key: key!, reason: reason!, ...(file === undefined ? {} : { file: file.name, line: line ?? 1 }) };
    });
  });
}

/** The line of a key or, where it does not stand in the file, of the nearest that it would stand in. */
function lineOf(document: Document, lines: LineCounter, key: string): number | undefined {
  const [first = "", ...rest] = partsOf(key.replace(/^pi-runners:/, ""));
  const top = [`pi-runners:${first}`, first].find((name) => document.hasIn(["config", name]));
  const path: (string | number)[] = top === undefined ? ["config"] : ["config", top, ...rest.map(indexOrName)];
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) {
      return lines.linePos(node.range[0]).line;
    }
  }
  return undefined;
}

function indexOrName(part: string): string | number {
  return /^\d+$/.test(part) ? Number(part) : part;
}

/** One finding of GitLab's code quality report (its docs, "Code Quality report format"). */
interface Finding {
  description: string;
  check_name: string;
  fingerprint: string;
  severity: "blocker";
  location: { path: string; lines: { begin: number } };
}

/** The errors that have a place, for GitLab to show in the merge request's diff. */
export function codeQuality(errors: ReportedError[]): Finding[] {
  return errors.flatMap(({ key, reason, file, line }) =>
    file === undefined || line === undefined
      ? []
      : [
          {
            description: key === undefined ? reason : `${key}: ${reason}`,
            check_name: "stack-file",
            fingerprint: createHash("sha256").update(`${file} ${key} ${reason}`).digest("hex").slice(0, 32),
            severity: "blocker",
            location: { path: file, lines: { begin: line } },
          },
        ],
  );
}
