/** Nodes: hosts with sshd, Docker and containerd, each a container. What makes them Kubernetes nodes is in cluster.ts. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { ensureHost, type Host } from "./containers";
import type { Engine } from "./engine";
import { nodeFolder, sshKeys } from "./hostKeys";
import { image } from "./images";
import { binaries, imageFiles, type LabNode } from "./places";

export const nodeUnits = ["lab-host.service", "ssh.service", "containerd.service", "docker.service"] as const;

/** Brings these nodes up, two at a time. */
export async function ensureNodes(
  engine: Engine,
  nodes: readonly LabNode[],
  say: (line: string) => void,
): Promise<void> {
  const reference = await image(engine, "node", say);
  for (const folder of [binaries, imageFiles]) mkdirSync(folder, { recursive: true });
  await sshKeys(nodes);
  const waiting = [...nodes];
  const worker = async (): Promise<void> => {
    for (let node = waiting.shift(); node; node = waiting.shift()) await ensureNode(engine, node, reference, say);
  };
  await Promise.all(Array.from({ length: 4 }, worker));
}

async function ensureNode(
  engine: Engine,
  node: LabNode,
  reference: string,
  say: (line: string) => void,
): Promise<void> {
  const volume = (use: string) => `${node.container}-${use}`;
  const host: Host = {
    container: node.container,
    hostname: node.name,
    address: node.address,
    image: reference,
    keepVolumes: false,
    volumes: {
      [volume("docker")]: "/var/lib/docker",
      [volume("containerd")]: "/var/lib/containerd",
      [volume("kubelet")]: "/var/lib/kubelet",
    },
    mounts: { [nodeFolder(node)]: "/etc/pi-lab", [binaries]: binaries, [imageFiles]: imageFiles },
    names: {},
    units: nodeUnits,
  };
  await ensureHost(engine, host, say, () => writeFileSync(nodeFolder(node, newMark), ""));
}

/** In the folder of a node that was made since the stack was last deployed: what the stack had put there is gone. */
const newMark = "new";

export const newNodes = (nodes: readonly LabNode[]): LabNode[] =>
  nodes.filter((node) => existsSync(nodeFolder(node, newMark)));

export function nodesDeployed(nodes: readonly LabNode[]): void {
  for (const node of nodes) rmSync(nodeFolder(node, newMark), { force: true });
}
