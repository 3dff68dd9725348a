/**
 * Markdown of which nothing that a diff holds can break out: no mention that pings, no quick action that GitLab would run
 * (a line that begins with `/`), no end of a block or of a folded part.
 */

/** A name or a value within a line. */
export function code(text: string): string {
  const line = oneLine(text);
  const fence = "`".repeat(longestRun(line) + 1);
  const space = /^`|`$|^$/.test(line) ? " " : "";
  return `${fence}${space}${line}${space}${fence}`;
}

/** Words within a line, in which only `code` means something. */
export function words(text: string): string {
  const parts = oneLine(text).split(/(`[^`]+`)/);
  return parts.map((part) => (/^`[^`]+`$/.test(part) ? code(part.slice(1, -1)) : plain(part))).join("");
}

/** A backslash before every sign that Markdown could read; and what GitLab would take for a reference is none. */
function plain(text: string): string {
  return unreferenced(text.replace(/[\\`*_{}[\]<>#+!|~$^&]/g, "\\$&"));
}

/** Text within HTML, as in the title of a folded part. */
export function html(text: string): string {
  return unreferenced(oneLine(text).replace(/[&<>"'`]/g, (sign) => `&#${sign.charCodeAt(0)};`));
}

/** Invisible, between a sign and the name behind it: GitLab looks for `@name` and its like in the text that was rendered. */
export const wordJoiner = "\u2060";

function unreferenced(text: string): string {
  return text.replace(/[@#!~$%^](?=[\w"'])|&(?=\d)/g, `$&${wordJoiner}`);
}

export interface BlockLine {
  sign: "+" | "-" | "~" | "!" | "@" | ">";
  text: string;
}

/**
 * A block of text as it is. Each line gets a first sign of its own, so that none begins with anything that GitLab reads:
 * its look-out for quick actions knows fences of three signs only.
 */
export function block(lines: BlockLine[], language = "diff"): string[] {
  const fence = "`".repeat(Math.max(3, ...lines.map(({ text }) => longestRun(text) + 1)));
  const whole = lines.flatMap(({ sign, text }) =>
    text.split(/\r\n|[\n\r\u2028\u2029]/).map((line) => `${sign} ${shown(line)}`),
  );
  return [fence + language, ...whole, fence];
}

/** A part that is folded until somebody clicks. */
export function folded(title: string, body: string[]): string[] {
  return ["<details>", `<summary>${html(title)}</summary>`, "", ...body, "", "</details>", ""];
}

function oneLine(text: string): string {
  return shown(text.replace(/\s+/g, " ").trim());
}

/** Signs that are not seen, or that turn the direction of others, are written out. */
function shown(text: string): string {
  return text.replace(
    /(?!\t)[\p{Cc}\p{Cf}\p{Cs}]/gu,
    (sign) => `\\u${sign.codePointAt(0)!.toString(16).padStart(4, "0")}`,
  );
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}
