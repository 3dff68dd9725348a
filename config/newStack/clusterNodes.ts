import { setTimeout as sleep } from "node:timers/promises";
import { quantity } from "../../components/runners/sizes";
import type { NewNode } from "./answers";

/** What a cluster says of its nodes. */
export interface ClusterNodes {
  nodes: NewNode[];
  /** The architecture, where all nodes have the same. */
  architecture?: string;
}

/**
 * Reads the nodes of a cluster, as kubectl would.
 *
 * @param kubeconfig path of the file; default: what kubectl uses
 * @throws when the cluster does not answer
 */
export async function clusterNodes(kubeconfig: string | undefined, context: string | undefined): Promise<ClusterNodes> {
  const { CoreV1Api, KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  if (kubeconfig === undefined) {
    config.loadFromDefault();
  } else {
    config.loadFromFile(kubeconfig);
  }
  if (context !== undefined) {
    config.setCurrentContext(context);
  }
  const seconds = 15;
  const listed = config.makeApiClient(CoreV1Api).listNode();
  const late = sleep(seconds * 1000, undefined, { ref: false }).then(() => {
    throw new Error(
      `The cluster at ${config.getCurrentCluster()?.server} does not answer within ${seconds} s. Is it on, and reached from here?`,
    );
  });
  const { items } = await Promise.race([listed, late]);
  const nodes = items.flatMap(({ metadata, status }) => {
    const host = status?.addresses?.find(({ type }) => type === "InternalIP")?.address;
    const memory = mebibytes(status?.capacity?.["memory"]);
    return metadata?.name === undefined || host === undefined
      ? []
      : [{ name: metadata.name, host, ...(memory === undefined ? {} : { memory }) }];
  });
  const found = new Set(items.map(({ status }) => status?.nodeInfo?.architecture));
  const [architecture] = [...found];
  return { nodes, ...(found.size === 1 && architecture !== undefined ? { architecture } : {}) };
}

/** Memory as people read it: a node says `8139284Ki`. */
function mebibytes(memory = ""): string | undefined {
  const bytes = quantity(memory);
  return bytes === undefined ? undefined : `${Math.floor(bytes / 1024 ** 2)}Mi`;
}
