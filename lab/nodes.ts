/** Nodes: hosts with sshd, Docker and containerd, each a container. What makes them Kubernetes nodes is in cluster.ts. */
import { mkdirSync } from "node:fs";
import { ensureHost } from "./containers";
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
  await ensureHost(
    engine,
    {
      container: node.container,
      hostname: node.name,
      address: node.address,
      image: reference,
      volumes: {
        [volume("docker")]: "/var/lib/docker",
        [volume("containerd")]: "/var/lib/containerd",
        [volume("kubelet")]: "/var/lib/kubelet",
      },
      mounts: { [nodeFolder(node)]: "/etc/pi-lab", [binaries]: binaries, [imageFiles]: imageFiles },
      names: {},
      units: nodeUnits,
    },
    say,
  );
}
