/** Times whole processes with hyperfine. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { quote } from "../hosts/asRoot";
import { run } from "../lab/machine/processes";
import { which } from "../lab/machine/packages";
import { logEnd, runGroup } from "./programs";
import { scratch } from "./scratch";

export interface Timed {
  /** Letters and hyphens; part of file names. */
  name: string;
  command: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** Run before each measurement, not measured. */
  prepare?: readonly string[];
}

/** Where it is missing and we may, hyperfine is installed: it is in Debian and Ubuntu. */
async function hyperfine(): Promise<string> {
  const found = await which("hyperfine");
  if (found !== undefined) {
    return found;
  }
  if (process.getuid?.() === 0 && (await which("apt-get"))) {
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["-qq", "-o", "DPkg::Lock::Timeout=300", "update"], { env });
    await run("apt-get", ["-qq", "-y", "--no-install-recommends", "install", "hyperfine"], { env });
    return "hyperfine";
  }
  throw new Error("hyperfine is missing on this machine. Install it: sudo apt-get install hyperfine.");
}

/**
 * Seconds of every run, by name. The programs take turns, one run each, so that whatever else the machine does in the
 * meantime hits them all alike. One round before does not count: it fills caches.
 */
export async function time(
  programs: readonly Timed[],
  runs: number,
  { warmUp = true } = {},
): Promise<Record<string, number[]>> {
  const program = await hyperfine();
  const seconds: Record<string, number[]> = Object.fromEntries(programs.map(({ name }) => [name, []]));
  for (let round = warmUp ? -1 : 0; round < runs; round++) {
    for (const one of programs) {
      const took = await once(program, one);
      if (round >= 0) {
        seconds[one.name]!.push(took);
      }
    }
  }
  return seconds;
}

async function once(hyperfinePath: string, timed: Timed): Promise<number> {
  const folder = scratch("hyperfine");
  const output = join(folder, `${timed.name}.output`);
  const result = join(folder, `${timed.name}.json`);
  const prepare = timed.prepare ? ["--prepare", script(folder, `${timed.name}-prepare`, timed.prepare)] : [];
  const flags = ["--shell=none", "--style=none", "--runs=1", ...prepare, `--export-json=${result}`];
  const command = [hyperfinePath, ...flags, script(folder, timed.name, timed.command, output)];
  await runGroup({ command, env: timed.env, log: join(folder, `${timed.name}.log`) }).catch((error: unknown) => {
    const printed = existsSync(output) ? `\n${timed.name} printed:\n${logEnd(output)}` : "";
    throw new Error(`${error instanceof Error ? error.message : String(error)}${printed}`);
  });
  const { results } = JSON.parse(readFileSync(result, "utf8")) as { results: { times: number[] }[] };
  return results[0]!.times[0]!;
}

/** hyperfine takes command lines; a file spares us their quoting, and keeps what was printed. */
function script(folder: string, name: string, command: readonly string[], output = "/dev/null"): string {
  const file = join(folder, `${name}.sh`);
  writeFileSync(file, `exec ${command.map(quote).join(" ")} >${quote(output)} 2>&1 </dev/null\n`);
  return `sh ${file}`;
}
