import { z } from "zod";
import { propertyPath, type InputError } from "./inputErrors";
import { bare } from "./schema";

type Path = readonly PropertyKey[];

/** What zod found, as errors of inputs; an unknown key becomes one of its own, with the key that was probably meant. */
export function schemaErrors(schema: z.ZodType, issues: readonly z.core.$ZodIssue[]): InputError[] {
  return issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") {
      const known = keysAt(schema, issue.path);
      return issue.keys.map((key) => ({
        propertyPath: propertyPath([...issue.path, key]),
        reason: unknownKey(key, known),
      }));
    }
    const reason =
      issue.code === "invalid_union" && issue.errors.length > 0
        ? issue.errors.map((alternative) => describe(alternative[0]!)).join(", or ")
        : describe(issue);
    return [{ propertyPath: propertyPath(issue.path), reason }];
  });
}

/** What is said of a key that does not exist. */
function unknownKey(key: string, known: string[]): string {
  const meant = nearest(key, known);
  return meant === undefined ? `no such key; known here: ${known.join(", ")}` : `no such key; did you mean ${meant}?`;
}

function describe(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined && /undefined/.test(issue.message)
        ? `is missing; give ${withArticle(issue.expected)}`
        : `must be ${withArticle(issue.expected)}`;
    case "invalid_value":
      return `must be ${issue.values.length === 1 ? "" : "one of "}${issue.values.map(String).join(", ")}`;
    case "too_small":
      return issue.origin === "string"
        ? "is empty; give a text"
        : `must be at least ${issue.minimum}${unit(issue.origin)}`;
    case "too_big":
      return `must be at most ${issue.maximum}${unit(issue.origin)}`;
    case "invalid_format":
      return issue.format === "starts_with" ? "must begin with /" : issue.message;
    default:
      return issue.message;
  }
}

function unit(origin: string): string {
  return origin === "array" ? " entry" : "";
}

function withArticle(kind: string): string {
  const words: Record<string, string> = {
    int: "a whole number",
    number: "a number",
    string: "a text",
    boolean: "true or false",
    array: "a list",
    object: "an object",
    record: "an object",
  };
  return words[kind] ?? kind;
}

/** The keys that an object at this place of the schema may have. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  let at: unknown = schema;
  for (const part of path) {
    at = bare(at);
    at = at instanceof z.ZodArray ? at.element : at instanceof z.ZodObject ? at.shape[String(part)] : undefined;
  }
  const last = bare(at);
  if (last instanceof z.ZodRecord && last.keyType instanceof z.ZodEnum) {
    return last.keyType.options.map(String);
  }
  return last instanceof z.ZodObject ? Object.keys(last.shape) : [];
}

/** The known word that differs least, when it differs little. */
function nearest(word: string, known: string[]): string | undefined {
  const scored = known.map((candidate) => ({ candidate, far: distance(word.toLowerCase(), candidate.toLowerCase()) }));
  const best = scored.sort((a, b) => a.far - b.far)[0];
  return best !== undefined && best.far <= Math.max(2, Math.floor(word.length / 3)) ? best.candidate : undefined;
}

/** How many letters to add, drop, change or swap with their neighbour to get from one word to the other. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(row[j - 1]! + 1, rows[i - 1]![j]! + 1, rows[i - 1]![j - 1]! + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      }
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
