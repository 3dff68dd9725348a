import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

/** How a command ended, and what it printed. */
export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs Pulumi to its end.
 *
 * @throws when there is no Pulumi
 */
export async function runPulumi(args: string[]): Promise<Ended> {
  const child = spawn("pulumi", [...args, "--non-interactive"], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number>((resolve, reject) => {
    child.on("error", (error) =>
      reject(new Error(`Pulumi cannot be started: ${error.message}. Install it: https://www.pulumi.com/docs/install/`)),
    );
    child.on("close", (code) => resolve(code ?? 1));
  });
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { code, stdout, stderr };
}
