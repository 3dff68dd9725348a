import assert from "node:assert/strict";
import { z } from "zod";
import { configToml } from "../../../components/runners/configToml/settings/config";
import { knownKeys } from "./knownKeys";

type Section = { path: string; keys: string[] };

/** Every section that the schema can render, with its keys, in the notation of the list of known keys. */
function sectionsOf(schema: unknown, path: string): Section[] {
  const { inner, arrays } = unwrap(schema);
  if (!(inner instanceof z.ZodObject)) {
    return [];
  }
  const at = path + arrays;
  const shape = inner.shape as Record<string, unknown>;
  const keys = Object.entries(shape).map(([key, value]) => key + unwrap(value).arrays);
  const below = Object.entries(shape).flatMap(([key, value]) => sectionsOf(value, at === "" ? key : `${at}.${key}`));
  return [{ path: at, keys }, ...below];
}

function unwrap(schema: unknown): { inner: unknown; arrays: string } {
  let inner = schema;
  let arrays = "";
  for (;;) {
    if (inner instanceof z.ZodOptional) {
      inner = inner.unwrap();
    } else if (inner instanceof z.ZodArray) {
      inner = inner.element;
      arrays += "[]";
    } else {
      return { inner, arrays };
    }
  }
}

/** The list calls a value an array by what the runner's source says; one string or several is one of them to us. */
function plain(keys: string[]): string[] {
  return keys.map((key) => key.replace(/\[\]$/, "")).sort();
}

describe("the keys of config.toml", () => {
  const sections = sectionsOf(configToml, "");

  it("are all known to the runner", () => {
    for (const { path, keys } of sections) {
      const known = plain((knownKeys[path] ?? "").trim().split(/\s+/));
      const unknown = plain(keys).filter((key) => !known.includes(key));
      assert.deepEqual(unknown, [], `keys of [${path}] that the runner does not know`);
    }
  });

  it("can all be reached", () => {
    const reachable = new Map(sections.map(({ path, keys }) => [path, plain(keys)]));
    for (const [path, keys] of Object.entries(knownKeys)) {
      const missing = plain(keys.trim().split(/\s+/)).filter((key) => !reachable.get(path)?.includes(key));
      assert.deepEqual(missing, [], `keys of [${path}] that no setting reaches`);
    }
    assert.ok(Object.keys(knownKeys).length > 70, "the list of known keys is whole");
  });

  it("are refused when the runner would ignore them", () => {
    const result = configToml.safeParse({ concurrent: 1, runners: [{ docker: { pull_polcy: "always" } }] });
    assert.match(String(result.error), /pull_polcy/);
  });
});
