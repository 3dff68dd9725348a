import { diffLines } from "diff";
import type { Change } from "./changes";
import { kindOf } from "./consequences";
import type { Difference } from "./differences";
import type { BlockLine } from "./markdown";

const signs = { create: "+", update: "~", replace: "!", delete: "-" } as const;

/** A value of more signs is cut: what differs in it is to be seen in the state. */
const longest = 1000;

/** One resource as lines of a diff. */
export function linesOf(change: Change): BlockLine[] {
  const { operation, type, name, because } = change;
  const reasons = because.length === 0 ? "" : ` (because of ${because.join(", ")})`;
  const title: BlockLine = { sign: signs[operation], text: `${operation} ${kindOf(type)} ${name}${reasons}` };
  return [title, ...change.differences.flatMap(linesOfDifference)];
}

function linesOfDifference({ path, before, after, secret }: Difference): BlockLine[] {
  if (secret) {
    return [{ sign: "~", text: `    ${path}: changed (secret)` }];
  }
  if (before === undefined || after === undefined) {
    const [sign, value] = before === undefined ? (["+", after] as const) : (["-", before] as const);
    return `${String(value)}`.includes("\n") && typeof value === "string"
      ? [
          { sign, text: `    ${path}:` },
          ...value
            .trimEnd()
            .split("\n")
            .map((text) => ({ sign, text: `        ${text}` })),
        ]
      : [{ sign, text: `    ${path}: ${shown(value)}` }];
  }
  if (typeof before === "string" && typeof after === "string" && `${before}${after}`.includes("\n")) {
    return [{ sign: "~", text: `    ${path}:` }, ...textLines(before, after)];
  }
  return [{ sign: "~", text: `    ${path}: ${shown(before)} => ${shown(after)}` }];
}

/** Of a text with several lines, those that differ. */
function textLines(before: string, after: string): BlockLine[] {
  return diffLines(ended(before), ended(after)).flatMap(({ value, added, removed }) => {
    const sign = added ? "+" : removed ? "-" : undefined;
    const lines = value.replace(/\n$/, "").split("\n");
    return sign === undefined ? [] : lines.map((text): BlockLine => ({ sign, text: `        ${text}` }));
  });
}

function ended(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}

function shown(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > longest ? `${text.slice(0, longest)}… (${text.length} characters)` : text;
}
