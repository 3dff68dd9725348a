/** What was found, as a diff: `-` goes, `+` comes, `~` is brought up to date. */
export function describedAs(node: string, lines: string[], warnings: string[]): string {
  const head = lines.length === 0 ? `node ${node}: as the stack wants it` : `node ${node}: differs`;
  return [head, ...lines.map((line) => `  ${line}`), ...warnings.map((warning) => `  ! ${warning}`)].join("\n");
}
