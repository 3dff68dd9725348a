/**
 * Nodes of every kind in one cluster: what their kubelets pull by trust alone, from every kind of registry, and jobs on
 * those whose Docker is older or newer than that of the lab's own nodes.
 */
import assert from "node:assert/strict";
import { nodesReady } from "../../../lab/cluster/cluster";
import { joinNodes, removeNodes } from "../../../lab/cluster/join";
import type { NodeKind } from "../../../lab/cluster/nodes";
import { type Engine, startEngine } from "../../../lab/engine/engine";
import { imageSets } from "../../../lab/images/nodeImages";
import { type LabNode, node } from "../../../lab/machine/places";
import { changedStack, cluster, eventually, lab, runnerPods, up } from "./lab";

interface Joined {
  kind: NodeKind;
  node: LabNode;
  /** What Kubernetes reports as its container runtime. */
  containerd: RegExp;
  /** Version of its Docker. */
  docker: RegExp;
}

/** Nodes of these tests, one of each kind, far from the cluster's own. */
const nodeOf: Record<NodeKind, Omit<Joined, "kind">> = {
  debian13: { node: node(131), containerd: /^containerd:\/\/v?1\.7\./, docker: /^26\.1\./ },
  debian12: { node: node(132), containerd: /^containerd:\/\/v?1\.6\./, docker: /^20\.10\./ },
  docker28: { node: node(134), containerd: /^containerd:\/\/v?2\.1\./, docker: /^28\.5\./ },
  docker29: { node: node(133), containerd: /^containerd:\/\/v?2\.4\./, docker: /^29\./ },
};
const kinds = (Object.keys(nodeOf) as NodeKind[]).map((kind): Joined => ({ kind, ...nodeOf[kind] }));
/** The one that LAB_KIND asks for; otherwise all but Docker 28, which is only in `make test-long`. */
const { LAB_KIND } = process.env;
const joined = kinds.filter(({ kind }) => (LAB_KIND === undefined ? kind !== "docker28" : kind === LAB_KIND));
const nodes = joined.map((one) => one.node);

/** An image in each kind of registry that the lab has, and how a pull fails where the node does not trust it. */
const images = [
  ["registry.lab:5000/base:1", /server gave HTTP response to HTTPS client/],
  ["gitlab.lab:5050/lab/base:1", /server gave HTTP response to HTTPS client/],
  ["gitlab.lab:5443/lab/base:1", /x509: certificate signed by unknown authority/],
] as const;

let engine: Engine;
const quiet = (): void => undefined;

/** How a pod on this node ended that pulls this image: the id of the image that it ran, or why it could not be pulled. */
async function pulled(on: LabNode, image: string): Promise<{ imageId?: string; error?: string }> {
  const [name, namespace] = [`pull-${on.name}-${Date.now()}`, "default"];
  const container = { name: "pull", image, imagePullPolicy: "Always", command: ["true"] };
  const spec = { nodeName: on.name, restartPolicy: "Never", containers: [container] };
  await cluster().createNamespacedPod({ namespace, body: { metadata: { name }, spec } });
  try {
    return await eventually(`the pod on ${on.name} has pulled ${image}, or not`, 90, async () => {
      const { status } = await cluster().readNamespacedPod({ namespace, name });
      const state = status?.containerStatuses?.[0];
      if (state?.state?.terminated !== undefined) {
        return { imageId: state.imageID };
      }
      return state?.state?.waiting?.reason === "ErrImagePull" ? { error: state.state.waiting.message } : undefined;
    });
  } finally {
    await cluster().deleteNamespacedPod({ namespace, name, gracePeriodSeconds: 0 });
  }
}

/** Stack dev with the nodes of these tests besides, and all its runners on one of them. */
const stackOn = ({ node: { name } }: Joined): string =>
  changedStack((config) => {
    config["pi-runners:nodes"].push(...nodes.map((one) => ({ name: one.name, host: one.address })));
    for (const runner of config["pi-runners:runners"]) {
      runner.nodeSelector = { "kubernetes.io/hostname": name };
    }
  });

/** Waits until a runner of stack dev is ready on this node, and has left the others. */
async function readyOnlyOn(node: LabNode, runner: string): Promise<void> {
  await eventually(`${runner} is ready on ${node.name} and nowhere else`, 180, async () => {
    const pods = await runnerPods(runner);
    const there = pods.every(({ spec }) => spec!.nodeName === node.name);
    const fine = pods.every(({ status }) => status?.containerStatuses?.every(({ ready }) => ready));
    return pods.length === 1 && there && fine ? true : undefined;
  });
}

describe("nodes of every kind in one cluster", function () {
  this.timeout(900_000);

  before(async () => {
    engine = await startEngine(quiet);
    const sets = await imageSets(engine, quiet);
    for (const one of joined) {
      await joinNodes(engine, [one.node], sets, quiet, one.kind);
    }
    await nodesReady(engine, nodes, quiet);
  });
  after(async () => {
    await up();
    await removeNodes(engine, nodes, quiet);
  });

  for (const { kind, node, containerd } of joined) {
    it(`${kind}: its kubelet works with the containerd that is meant, which pulls from no registry before trust`, async () => {
      const { status } = await cluster().readNode({ name: node.name });
      assert.match(status!.nodeInfo!.containerRuntimeVersion, containerd);
      for (const [image, refusal] of images) {
        const { imageId, error } = await pulled(node, image);
        assert.equal(imageId, undefined, image);
        assert.match(error!, refusal);
      }
    });
  }

  describe("once they are nodes of the stack", () => {
    before(() => up(stackOn(joined[0]!)));

    for (const { kind, node } of joined) {
      it(`${kind}: pods pull from every registry, by trust alone`, async () => {
        for (const [image] of images) {
          const { imageId, error } = await pulled(node, image);
          assert.match(imageId ?? "", /sha256:[0-9a-f]{64}/, `${image}: ${error}`);
        }
      });
    }

    for (const one of joined.filter(({ kind }) => kind !== "debian13")) {
      it(`${one.kind}: jobs build and push there in each way of the stack`, async () => {
        await up(stackOn(one));
        const version = await engine.exec(one.node.container, ["docker", "version", "--format", "{{.Server.Version}}"]);
        assert.match(version, one.docker);
        for (const way of ["dood", "dind", "dind-job"]) {
          await readyOnlyOn(one.node, way);
          const { code, output } = await lab("job", "--way", way);
          if (one.kind === "debian12" && way === "dood") {
            // BuildKit inside Docker 20.10 takes no insecure registry (docs/registry-trust.md).
            assert.match(output, /#\d+ ERROR: .*: http: server gave HTTP response to HTTPS client/);
            continue;
          }
          assert.equal(code, 0, output);
          assert.match(output, /^digest sha256:[0-9a-f]{64}$/m);
        }
      });
    }
  });
});
