/** Progress, on standard error: what comes out of the bench itself is the table. */

const begin = Date.now();

export function say(line: string): void {
  process.stderr.write(`${((Date.now() - begin) / 1000).toFixed(0).padStart(5)} s  ${line}\n`);
}
