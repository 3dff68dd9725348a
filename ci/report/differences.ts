import { settingsOfHostInput } from "../../hosts/hostProgram";
import { blinded, type Step } from "./preview";

/** One property that differs. */
export interface Difference {
  /** As Pulumi writes it: `spec.template.spec.containers[0].image`. */
  path: string;
  /** What was; missing where there was nothing. */
  before?: unknown;
  /** What is to be; missing where nothing is to be. */
  after?: unknown;
  /** True: it is a secret that changed, and neither text is known here. */
  secret?: true;
}

/** What a step changes, property by property; nothing where it makes or removes the whole. */
export function differencesOf({ op, oldState, newState, detailedDiff }: Step): Difference[] {
  if (!["update", "replace"].includes(op)) {
    return [];
  }
  const [before, after] = [oldState, newState].map((state) => readable(state?.inputs ?? {}));
  return [...between("", before, after), ...secretOnes(oldState?.inputs, newState?.inputs, detailedDiff ?? {})];
}

/**
 * Inputs as a reader wants them: what goes to a host's stdin is its settings; of the program that is packed beside them it
 * matters only whether it is another one.
 */
function readable(inputs: Record<string, unknown>): Record<string, unknown> {
  const { stdin, ...rest } = inputs;
  const read = typeof stdin === "string" ? settingsOfHostInput(stdin) : undefined;
  return read === undefined ? inputs : { ...rest, settings: read.settings, program: `sha256:${read.program}` };
}

type Table = Record<string, unknown>;

const isTable = (value: unknown): value is Table =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function between(path: string, before: unknown, after: unknown): Difference[] {
  if (isTable(before) && isTable(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return keys.flatMap((key) => between(below(path, key), own(before, key), own(after, key)));
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const [was, is] = [byName(before), byName(after)];
    if (was !== undefined && is !== undefined) {
      return between(path, was, is);
    }
    if ([...before, ...after].every((entry) => typeof entry !== "object")) {
      return before.join("\n") === after.join("\n")
        ? []
        : [{ path, before: before.join("\n"), after: after.join("\n") }];
    }
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, index) =>
      between(`${path}[${index}]`, before[index] as unknown, after[index] as unknown),
    ).flat();
  }
  return before === after
    ? []
    : [{ path, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }];
}

/** A list whose entries have names, by name: a new one is then one difference, wherever it stands. */
function byName(list: unknown[]): Table | undefined {
  for (const key of ["name", "address", "mountPath"]) {
    const names = list.map((entry) => (isTable(entry) ? entry[key] : undefined));
    if (names.every((name) => typeof name === "string") && new Set(names).size === names.length) {
      return Object.fromEntries(list.map((entry, index) => [names[index] as string, entry]));
    }
  }
  return undefined;
}

function own(table: Table, key: string): unknown {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function below(path: string, key: string): string {
  if (!/^[\w-]+$/.test(key)) {
    return `${path}[${JSON.stringify(key)}]`;
  }
  return path === "" ? key : `${path}.${key}`;
}

/** Properties that the provider says differ, and that are blinded on both sides: all there is to say is that they do. */
function secretOnes(before: unknown, after: unknown, detailed: Record<string, unknown>): Difference[] {
  return Object.keys(detailed)
    .filter((path) => isBlind(before, path) && isBlind(after, path))
    .map((path) => ({ path, secret: true }));
}

/** Does a path lead into something blinded? */
function isBlind(value: unknown, path: string): boolean {
  let at = value;
  for (const part of partsOf(path)) {
    if (at === blinded) {
      return true;
    }
    at = typeof at === "object" && at !== null && Object.hasOwn(at, part) ? (at as Table)[part] : undefined;
  }
  return at === blinded;
}

/** `data["config.toml"].a[0]` as its parts. */
export function partsOf(path: string): string[] {
  const parts = [...path.matchAll(/\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.[\]]+)/g)];
  return parts.map(([, quoted, index, name]) => (quoted === undefined ? (index ?? name!) : unquoted(quoted)));
}

function unquoted(text: string): string {
  return JSON.parse(`"${text}"`) as string;
}
