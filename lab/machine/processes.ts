/** Running other programs: arguments as lists, never a shell's line; a failure says what was run and what it said. */
import type { Options } from "execa";

export class CommandFailedError extends Error {
  constructor(
    readonly command: string,
    readonly exitCode: number | undefined,
    readonly output: string,
  ) {
    super(`${command} failed${exitCode === undefined ? "" : ` with exit code ${exitCode}`}:\n${lastLines(output, 25)}`);
  }
}

export const lastLines = (text: string, count: number): string => text.trimEnd().split("\n").slice(-count).join("\n");

export interface RunOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  input?: string;
  timeout?: number;
  /** Called with each line of both outputs. */
  onLine?: (line: string) => void;
}

export interface Result {
  ok: boolean;
  stdout: string;
  all: string;
  exitCode: number | undefined;
}

/** Runs a program and never throws for its exit code. */
export async function attempt(command: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const { onLine, input, ...rest } = options;
  const settings = {
    ...rest,
    input: input ?? "",
    all: true,
    reject: false,
    encoding: "utf8",
    forceKillAfterDelay: 2000,
  };
  const { execa } = await import("execa"); // of its dependencies some can only be imported, not required
  const running = execa(command, [...args], settings as Options & { all: true; reject: false; encoding: "utf8" });
  if (onLine) {
    for await (const line of running.iterable({ from: "all" })) {
      onLine(String(line));
    }
  }
  const done = await running;
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  return {
    ok: done.exitCode === 0 && !done.failed,
    stdout: text(done.stdout),
    all: text(done.all) || (done.failed ? String(done.shortMessage ?? "") : ""),
    exitCode: done.exitCode,
  };
}

/** @throws {CommandFailedError} unless the program ends with 0 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await attempt(command, args, options);
  if (!result.ok) {
    throw new CommandFailedError([command, ...args].join(" ").slice(0, 300), result.exitCode, result.all);
  }
  return result.stdout;
}
