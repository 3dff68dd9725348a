/** Makes nodes of one kind, joins them to the cluster, and takes nodes out of it again. */
import type { Engine } from "../engine/engine";
import { type ImageSets, loadImages } from "../images/nodeImages";
import type { LabNode } from "../machine/places";
import { kubeletFiles, nodesReady, startKubelets } from "./cluster";
import { ensureNodes, type NodeKind, nodeVolumes } from "./nodes";

type Say = (line: string) => void;

/** Their kubelets run afterwards, and their images are loaded; for the wait until they are Ready see `nodesReady`. */
export async function joinNodes(
  engine: Engine,
  nodes: readonly LabNode[],
  sets: ImageSets,
  say: Say,
  kind?: NodeKind,
): Promise<void> {
  await kubeletFiles(nodes, say);
  await ensureNodes(engine, nodes, say, kind);
  await startKubelets(engine, nodes);
  await loadImages(engine, nodes, sets, say);
}

/** Removes these nodes with their volumes, and from the cluster. */
export async function removeNodes(engine: Engine, nodes: readonly LabNode[], say: Say): Promise<void> {
  for (const node of nodes) {
    await engine.attempt(["rm", "--force", "--volumes", node.container]);
    await engine.attempt(["volume", "rm", "--force", ...Object.keys(nodeVolumes(node))]);
  }
  await nodesReady(engine, [], say);
}
