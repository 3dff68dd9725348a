import { blinded } from "./preview";

type Table = Record<string, unknown>;

/** A text that is shorter is in everything; Pulumi blinds it all the same where it knows it for a secret. */
const shortest = 6;

/**
 * The texts that a stack file has encrypted, line by line, so that a report can be searched for them: Pulumi blinds what it
 * knows for secrets, and this is for what a program, a node or an error message made of one.
 *
 * @param file what stands below `config:` in the stack file, secrets as `{secure: …}`
 * @param decrypted the same, decrypted, by key
 */
export function secretTexts(file: Table, decrypted: Table): string[] {
  const found = Object.entries(file).flatMap(([key, value]) => {
    const plain = decrypted[key.includes(":") ? key : `pi-runners:${key}`];
    return encryptedIn(value, plain);
  });
  const lines = found.flatMap((text) => [text, ...text.split(/\r?\n/)]).map((text) => text.trim());
  const long = lines.filter((text) => text.length >= shortest && !/^-----(BEGIN|END) [A-Z ]*-----$/.test(text));
  // The longest first: one may be part of another.
  return [...new Set(long)].sort((a, b) => b.length - a.length);
}

function encryptedIn(value: unknown, plain: unknown): string[] {
  if (typeof value !== "object" || value === null) {
    return [];
  }
  if (Object.hasOwn(value, "secure")) {
    return textsIn(plain);
  }
  return Object.entries(value).flatMap(([key, entry]) => encryptedIn(entry, (plain as Table | undefined)?.[key]));
}

function textsIn(value: unknown): string[] {
  if (typeof value === "object" && value !== null) {
    return Object.values(value).flatMap(textsIn);
  }
  return typeof value === "string" ? [value] : [];
}

/** The same value with no secret in any of its texts, nor in its keys. */
export function without(secrets: string[], value: unknown): unknown {
  if (typeof value === "string") {
    return secrets.reduce((text, secret) => text.replaceAll(secret, blinded), value);
  }
  if (Array.isArray(value)) {
    return value.map((entry) => without(secrets, entry));
  }
  if (typeof value !== "object" || value === null) {
    return value;
  }
  const entries = Object.entries(value);
  return Object.fromEntries(entries.map(([key, entry]) => [without(secrets, key) as string, without(secrets, entry)]));
}
