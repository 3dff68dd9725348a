import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

/**
 * Runs Pulumi to its end.
 *
 * @param input goes to its stdin, such as a secret
 * @throws with what it said, when it fails
 */
export async function pulumi(args: string[], input = ""): Promise<void> {
  const child = spawn("pulumi", ["--non-interactive", ...args], { stdio: ["pipe", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  child.stdin.on("error", () => undefined); // it may end without having read it
  child.stdin.end(input);
  const said = Promise.all([text(child.stdout), text(child.stderr)]);
  const code = await ended.catch((error: Error) => {
    throw new Error(`Pulumi cannot be started: ${error.message}. Install it: https://www.pulumi.com/docs/install/`);
  });
  if (code !== 0) {
    throw new Error((await said).join("\n").trim() || `pulumi ${args[0]} ended with ${code}`);
  }
}
