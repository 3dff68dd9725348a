/** SSH keys of the lab: one to log in with, one per node that its host proves itself with. They last until `down`. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { withLock } from "../machine/locks";
import { cache, inState, type LabNode } from "../machine/places";
import { run } from "../machine/processes";

export const privateKeyFile = inState("id_ed25519");
export const knownHostsFile = inState("known_hosts");

/** The folder that a node sees at /etc/pi-lab. */
export const nodeFolder = (node: LabNode, ...parts: string[]): string => inState("nodes", node.name, ...parts);

async function keyPair(file: string, comment: string): Promise<string> {
  const half = `${file}.part`;
  if (!existsSync(file) || !existsSync(`${file}.pub`)) {
    mkdirSync(dirname(file), { recursive: true });
    for (const old of [half, `${half}.pub`]) {
      rmSync(old, { force: true });
    }
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", half]);
    renameSync(`${half}.pub`, `${file}.pub`);
    renameSync(half, file);
  }
  return readFileSync(`${file}.pub`, "utf8").trim();
}

/**
 * Keys of these nodes, who may log in there, and the known_hosts file, which keeps the lines of other nodes. One process
 * after the other: tests of several kinds of nodes begin at the same moment.
 */
export const sshKeys = (nodes: readonly LabNode[]): Promise<void> =>
  withLock(
    join(cache, "locks", "ssh-keys"),
    () => undefined,
    () => writeKeys(nodes),
  );

async function writeKeys(nodes: readonly LabNode[]): Promise<void> {
  const login = await keyPair(privateKeyFile, "pi-lab");
  chmodSync(inState(), 0o700);
  const lines = new Map(knownHosts().map((line) => [line.split(" ")[0] ?? "", line]));
  for (const node of nodes) {
    const key = await keyPair(nodeFolder(node, "ssh_host_ed25519_key"), node.name);
    writeFileSync(nodeFolder(node, "authorized_keys"), `${login}\n`, { mode: 0o644 });
    const hosts = `${node.address},${node.name}`;
    lines.set(hosts, `${hosts} ${key.split(" ").slice(0, 2).join(" ")}`);
  }
  writeFileSync(`${knownHostsFile}.part`, [...lines.values(), ""].join("\n"));
  renameSync(`${knownHostsFile}.part`, knownHostsFile);
}

const knownHosts = (): string[] =>
  existsSync(knownHostsFile) ? readFileSync(knownHostsFile, "utf8").split("\n").filter(Boolean) : [];
