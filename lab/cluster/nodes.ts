/** Nodes: hosts with sshd, Docker and containerd, each a container. What makes them Kubernetes nodes is in cluster.ts. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { ensureHost, type Host } from "../engine/containers";
import type { Engine } from "../engine/engine";
import { nodeFolder, sshKeys } from "./hostKeys";
import { image, type ImageName } from "../images/images";
import { binaries, imageFiles, type LabNode, maxNodes, nodes, type StackName, stackNames } from "../machine/places";

export const nodeUnits = ["lab-host.service", "ssh.service", "containerd.service", "docker.service"] as const;

/** What a host of the lab runs. All have systemd, sshd, Python. */
export const nodeKinds = {
  /** Today's Raspberry Pi OS: Docker 26.1, containerd 1.7. */
  debian13: "node",
  /** The one before: Docker 20.10, containerd 1.6. */
  debian12: "node12",
  /** What Debian's unstable suite brings to Debian 13: Docker 28, containerd 2.1. */
  docker28: "node28",
  /** What Docker's own packages bring to Debian 13: Docker 29 and containerd 2; and BuildKit 0.33. */
  docker29: "node29",
} as const satisfies Record<string, ImageName>;

export type NodeKind = keyof typeof nodeKinds;

/** Brings these nodes up, four at a time. */
export async function ensureNodes(
  engine: Engine,
  wanted: readonly LabNode[],
  say: (line: string) => void,
  kind: NodeKind = "debian13",
): Promise<void> {
  const reference = await image(engine, nodeKinds[kind], say);
  for (const folder of [binaries, imageFiles]) {
    mkdirSync(folder, { recursive: true });
  }
  await sshKeys(wanted);
  const waiting = [...wanted];
  const worker = async (): Promise<void> => {
    for (let node = waiting.shift(); node; node = waiting.shift()) {
      await ensureNode(engine, node, reference, say);
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
}

async function ensureNode(
  engine: Engine,
  node: LabNode,
  reference: string,
  say: (line: string) => void,
): Promise<void> {
  const host: Host = {
    container: node.container,
    hostname: node.name,
    address: node.address,
    image: reference,
    keepVolumes: false,
    volumes: nodeVolumes(node),
    mounts: { [nodeFolder(node)]: "/etc/pi-lab", [binaries]: binaries, [imageFiles]: imageFiles },
    names: {},
    units: nodeUnits,
  };
  await ensureHost(engine, host, say, () => markNew(node));
}

/** Names of a node's volumes, and where they are in it. */
export const nodeVolumes = (node: LabNode): Record<string, string> =>
  Object.fromEntries(["docker", "containerd", "kubelet"].map((use) => [`${node.container}-${use}`, `/var/lib/${use}`]));

/** In the folder of a node that was made since a stack was last deployed: what the stack had put there is gone. */
const newMark = (stack: StackName): string => `new-${stack}`;

function markNew(node: LabNode): void {
  for (const stack of stackNames) {
    writeFileSync(nodeFolder(node, newMark(stack)), "");
  }
}

/** The nodes, by default whichever there are, that were made since a stack was last deployed. */
export const newNodes = (stack: StackName, among: readonly LabNode[] = nodes(maxNodes)): LabNode[] =>
  among.filter((node) => existsSync(nodeFolder(node, newMark(stack))));

export function nodesDeployed(stack: StackName, deployed: readonly LabNode[]): void {
  for (const node of deployed) {
    rmSync(nodeFolder(node, newMark(stack)), { force: true });
  }
}
