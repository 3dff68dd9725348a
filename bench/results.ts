/** Results on the terminal, in bench/results.json, and in docs/benchmarks.md. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { checkout } from "../lab/machine/places";
import { met, type Figure, type Goal, type Section, type Unit } from "./figures";
import type { Machine } from "./machine";
import { writePlot, type Plot } from "./plot";

export interface Measured extends Section {
  /** When it began, UTC. */
  at: string;
  /** Load of the machine when it began: other work than the bench's. */
  load: number;
  seconds: number;
  machine: Machine;
}

export interface Results {
  sections: Record<string, Measured>;
}

const file = join(checkout, "bench/results.json");
const page = join(checkout, "docs/benchmarks.md");

/** Sections that were measured before. */
export const readResults = (): Results =>
  existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Results) : { sections: {} };

export async function writeResults(results: Results): Promise<void> {
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(page, markdown(results));
  for (const { plot } of Object.values(results.sections)) {
    if (plot) {
      await writePlot(join(dirname(page), plotFile(plot)), plot);
    }
  }
}

/** Beside the page. */
const plotFile = ({ name }: Plot): string => `plots/${name}.svg`;

/** For the terminal. */
export function table({ title, figures }: Section): string {
  const rows = figures.map((one) => [
    one.what,
    shown(one.value, one.unit),
    spread(one),
    goalText(one.goal),
    verdict(one),
  ]);
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: string[]): string =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join("  ");
  return [`\n${title}`, ...rows.map((row) => `  ${line(row).trimEnd()}`), ""].join("\n");
}

export function markdown({ sections }: Results): string {
  const machines = [...new Set(Object.values(sections).map(({ machine }) => described(machine)))];
  const one = machines.length === 1;
  return [
    "# Benchmarks",
    "",
    "Written by `make bench`, which runs all of it; `npx tsx bench/bench.ts --only NAME` measures one section again.",
    "Figures are medians; the extremes of the runs stand beside them. Ratios are of medians. In each section the",
    "programs took turns, so that other work on the machine hit them alike. `bench/results.json` has the same for machines.",
    "",
    one
      ? `Machine: ${machines[0]}.`
      : "Measured on several machines: each section says on which. Seconds of one are not to be compared with another's.",
    "",
    ...Object.entries(sections).flatMap(([name, section]) => sectionText(name, section, !one)),
  ].join("\n");
}

const described = ({ cores, processor, memoryGiB, kernel, system, node }: Machine): string =>
  `${cores} cores (${processor}), ${memoryGiB} GiB, Linux ${kernel}, ${system}, Node.js ${node}`;

function sectionText(name: string, section: Measured, ownMachine: boolean): string[] {
  const rows = section.figures.map((one) => {
    const note = one.note === undefined ? "" : ` (${one.note})`;
    return [one.what + note, shown(one.value, one.unit), spread(one), goalText(one.goal), verdict(one)];
  });
  return [
    `## ${section.title}`,
    "",
    ...section.about.flatMap((text) => [text, ""]),
    ...markdownTable(["", "median", "from–to (runs)", "goal", ""], rows),
    "",
    ...(section.plot ? [`![${section.plot.title}](${plotFile(section.plot)})`, ""] : []),
    ...(section.listing ? [...markdownTable(section.listing.head, section.listing.rows), ""] : []),
    `\`--only ${name}\`, ${section.at}, ${section.seconds} s; load of the machine before: ${section.load}.`,
    ...(ownMachine ? ["", `Machine: ${described(section.machine)}.`] : []),
    "",
  ];
}

/** Padded as Prettier does, so that the project's check of formats finds nothing to change. */
function markdownTable(head: string[], rows: string[][]): string[] {
  const widths = head.map((cell, column) => Math.max(3, cell.length, ...rows.map((row) => row[column]!.length)));
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  const line = (row: string[]): string => `| ${row.map(pad).join(" | ")} |`;
  const rule = widths.map((width, column) => (column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)];
}

const digits: Record<Unit, number> = { s: 2, ms: 1, MiB: 0, MB: 2, "/min": 1, "×": 2, "": 0 };

function shown(value: number, unit: Unit): string {
  return unit === "" ? value.toFixed(0) : `${value.toFixed(digits[unit])} ${unit}`;
}

function spread({ min, max, runs, unit }: Figure): string {
  if (min === undefined || max === undefined) {
    return "";
  }
  return `${min.toFixed(digits[unit])}–${max.toFixed(digits[unit])} (${runs})`;
}

const goalText = (goal?: Goal): string =>
  goal === undefined ? "" : "most" in goal ? `≤ ${goal.most}` : `≥ ${goal.least}`;

function verdict(one: Figure): string {
  const good = met(one);
  return good === undefined ? "" : good ? "met" : "**not met**";
}
