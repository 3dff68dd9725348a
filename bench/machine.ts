/** The machine that the figures are from. */
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";

export interface Machine {
  cores: number;
  processor: string;
  memoryGiB: number;
  kernel: string;
  system: string;
  node: string;
}

export function machine(): Machine {
  return {
    cores: cpus().length,
    processor: cpus()[0]?.model ?? "unknown",
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    system: /^PRETTY_NAME="?(.*?)"?$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "unknown",
    node: process.version,
  };
}

/** Processes that wanted to run, on average over the last minute: far above the number of cores, figures are no good. */
export const load = (): number => Number(loadavg()[0]!.toFixed(2));
