import type { ConfigRest } from "./rest";
import type { ConfigToml } from "./settings/config";

/** Lists that a way depends on: what the user gives is added to them. Every other list is replaced. */
const additive = new Set(["environment", "volumes", "extra_hosts", "services"]);

/**
 * Puts what the stack file says over a preset. Tables are merged key by key; a value replaces the preset's, except that
 * lists on which the way depends, and scripts that run before or after a job, are appended to.
 */
export function merge(preset: ConfigToml, rest: ConfigRest): ConfigToml {
  const { runners = [], ...global } = rest;
  const merged = mergeTables(preset, global);
  const own = runners[0];
  if (own !== undefined) {
    merged["runners"] = (preset.runners ?? []).map((runner) => mergeTables(runner, own));
  }
  return merged;
}

type Table = Record<string, unknown>;

function mergeTables(below: Table, above: Table): Table {
  const result: Table = { ...below };
  for (const [key, value] of Object.entries(above)) {
    result[key] = mergeValues(key, below[key], value);
  }
  return result;
}

function mergeValues(key: string, below: unknown, above: unknown): unknown {
  if (above === undefined || below === undefined) {
    return above ?? below;
  }
  if (additive.has(key) && Array.isArray(below) && Array.isArray(above)) {
    return [...(below as unknown[]), ...(above as unknown[])];
  }
  if (key === "pre_build_script") {
    return `${String(below)}\n${String(above)}`;
  }
  return isTable(below) && isTable(above) ? mergeTables(below, above) : above;
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
