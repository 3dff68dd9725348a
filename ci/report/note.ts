import type { Change, Counts, Operation } from "./changes";
import type { Consequence } from "./consequence";
import { kindOf } from "./consequences";
import { linesOf } from "./differenceLines";
import { block, code, folded, words, type BlockLine } from "./markdown";
import type { NodeLook, Report } from "./report";

/** Where a note leads, and which commit it is about. */
export interface Links {
  commit?: string;
  job?: string;
  /** The whole report, of which the note may have left something out. */
  artifact?: string;
}

/** What makes a note long. GitLab takes 1,000,000 characters; a bit less leaves room for what counts as several. */
export interface Limits {
  all: number;
  /** Lines of one component. */
  lines: number;
}

export const noteLimits: Limits = { all: 900_000, lines: 200 };
export const noLimits: Limits = { all: Infinity, lines: Infinity };

/** What tells the note of a stack from every other note; it is not seen. */
export function marker(stack: string): string {
  return `<!-- pi-runners preview of ${encodeURIComponent(stack)} -->`;
}

/** The first line of any stack's note. */
export const anyMarker = /^<!-- pi-runners preview of \S+ -->$/m;

/** The note: the result at a glance, what to look at first, what happens, and folded what changes. */
export function noteOf(report: Report, links: Links = {}, limits: Limits = noteLimits): string {
  const head = [
    marker(report.stack),
    `### ${titleOf(report)}`,
    "",
    ...about(links),
    ...errorPart(report),
    ...warningPart(report),
    ...(report.result === "error" ? [] : [...consequencePart(report), ...foundPart(report), ...nodePart(report)]),
  ].join("\n");
  return withDetails(cut(head, limits.all / 2, links), detailParts(report, limits, links), limits.all, links);
}

/** The note of a merge request that changes a stack no longer; it stands in place of an older commit's. */
export function unchangedNote(stack: string, links: Links = {}): string {
  const words = "This merge request changes neither the stack's file nor the program any more.";
  return [marker(stack), `### Preview of ${code(stack)}: no changes`, "", ...about(links), words, ""].join("\n");
}

/** The first line, which is also what a list of notes or an e-mail shows. */
function titleOf({ stack, result, counts, errors, found }: Report): string {
  const outside = found.length === 0 ? "" : `, ${found.length} changed outside of the program`;
  switch (result) {
    case "error":
      return `Preview of ${code(stack)} failed: ${errors.length === 1 ? "an error" : `${errors.length} errors`}`;
    case "none":
      return `Preview of ${code(stack)}: no changes${outside}`;
    default:
      return `Preview of ${code(stack)}: ${summaryOf(counts)}${outside}`;
  }
}

const verbs: Record<Operation, string> = { create: "create", update: "update", replace: "replace", delete: "delete" };

/** What is to happen, counted; empty where nothing is. */
export function summaryOf(counts: Counts): string {
  const some = (Object.keys(verbs) as Operation[]).filter((operation) => counts[operation] > 0);
  return some.map((operation) => `${counts[operation]} to ${verbs[operation]}`).join(", ");
}

function about({ commit, job, artifact }: Links): string[] {
  const parts = [
    ...(commit === undefined ? [] : [`commit ${code(commit.slice(0, 12))}`]),
    ...(job === undefined ? [] : [`[job](${link(job)})`]),
    ...(artifact === undefined ? [] : [`[whole report](${link(artifact)})`]),
  ];
  return parts.length === 0 ? [] : [parts.join(" · "), ""];
}

function link(address: string): string {
  return encodeURI(address).replace(/[()]/g, (sign) => (sign === "(" ? "%28" : "%29"));
}

function errorPart({ errors }: Report): string[] {
  const lines = errors.flatMap(({ key, reason, file, line }) => {
    const place = file === undefined ? "" : `${code(line === undefined ? file : `${file}:${line}`)} `;
    if (key !== undefined) {
      return [`- ${place}${code(key)}: ${words(reason)}`];
    }
    return reason.includes("\n")
      ? ["", ...block(reason.split("\n").map((text) => ({ sign: "-", text }))), ""]
      : [`- ${place}${words(reason)}`];
  });
  return lines.length === 0
    ? []
    : ["Nothing was changed, and nothing can be until this is put right:", "", ...lines, ""];
}

function warningPart(report: Report): string[] {
  // Of a preview that failed it is not known what else it would do.
  const risky = report.result === "error" ? [] : grouped(report.consequences.filter(({ warn }) => warn));
  const silent = report.nodes.filter((look) => look.silent).map(({ text }) => text);
  const lines = [...risky, ...silent, ...report.warnings];
  return lines.length === 0
    ? []
    : ["**Look at this first**", "", ...lines.map((line) => `- :warning: ${words(line)}`), ""];
}

function consequencePart({ consequences }: Report): string[] {
  const lines = grouped(consequences.filter(({ warn }) => !warn)).map((text) => `- ${words(text)}`);
  return lines.length === 0 ? [] : ["**What happens**", "", ...lines, ""];
}

