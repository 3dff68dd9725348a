import { z } from "zod";
import { propertyPath, type InputError } from "./inputErrors";
import { bare, unionKinds } from "./schema";

type Path = readonly PropertyKey[];

/**
 * What zod found, as errors of inputs; an unknown key becomes one of its own, with the key that was probably meant.
 *
 * @param value what was judged: it tells which of several kinds of object one was meant to be
 */
export function schemaErrors(schema: z.ZodType, issues: readonly z.core.$ZodIssue[], value?: unknown): InputError[] {
  return issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") {
      const place = placeAt(schema, issue.path, value);
      return issue.keys.map((key) => ({
        propertyPath: propertyPath([...issue.path, key]),
        reason: otherKinds(key, place) ?? unknownKey(key, keysOf(place.schema)),
      }));
    }
    if (issue.code === "invalid_union" && issue.discriminator !== undefined) {
      const kinds = unionKinds(placeAt(schema, issue.path.slice(0, -1), value).union!);
      const reason = `must be one of ${kinds.flatMap(({ words }) => words).join(", ")}`;
      return [{ propertyPath: propertyPath(issue.path), reason }];
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
      if (issue.expected === "never") {
        return issue.message; // Nothing may be given there, and the schema says why.
      }
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

/** A place of the schema, and what was given there. */
interface Place {
  schema: unknown;
  value: unknown;
  /** Where the place may hold several kinds of object, all of them; `schema` is then the one that was meant. */
  union?: z.ZodDiscriminatedUnion;
  /** In such an object, the same place in each kind, and the word that tells which was meant. */
  kinds?: { discriminator: string; word: string; all: { words: string[]; schema: unknown }[] };
}

function placeAt(schema: z.ZodType, path: Path, value: unknown): Place {
  let place = meant(schema, value);
  for (const part of path) {
    const { schema: at, value: whole, kinds } = place;
    place = meant(below(at, part), (whole as Record<PropertyKey, unknown> | undefined)?.[part]);
    place.kinds ??= kinds && {
      ...kinds,
      all: kinds.all.map((kind) => ({ ...kind, schema: below(kind.schema, part) })),
    };
  }
  return place;
}

function below(schema: unknown, part: PropertyKey): unknown {
  const at = bare(schema);
  return at instanceof z.ZodArray ? at.element : at instanceof z.ZodObject ? at.shape[String(part)] : undefined;
}

/** Of several kinds of object, the one that a value says it is. */
function meant(schema: unknown, value: unknown): Place {
  const union = bare(schema);
  if (!(union instanceof z.ZodDiscriminatedUnion)) {
    return { schema, value };
  }
  const { discriminator } = union.def;
  const word = String((value as Record<string, unknown> | undefined)?.[discriminator]);
  const all = unionKinds(union).map(({ words, object }) => ({ words, schema: object }));
  return {
    schema: all.find(({ words }) => words.includes(word))?.schema,
    value,
    union,
    kinds: { discriminator, word, all },
  };
}

/** What is said of a key that only other kinds of object have. */
function otherKinds(key: string, { kinds }: Place): string | undefined {
  const others = kinds?.all.filter(({ schema }) => {
    const at = bare(schema);
    return at instanceof z.ZodObject && Object.hasOwn(at.shape, key);
  });
  if (kinds === undefined || others === undefined || others.length === 0) {
    return undefined;
  }
  const words = others.flatMap((kind) => kind.words).join(", ");
  return `is for ${kinds.discriminator} ${words}, which another executor runs, and not for ${kinds.word}; drop it`;
}

/** The keys that an object of this kind may have. */
function keysOf(schema: unknown): string[] {
  const last = bare(schema);
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
