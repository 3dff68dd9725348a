/** Nodes of the lab for the bench alone: apart from those of the cluster, made for a section and removed after it. */
import { rmSync } from "node:fs";
import { ensureNetwork, startEngine, type Engine } from "../lab/engine/engine";
import { knownHostsFile, nodeFolder, privateKeyFile } from "../lab/cluster/hostKeys";
import { withLock } from "../lab/machine/locks";
import { ensureNodes } from "../lab/cluster/nodes";
import { cache, node, type LabNode } from "../lab/machine/places";
import { raiseSettings } from "../lab/machine/hostSettings";
import { linkState } from "../lab/machine/stateFolder";
import { join } from "node:path";
import type { TrustNode } from "../components/registryTrust/args";
import type { HostSsh } from "../hosts/ssh";
import { say } from "./say";
import { whenDone } from "./stops";

/** A node whose address is known from the start. */
export type KnownNode = TrustNode & { host: string };

/** Far above the numbers of a cluster's nodes. */
const firstNumber = 101;

export const ssh: HostSsh = { user: "root", privateKeyFile, knownHostsFile };

/** What ssh needs to log in to a node: the same key and the same known hosts as everybody, and no question. */
export const sshOptions = [
  ...["-i", privateKeyFile, "-o", `UserKnownHostsFile=${knownHostsFile}`],
  ...["-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-l", "root"],
];

/** Set by --keep: the nodes stay for the next run. */
export const keep = { nodes: false };

const made: KnownNode[] = [];

/** So many hosts with systemd, sshd and Docker, the same for every section. */
export async function benchNodes(count: number): Promise<KnownNode[]> {
  const missing = Array.from({ length: count - made.length }, (_, index) => node(firstNumber + made.length + index));
  made.push(...(missing.length > 0 ? await makeNodes(missing) : []));
  return made.slice(0, count);
}

export const eightNodes = (): Promise<KnownNode[]> => benchNodes(8);

async function makeNodes(nodes: LabNode[]): Promise<KnownNode[]> {
  await withLock(
    join(cache, "locks", "lab"),
    () => say("another process works on the lab, waiting"),
    async () => {
      linkState();
      raiseSettings();
      const engine = await startEngine(say);
      await ensureNetwork(engine);
      whenDone("nodes of the bench", async () => (keep.nodes ? undefined : removeNodes(engine, nodes)));
      await ensureNodes(engine, nodes, say);
    },
  );
  return nodes.map(({ name, address }) => ({ name, host: address }));
}

async function removeNodes(engine: Engine, nodes: LabNode[]): Promise<void> {
  for (const one of nodes) {
    await engine.attempt(["rm", "--force", "--volumes", one.container]);
    const volumes = await engine.ours("volume");
    const own = volumes.filter((volume) => volume.startsWith(`${one.container}-`));
    if (own.length > 0) {
      await engine.attempt(["volume", "rm", "--force", ...own]);
    }
    rmSync(nodeFolder(one), { recursive: true, force: true });
  }
}