/** What happens to several of a kind, in one line. */
function grouped(consequences: Consequence[]): string[] {
  const subjects = new Map<string, string[]>();
  for (const { subject, text } of consequences) {
    const pattern = text.replace(`\`${subject}\``, "\0");
    subjects.set(pattern, [...(subjects.get(pattern) ?? []), subject]);
  }
  return [...subjects].map(([pattern, names]) => {
    const shown = names
      .sort()
      .slice(0, named)
      .map((name) => `\`${name}\``);
    const more = names.length > named ? ` and ${names.length - named} more` : "";
    return pattern.replace("\0", () => `${shown.join(", ")}${more}`);
  });
}

/** How many of a kind are named; the details name all. */
const named = 12;

/** What somebody else has changed since it was deployed; an update puts it back, where the program does not say the same by now. */
function foundPart({ found }: Report): string[] {
  const told: Record<Operation, string> = { create: "made", update: "changed", replace: "replaced", delete: "deleted" };
  const lines = found.flatMap((change): BlockLine[] => {
    const [, ...differences] = linesOf(change);
    return [{ sign: "@", text: `${told[change.operation]}: ${kindOf(change.type)} ${change.name}` }, ...differences];
  });
  return lines.length === 0
    ? []
    : ["**Changed since it was deployed, outside of this program**", "", ...block(lines), ""];
}

/** What nodes have now. Only of a node that the change leaves alone is it drift for sure. */
function nodePart({ nodes, changes }: Report): string[] {
  const answered = nodes.filter(({ silent }) => !silent);
  if (answered.length === 0) {
    return [];
  }
  const changed = ({ node, runner }: NodeLook): boolean =>
    changes.some(
      ({ type, name, component }) =>
        type === "command:remote:Command" &&
        name === `${component.name}-${node}` &&
        (component.type === "pi-runners:index:ShellRunner" ? component.name : undefined) === runner,
    );
  const differ = answered.filter(({ differs }) => differs);
  const all = new Set(nodes.map(({ node }) => node));
  const other = new Set(nodes.filter(({ silent, differs }) => silent || differs).map(({ node }) => node));
  return [
    ...nodeList(
      "**Changed on the nodes, outside of this program**",
      differ.filter((look) => !changed(look)),
    ),
    ...nodeList("**On the nodes that this changes**", differ.filter(changed)),
    `${all.size - other.size} of ${all.size} nodes are as the stack wants them.`,
    "",
  ];
}

function nodeList(title: string, looks: NodeLook[]): string[] {
  const lines = looks.flatMap(({ node, runner, text }) => {
    const found = text
      .split("\n")
      .slice(1)
      .map((line) => line.trim());
    return [`@ ${node}${runner === undefined ? "" : `, runner ${runner}`}`, ...found];
  });
  return lines.length === 0 ? [] : [title, "", ...block(lines.map(signed)), ""];
}

/** A line that has a sign of its own, as nodes print them. */
function signed(line: string): BlockLine {
  const [sign, text] = [line[0] ?? "", line.slice(2)];
  return /[-+~!@>]/.test(sign) ? { sign: sign as BlockLine["sign"], text } : { sign: "!", text: line };
}

/** A folded part for each component, in the order of the preview. */
function detailParts({ changes }: Report, limits: Limits, links: Links): string[] {
  const groups = new Map<string, Change[]>();
  for (const change of changes) {
    const title = `${change.component.name} (${kindOf(change.component.type)})`;
    groups.set(title, [...(groups.get(title) ?? []), change]);
  }
  return [...groups].map(([title, group]) => {
    const lines = group.flatMap(linesOf);
    const left = lines.length - limits.lines;
    const shown = left > 0 ? lines.slice(0, limits.lines) : lines;
    const body = [...block(shown), ...(left > 0 ? [`${left} more lines are ${inArtifact(links)}.`] : [])];
    return folded(`${title}: ${countLine(group)}`, body).join("\n");
  });
}

function countLine(group: Change[]): string {
  const operations = (Object.keys(verbs) as Operation[]).map(
    (operation) => [operation, group.filter((change) => change.operation === operation).length] as const,
  );
  return operations
    .flatMap(([operation, count]) => (count === 0 ? [] : [`${count} to ${verbs[operation]}`]))
    .join(", ");
}

function inArtifact({ artifact }: Links): string {
  return artifact === undefined ? "in the job's artifact" : `in the [whole report](${link(artifact)})`;
}

/** The head, and as many details as there is room for. */
function withDetails(head: string, parts: string[], limit: number, links: Links): string {
  const note = [head];
  let room = limit - head.length - 300;
  for (const [index, part] of parts.entries()) {
    if (part.length > room) {
      note.push(`${parts.length - index} more components are ${inArtifact(links)}.`);
      break;
    }
    note.push(part);
    room -= part.length + 1;
  }
  return `${note.join("\n").trimEnd()}\n`;
}

/** The head is short, but for hundreds of nodes; it is cut between lines, and never within a block. */
function cut(head: string, limit: number, links: Links): string {
  if (head.length <= limit) {
    return head;
  }
  const kept = head.slice(0, head.lastIndexOf("\n", limit));
  // A block ends with as many signs as it began with.
  const fences = [...kept.matchAll(/^`{3,}/gm)].map(([signs]) => signs);
  return `${kept}\n${fences.length % 2 === 1 ? `${fences.at(-1)}\n` : ""}\nThe rest is ${inArtifact(links)}.\n`;
}
