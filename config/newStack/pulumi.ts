import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

/**
 * Runs Pulumi to its end.
 *
 * @param input goes to its stdin, such as a secret
 * @returns what it printed
 * @throws with what it said, when it fails
 */
export async function pulumi(args: string[], input = ""): Promise<string> {
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
  return (await said)[0];
}

/** @throws where a stack of this backend needs a passphrase, and there is none: Pulumi could only ask for it itself */
export async function needPassphrase(): Promise<void> {
  if (process.env["PULUMI_CONFIG_PASSPHRASE"] !== undefined || process.env["PULUMI_CONFIG_PASSPHRASE_FILE"]) {
    return;
  }
  const { url } = JSON.parse(await pulumi(["whoami", "--json"])) as { url: string };
  if (!/^https?:/.test(url)) {
    throw new Error(
      // Not the whole address: it may have a password.
      `There is no passphrase for the stack's secrets, which a state at ${url.split(":")[0]}:// needs.\n` +
        "Set PULUMI_CONFIG_PASSPHRASE, to a new one of your own, and keep it: nobody can read the secrets without it.",
    );
  }
}
