import { quantity } from "../../components/runners/sizes";
import { answered, clusterOf } from "../cluster";
import type { NewNode } from "./answers";

/** What a cluster says of its nodes. */
export interface ClusterNodes {
  nodes: NewNode[];
  /** The architecture, where all nodes have the same. */
  architecture?: string;
  /** Is one of them a node of k3s? */
  k3s: boolean;
}

/**
 * Reads the nodes of a cluster, as kubectl would.
 *
 * @param kubeconfig path of the file; default: what kubectl uses
 * @throws when the cluster does not answer
 */
export async function clusterNodes(kubeconfig: string | undefined, context: string | undefined): Promise<ClusterNodes> {
  const { CoreV1Api } = await import("@kubernetes/client-node");
  const config = await clusterOf(kubeconfig, context);
  const { items } = await answered(config, config.makeApiClient(CoreV1Api).listNode());
  const nodes = items.flatMap(({ metadata, status }) => {
    const host = status?.addresses?.find(({ type }) => type === "InternalIP")?.address;
    const memory = mebibytes(status?.capacity?.["memory"]);
    return metadata?.name === undefined || host === undefined
      ? []
      : [{ name: metadata.name, host, ...(memory === undefined ? {} : { memory }) }];
  });
  const found = new Set(items.map(({ status }) => status?.nodeInfo?.architecture));
  const [architecture] = [...found];
  const k3s = items.some(({ status }) => status?.nodeInfo?.kubeletVersion?.includes("+k3s") === true);
  return { nodes, k3s, ...(found.size === 1 && architecture !== undefined ? { architecture } : {}) };
}

/** Memory as people read it: a node says `8139284Ki`. */
function mebibytes(memory = ""): string | undefined {
  const bytes = quantity(memory);
  return bytes === undefined ? undefined : `${Math.floor(bytes / 1024 ** 2)}Mi`;
}
