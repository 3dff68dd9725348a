import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Writes a command into a folder that is to be put on PATH. */
export function command(folder: string, name: string, script: string): void {
  const file = join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}

/** The shells of this machine that a job's image could have. */
export const shells: string[][] = [["sh"], ["bash", "-eo", "pipefail"], ["dash"], ["busybox", "sh"]].filter(
  ([name]) => {
    try {
      execFileSync("sh", ["-c", `command -v ${name}`], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  },
);

/**
 * Runs a script as the runner does: by the shell's stdin, stopping at the first command that fails. The network of the machine
 * that tests is out of its sight.
 */
export function run(shell: string[], given: string, env: Record<string, string>): { status: number; output: string } {
  const [name, ...args] = shell;
  const script = given.replaceAll("/sys/class/net/eth0/", "/none/");
  const done = spawnSync(name!, args, { input: `set -e\n${script}\n`, env, encoding: "utf8", timeout: 15000 });
  return { status: done.status ?? -1, output: done.stdout + done.stderr };
}
