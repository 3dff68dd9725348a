/** Makes the lab's hosts nodes of its cluster: kubelet's files, images, and the wait until each is Ready. */
import { CoreV1Api, KubeConfig, type V1Node } from "@kubernetes/client-node";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import { built } from "../builds/builds";
import { authorityCertificate, kubeconfig } from "./certificates";
import { adminKubeconfig } from "./controlPlane";
import type { Engine } from "../engine/engine";
import { nodeFolder } from "./hostKeys";
import type { LabNode } from "../machine/places";

type Say = (line: string) => void;

/** Written before the node's container is made: its kubelet then starts with the host. */
export async function kubeletFiles(nodes: readonly LabNode[], say: Say): Promise<void> {
  const kubernetes = await built("kubernetes", say);
  for (const node of nodes) {
    const file = (name: string) => nodeFolder(node, "kubelet", name);
    mkdirSync(nodeFolder(node, "kubelet"), { recursive: true, mode: 0o700 });
    await kubeconfig(file("kubeconfig"), { commonName: `system:node:${node.name}`, organization: "system:nodes" });
    copyFileSync(authorityCertificate, file("ca.crt"));
    writeFileSync(file("config.yaml"), stringify(kubeletConfiguration));
    writeFileSync(file("cni.conflist"), JSON.stringify(podNetwork(node), undefined, 2));
    const environment = { KUBERNETES: kubernetes, NODE_NAME: node.name, NODE_ADDRESS: node.address };
    const lines = Object.entries(environment).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(file("environment"), lines.join(""));
  }
}

const kubeletConfiguration = {
  apiVersion: "kubelet.config.k8s.io/v1beta1",
  kind: "KubeletConfiguration",
  authentication: {
    anonymous: { enabled: false },
    webhook: { enabled: true },
    x509: { clientCAFile: "/etc/pi-lab/kubelet/ca.crt" },
  },
  authorization: { mode: "Webhook" },
  containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock",
  cgroupDriver: "cgroupfs",
  failCgroupV1: false,
  failSwapOn: false,
  // A changed Secret is in the pod's files after this long at most; kubelet's own default is a minute.
  syncFrequency: "5s",
  configMapAndSecretChangeDetectionStrategy: "Watch",
  nodeStatusUpdateFrequency: "4s",
  // The disk is the machine's: what is full there is not the lab's business.
  evictionHard: { "memory.available": "100Mi", "nodefs.available": "0%", "imagefs.available": "0%" },
  imageGCHighThresholdPercent: 100,
  imageMinimumGCAge: "87600h",
  resolvConf: "/etc/resolv.conf",
  serializeImagePulls: false,
  protectKernelDefaults: false,
};

/** Pods reach the LAN through their node; pods of two nodes do not need each other. */
const podNetwork = (node: LabNode) => ({
  cniVersion: "0.4.0",
  name: "pi-lab",
  plugins: [
    {
      type: "bridge",
      bridge: "cni0",
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: {
        type: "host-local",
        ranges: [[{ subnet: `10.98.${node.number}.0/24` }]],
        routes: [{ dst: "0.0.0.0/0" }],
        dataDir: "/run/cni-ipam", // a reboot frees every address
      },
    },
    { type: "portmap", capabilities: { portMappings: true } },
  ],
});

export async function startKubelets(engine: Engine, nodes: readonly LabNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => engine.exec(node.container, ["systemctl", "start", "kubelet.service"])));
}

export function cluster(): KubeConfig {
  if (!existsSync(adminKubeconfig)) {
    throw new Error(`There is no cluster: ${adminKubeconfig} is missing.\nRun make up.`);
  }
  const config = new KubeConfig();
  config.loadFromString(readFileSync(adminKubeconfig, "utf8"));
  return config;
}

const core = (): CoreV1Api => cluster().makeApiClient(CoreV1Api);

/** Names of the nodes that the cluster knows, and whether each is Ready. */
export async function clusterNodes(): Promise<Map<string, boolean>> {
  const { items } = await core().listNode();
  const isReady = ({ status }: V1Node) =>
    status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false;
  return new Map(items.map((node) => [node.metadata?.name ?? "", isReady(node)]));
}

/** A kubelet registers once: when etcd has lost its node since, only a restart brings it back. */
const patience = 10_000;

/** Waits until all are Ready, and takes nodes out of the cluster that the lab no longer has. */
export async function nodesReady(engine: Engine, nodes: readonly LabNode[], say: Say): Promise<void> {
  const begin = Date.now();
  let nudged = false;
  for (;;) {
    const known = await clusterNodes().catch(() => new Map<string, boolean>());
    const missing = nodes.filter(({ name }) => !known.get(name)).map(({ name }) => name);
    if (missing.length === 0) {
      return removeGone(engine, [...known.keys()]);
    }
    if (!nudged && Date.now() - begin > patience) {
      nudged = true;
      const unknown = nodes.filter(({ name }) => !known.has(name));
      for (const node of unknown) {
        await engine.exec(node.container, ["systemctl", "restart", "kubelet.service"]);
      }
    }
    if (Date.now() - begin > 120_000) {
      throw new Error(
        `Nodes are not Ready within 2 minutes: ${missing.join(", ")}.\n` +
          `Look at: docker exec pi-lab-${missing[0]} journalctl -u kubelet -n 50; or run down and up again.`,
      );
    }
    say(`waiting for ${missing.join(", ")}`);
    await sleep(300);
  }
}

/** A node whose container is gone would keep every DaemonSet waiting. */
async function removeGone(engine: Engine, known: string[]): Promise<void> {
  const containers = await engine.ours("container");
  for (const name of known.filter((known) => !containers.includes(`pi-lab-${known}`))) {
    await core().deleteNode({ name });
  }
}

/** Deletes a namespace, with all that is in it, and waits until it is gone. */
export async function removeNamespace(name: string): Promise<void> {
  const exists = () =>
    core()
      .readNamespace({ name })
      .then(() => true)
      .catch(() => false);
  await core()
    .deleteNamespace({ name })
    .catch(() => undefined);
  for (let waited = 0; (await exists()) && waited < 180_000; waited += 500) {
    await sleep(500);
  }
}
