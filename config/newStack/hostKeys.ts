import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { hostKey, KnownHosts } from "../../hosts/knownHosts";
import { pathOf } from "../checks";
import type { NewNode } from "./answers";

/** Decides whether a key that a host shows is its own: somebody has to have compared it. */
export type Judge = (node: NewNode, fingerprint: string) => Promise<boolean>;

/** The key's fingerprint, as `ssh-keygen -l` prints it. */
export function fingerprintOf(key: string): string {
  const blob = Buffer.from(key.split(" ")[1]!, "base64");
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/**
 * The nodes, each with its host key where the files do not know it.
 *
 * @throws naming each node whose key nobody knows
 */
export async function withHostKeys(nodes: NewNode[], file: string | undefined, judge: Judge): Promise<NewNode[]> {
  const files = file === undefined ? [join(homedir(), ".ssh/known_hosts"), "/etc/ssh/ssh_known_hosts"] : [pathOf(file)];
  const known = new KnownHosts(files.filter((path) => existsSync(path)).map((path) => readFileSync(path, "utf8")));
  const found: NewNode[] = [];
  const errors: string[] = [];
  for (const node of nodes) {
    if (known.find(node.host, 22) !== undefined) {
      found.push(node);
      continue;
    }
    const key = await scanned(node.host);
    if (key === undefined) {
      errors.push(
        `  ${node.name} (${node.host}) shows no ed25519 host key to ssh-keyscan: is it on, and does sshd run there?`,
      );
    } else if (await judge(node, fingerprintOf(key))) {
      found.push({ ...node, hostKey: key });
    } else {
      errors.push(`  ${node.name} (${node.host}) shows ${fingerprintOf(key)}, which nobody has confirmed`);
    }
  }
  if (errors.length > 0) {
    throw new Error(
      `Not every node's host key is known; nothing was written.\n${errors.join("\n")}\n` +
        "Compare it with what this prints on the node itself: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n" +
        "If it is the same, give --host-key SHA256:…, or answer yes; or leave the node out by naming the others: --node.",
    );
  }
  return found;
}

/** What a host says that its key is: whoever answers there. */
async function scanned(host: string): Promise<string | undefined> {
  const args = ["-t", "ed25519", "-T", "5", "--", host];
  const { stdout } = await promisify(execFile)("ssh-keyscan", args).catch(() => ({ stdout: "" }));
  return stdout
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .map((line) => hostKey(line))
    .find((key) => key !== undefined);
}
