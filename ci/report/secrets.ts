import { existsSync } from "node:fs";
import type { Change } from "./changes";
import { blinded } from "./preview";
import type { Report } from "./report";

type Table = Record<string, unknown>;

/** A text that is shorter is in everything; Pulumi blinds it all the same where it knows it for a secret. */
const shortest = 6;

/** A key as `pulumi config --json --show-secrets` prints it. */
export interface ShownKey {
  value?: string;
  objectValue?: unknown;
  /** True: it, or something in it, is encrypted. */
  secret?: boolean;
}

/**
 * The texts that a stack has encrypted, line by line, so that a report can be searched for them: Pulumi blinds what it
 * knows for secrets, and this is for what a program, a node or an error message made of one. The stack file says which parts
 * of a key are encrypted; where it does not have the key (ESC), every text of it may be secret.
 *
 * @param file what stands below `config:` in the stack file, secrets as `{secure: …}`
 * @param shown every key of the stack, decrypted
 */
export function secretTexts(file: Table, shown: Record<string, ShownKey>): string[] {
  const written = Object.fromEntries(
    Object.entries(file).map(([key, value]) => [key.includes(":") ? key : `pi-runners:${key}`, value]),
  );
  const found = Object.entries(shown)
    .filter(([, { secret }]) => secret === true)
    .flatMap(([key, { value, objectValue }]) =>
      encryptedIn(Object.hasOwn(written, key) ? written[key] : { secure: "" }, objectValue ?? value),
    );
  return searched(found);
}

/** What a report is searched for: whole texts and their lines. */
function searched(found: string[]): string[] {
  const lines = found.flatMap((text) => [text, ...text.split(/\r?\n/)]).map((text) => text.trim());
  const long = lines.filter((text) => text.length >= shortest && !/^-----(BEGIN|END) [A-Z ]*-----$/.test(text));
  // As they are within JSON, too, which is how nodes and providers say what they were given.
  const escaped = long.map((text) => JSON.stringify(text).slice(1, -1));
  return longestFirst([...long, ...escaped]);
}

/** The order in which texts are to be taken out: one that is part of another would leave the rest of that. */
export const longestFirst = (texts: string[]): string[] => [...new Set(texts)].sort((a, b) => b.length - a.length);

/** Names of variables that hold a secret: Pulumi's passphrase and token, GitLab's tokens, the keys of a store for the state. */
const secretNames = new RegExp(
  [
    "(^|_)(TOKEN|SECRET|PASS|PASSWORD|PGPASSWORD|PWD|PASSPHRASE|CREDENTIALS|PAT|JWT|APIKEY|CONNECTION_STRING|AUTH_CONFIG)(_|$)",
    "(^|_)(ACCESS|SECRET|PRIVATE|API|STORAGE|ACCOUNT|ENCRYPTION)_KEY(_|$)",
  ].join("|"),
  "i",
);

/**
 * The texts of a job's variables that its report must not hold, as far as names and addresses tell: an error message may, such as
 * Pulumi's of a database that does not answer, which has the whole PULUMI_BACKEND_URL. The name of a file is none.
 */
export function environmentSecrets(env: NodeJS.ProcessEnv): string[] {
  const given = Object.entries(env).map(([name, value]) => [name, value ?? ""] as const);
  const named = given.filter(([name, value]) => secretNames.test(name) && !existsSync(value));
  return searched([...named.flatMap(([, value]) => textsIn(value)), ...given.flatMap(([, value]) => loginsIn(value))]);
}

/** Shorter names of users than any token. */
const shortestToken = 16;

/** Of addresses with a password, or a token in place of a user: they, and it as it is written there and as it is. */
function loginsIn(text: string): string[] {
  const logins = [...text.matchAll(/[a-z][\w+.-]*:\/\/([^/?#\s]*)@/gi)].map(([, user]) => user!);
  const passwords = logins.flatMap((user) => {
    const colon = user.indexOf(":");
    return colon >= 0 ? [user.slice(colon + 1)] : user.length >= shortestToken ? [user] : [];
  });
  // With signs that end it by the rules; who complains of the address then cuts it there, too.
  const [, unsound] = /^\s*[a-z][\w+.-]*:\/\/[^:/\s]*:(\S+)@/i.exec(text) ?? [];
  const [, query] = /[?&](?:ssl)?password=([^&\s]+)/.exec(text) ?? [];
  const found = [...passwords, ...(unsound === undefined ? [] : [unsound, ...unsound.split(/[/?#]/)]), query ?? ""];
  const long = found.filter((one) => one !== "");
  return long.length === 0 ? [] : [...(/\s/.test(text.trim()) ? [] : [text]), ...long, ...long.map(decoded)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
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
  return typeof value === "string" ? [value, ...textsIn(structureOf(value))] : [];
}

/** What a whole key holds that was set as JSON. */
function structureOf(text: string): unknown {
  try {
    return /^\s*[[{]/.test(text) ? (JSON.parse(text) as unknown) : undefined;
  } catch {
    return undefined;
  }
}

/** A report with no secret in it. The words that it is read by stay, though one may be somebody's password. */
export function withoutSecrets(secrets: string[], report: Report): Report {
  const hide = <T extends object, K extends keyof T>(table: T, kept: Pick<T, K>): T => {
    const entries = Object.entries(table).map(([key, value]) => [
      key,
      Object.hasOwn(kept, key) ? value : without(secrets, value),
    ]);
    return { ...(Object.fromEntries(entries) as T), ...kept };
  };
  const { result, counts } = report;
  const hidden = (changes: Change[]): Change[] =>
    changes.map(({ operation, type, differences, ...change }) =>
      hide(
        { operation, type, differences, ...change },
        { operation, type, differences: differences.map((one) => hide(one, {})) },
      ),
    );
  return hide(report, {
    result,
    counts,
    changes: hidden(report.changes),
    found: hidden(report.found),
    consequences: report.consequences.map(({ kind, ...one }) => hide({ kind, ...one }, { kind })),
    nodes: report.nodes.map(({ effects, ...look }) => hide({ effects, ...look }, { effects })),
    errors: report.errors.map((error) => hide(error, {})),
  });
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
