/** A table of TOML, or an object of Kubernetes. */
export type Table = Record<string, unknown>;

/**
 * How what is given goes over a preset's value, where it does not just take its place.
 *
 * @param merged the merge of two tables at that place, or of two entries of a list there
 */
export type Rule = (preset: unknown, given: unknown, merged: (preset: Table, given: Table) => Table) => unknown;

/**
 * Puts what is given over a preset. Tables are merged key by key, unless their place has a rule, and `null` removes a key; any
 * other value takes the preset's place, unless there is a rule.
 *
 * @param rules by place: keys with dots between, entries of a list having none
 */
export function mergeTables(preset: Table, given: Table, rules: ReadonlyMap<string, Rule>, path = ""): Table {
  const result = new Map(Object.entries(preset));
  for (const [key, value] of Object.entries(given)) {
    if (value === null) {
      result.delete(key);
    } else {
      result.set(key, mergeValues(path === "" ? key : `${path}.${key}`, result.get(key), value, rules));
    }
  }
  return Object.fromEntries(result);
}

function mergeValues(path: string, preset: unknown, given: unknown, rules: ReadonlyMap<string, Rule>): unknown {
  if (given === undefined || preset === undefined) {
    return given ?? preset;
  }
  const merged = (one: Table, other: Table): Table => mergeTables(one, other, rules, path);
  const rule = rules.get(path);
  if (rule !== undefined) {
    return rule(preset, given, merged);
  }
  return isTable(preset) && isTable(given) ? merged(preset, given) : given;
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
