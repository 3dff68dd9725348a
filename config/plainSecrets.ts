import { z } from "zod";
import { propertyPath, type InputError } from "../components/inputErrors";
import { bare, metaOf, unionKinds } from "../components/schema";
import { looksSecret } from "../components/secretText";
import { stackSchema } from "./schema";
import type { RawConfig } from "./stackFile";

type Path = readonly PropertyKey[];

/** Where a secret stands in the configuration, and its text. */
interface Leaf {
  path: Path;
  text: string;
}

/**
 * Secrets that stand in the stack file for everybody who can read the repository. Each is looked up in the file itself, so
 * that one that is encrypted hides no other. Of what did not come from the file only Pulumi's word is there, which is
 * given for a whole key: no part of it is encrypted, or some are.
 *
 * @param values our keys, decrypted
 * @param isEncrypted Pulumi's word: is any part of this key encrypted?
 * @param file our keys as they stand in the file
 */
export function plainSecrets(
  values: RawConfig,
  isEncrypted: (key: string) => boolean,
  file: RawConfig | undefined,
): InputError[] {
  const leaves = Object.entries(values).flatMap(([key, value]) =>
    secretLeaves(Object.hasOwn(stackSchema.shape, key) ? (stackSchema.shape as RawConfig)[key] : undefined, value, [
      key,
    ]),
  );
  const found = leaves.flatMap((leaf) => plainPath(leaf, isEncrypted, file));
  return [...new Set(found)].map((where) => ({
    propertyPath: where,
    reason: `holds secrets in plain text; set each with pulumi config set --path --secret '${where}${where.includes(".") ? "" : "…"}', and take those that were committed for exposed`,
  }));
}

/** Where to say that a secret is plain; nothing when it is encrypted. */
function plainPath({ path, text }: Leaf, isEncrypted: (key: string) => boolean, file: RawConfig | undefined): string[] {
  const key = String(path[0]);
  let at: unknown = file;
  for (const part of path) {
    if (isEncryptedValue(at)) {
      return [];
    }
    at = typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[part] : undefined;
  }
  if (typeof at === "string" || typeof at === "number") {
    return String(at) === text ? [propertyPath(path)] : [];
  }
  return isEncryptedValue(at) || isEncrypted(key) ? [] : [key];
}

/** Is it a value as Pulumi encrypts one: `{secure: …}`? */
export function isEncryptedValue(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.hasOwn(value, "secure");
}

/** Every text in a value that the schema calls a secret, or that looks like one. */
function secretLeaves(schema: unknown, value: unknown, path: Path): Leaf[] {
  if (typeof value === "string") {
    const declared = schema instanceof z.ZodType && metaOf(schema).secret === true;
    return value !== "" && (declared || looksSecret(value, path)) ? [{ path, text: value }] : [];
  }
  if (typeof value !== "object" || value === null) {
    return [];
  }
  const at = bare(schema);
  const below = (key: string): unknown => {
    if (at instanceof z.ZodDiscriminatedUnion) {
      // Of whatever kind it was meant to be, which may be misspelt: one key is the same kind of secret in all.
      return unionKinds(at).find(({ object }) => Object.hasOwn(object.shape, key))?.object.shape[key];
    }
    if (at instanceof z.ZodObject) {
      return Object.hasOwn(at.shape, key) ? at.shape[key] : undefined;
    }
    return at instanceof z.ZodRecord ? at.valueType : undefined;
  };
  return Array.isArray(value)
    ? value.flatMap((entry, index) =>
        secretLeaves(at instanceof z.ZodArray ? at.element : undefined, entry, [...path, index]),
      )
    : Object.entries(value).flatMap(([key, entry]) =>
        key === "value" && path.at(-2) === "env"
          ? variableLeaf(value, [...path, key])
          : secretLeaves(below(key), entry, [...path, key]),
      );
}

/** A variable of a container, as Kubernetes writes it: its name tells. */
function variableLeaf({ name, value }: { name?: unknown; value?: unknown }, path: Path): Leaf[] {
  const looksIt = typeof value === "string" && looksSecret(`${String(name)}=${value}`, ["environment", 0]);
  return looksIt ? [{ path, text: value }] : [];
}
