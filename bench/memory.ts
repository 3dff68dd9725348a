/** How much memory a program needs, all processes that it starts included. */
import { readdirSync, readFileSync } from "node:fs";
import { runGroup, type Program } from "./programs";

const interval = 250;

/**
 * Largest sum, in MiB, over the program and its descendants, looked at four times a second. The sum is of proportional set
 * sizes: pages that processes share, as forks do, count once.
 */
export async function peakMemory(program: Program): Promise<number> {
  let peak = 0;
  let timer: NodeJS.Timeout | undefined;
  try {
    await runGroup(program, (pid) => {
      timer = setInterval(() => (peak = Math.max(peak, memoryOf(family(pid)))), interval);
    });
  } finally {
    clearInterval(timer);
  }
  return peak / 1024;
}

/** A process and all below it. */
function family(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) {
      continue;
    }
    // /proc/PID/stat: the name, in brackets, may hold anything; after it come the state and the parent.
    const parent = Number(text(`/proc/${entry}/stat`).split(") ").at(-1)?.split(" ")[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const found = [root];
  for (const pid of found) {
    found.push(...(children.get(pid) ?? []));
  }
  return found;
}

const memoryOf = (pids: number[]): number => pids.reduce((sum, pid) => sum + proportional(pid), 0);

/** KiB; 0 for a process that has just ended. */
function proportional(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(text(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
}

function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
