/** What a section of the bench has found. */
import type { Plot } from "./plot";

export type Unit = "s" | "ms" | "MiB" | "MB" | "/min" | "×" | "";

/** What a figure is to be: at most, or at least, so much. */
export type Goal = { most: number } | { least: number };

export interface Figure {
  what: string;
  value: number;
  unit: Unit;
  /** Extremes of the runs whose median `value` is. */
  min?: number;
  max?: number;
  runs?: number;
  goal?: Goal;
  /** What a reader must know to read the figure right. */
  note?: string;
}

export interface Section {
  title: string;
  /** How it was measured, in sentences. */
  about: string[];
  figures: Figure[];
  /** What the figures were counted from, where a reader may want to see it. */
  listing?: { head: string[]; rows: string[][] };
  plot?: Plot;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) {
    throw new Error("No median of nothing.");
  }
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The figure for several runs: their median, with the extremes. */
export function figure(what: string, unit: Unit, values: readonly number[], more: Partial<Figure> = {}): Figure {
  const extremes = { min: Math.min(...values), max: Math.max(...values), runs: values.length };
  return { what, value: median(values), unit, ...(values.length > 1 ? extremes : {}), ...more };
}

/** How many times longer (or larger) one median is than another. */
export function ratio(what: string, above: readonly number[], below: readonly number[], goal?: Goal): Figure {
  return { what, value: median(above) / median(below), unit: "×", ...(goal && { goal }) };
}

/** Undefined where there is no goal. */
export function met({ value, goal }: Figure): boolean | undefined {
  if (goal === undefined) {
    return undefined;
  }
  return "most" in goal ? value <= goal.most : value >= goal.least;
}
