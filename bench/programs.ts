/** Running the programs that are measured: each in a process group of its own, so that all of it can be ended. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, closeSync, readFileSync } from "node:fs";
import { lastLines } from "../lab/machine/processes";
import { interrupted } from "./stops";

export interface Program {
  command: readonly string[];
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** File that gets everything that it prints. */
  log: string;
}

/**
 * Runs a program to its end; `watch` gets its process id.
 *
 * @throws when it fails, with the end of what it printed; or when the bench is interrupted
 */
export async function runGroup(program: Program, watch?: (pid: number) => void): Promise<void> {
  interrupted.throwIfAborted();
  const [file, ...args] = program.command;
  const log = openSync(program.log, "w");
  const env = { ...process.env, ...program.env };
  const child = spawn(file!, args, { cwd: program.cwd, env, detached: true, stdio: ["ignore", log, log] });
  closeSync(log);
  const end = (): void => void killGroup(child.pid);
  interrupted.addEventListener("abort", end);
  const closed = once(child, "close") as Promise<[number | null]>;
  try {
    if (child.pid !== undefined) {
      watch?.(child.pid);
    }
    const [code] = await closed;
    interrupted.throwIfAborted();
    if (code !== 0) {
      throw new Error(`${program.command.join(" ").slice(0, 200)} failed:\n${logEnd(program.log)}`);
    }
  } finally {
    interrupted.removeEventListener("abort", end);
  }
}

export const logEnd = (file: string): string => lastLines(readFileSync(file, "utf8"), 25);

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) {
      process.kill(-pid, "SIGTERM");
    }
  } catch {
    // It has ended by itself.
  }
}
