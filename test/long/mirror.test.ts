/**
 * The pull-through mirror in the cluster, with the lab's own registry for Docker Hub. The lab has no kube-proxy: a rule on
 * the node does what that would do for the mirror's Service.
 */
import assert from "node:assert/strict";
import type { V1Service } from "@kubernetes/client-node";
import { cluster, eventually, onNode } from "../lab/stack/lab";
import { EngineStack, onServer, only, resident, runJob, type RunnerEntry } from "./engineStack";

const namespace = "mirrored";
const runners: RunnerEntry[] = [
  { name: "mirrored-dind", way: "dind", layerCache: false, ...only(1) },
  { name: "mirrored-engine", ...resident, ...only(1) },
  { name: "mirrored-pods", way: "kubernetes", jobImage: "pi-lab/buildah:1", ...only(1) },
];
const folder = "/var/lib/kubelet/pi-mirror";
const mirror = {
  enabled: true,
  remoteUrl: "http://registry.lab:5000",
  image: "pi-lab/registry:2",
  hostFolder: folder,
  ...only(1),
};

/** What Docker calls `mirrored:1` has the name of an official image on Docker Hub. */
const image = "mirrored:1";
const docker = [`docker pull ${image}`, `docker build --progress plain -t here - <Dockerfile`];
const buildah = [`buildah pull docker.io/library/${image}`];
const files = { Dockerfile: `FROM ${image}\nRUN echo built\n` };

describe("a pull-through mirror in the cluster", function () {
  this.timeout(900_000);
  let stack: EngineStack;
  let rule = "";

  before(async () => {
    const copy = "skopeo copy --quiet --src-tls-verify=false --dest-tls-verify=false";
    await onServer(`${copy} docker://localhost:5000/base:1 docker://localhost:5000/library/${image}`);
    stack = await EngineStack.of(namespace, runners);
    await stack.up(runners, { mirror });
    rule = await eventually("the mirror is ready", 120, service);
    await onNode(1, `iptables -w -t nat -I PREROUTING ${rule} && iptables -w -t nat -I OUTPUT ${rule}`);
  });

  after(async () => {
    if (rule !== "") {
      await onNode(1, `iptables -w -t nat -D PREROUTING ${rule}; iptables -w -t nat -D OUTPUT ${rule}; true`);
    }
    await stack?.destroy();
    await onNode(1, `rm -rf ${folder}`);
  });

  const pods = async () =>
    (await cluster().listNamespacedPod({ namespace, labelSelector: "app.kubernetes.io/name=registry-mirror" })).items;

  /** The rule by which the address of the Service leads to the pod. */
  async function service(): Promise<string | undefined> {
    const { spec }: V1Service = await cluster().readNamespacedService({ namespace, name: "registry-mirror" });
    const ready = (await pods()).find(({ status }) => status?.containerStatuses?.every((container) => container.ready));
    return ready && `-d ${spec!.clusterIP}/32 -p tcp --dport 5000 -j DNAT --to-destination ${ready.status!.podIP}:5000`;
  }

  /** Layers that the stand-in for Docker Hub has handed out. */
  const pulledFromHub = async (since: number): Promise<number> => {
    const log = await onServer(`journalctl --unit lab-registry --since @${since} --output cat --no-pager`);
    return log.split("\n").filter((line) => /"GET \/v2\/library\/mirrored\/blobs\/\S+ HTTP\/1\.1" 200/.test(line))
      .length;
  };

  async function jobs(): Promise<void> {
    for (const { name, way } of runners) {
      const { status, trace } = await runJob(name, name, way === "kubernetes" ? buildah : docker, files);
      assert.equal(status, "success", `${name}: ${trace}`);
    }
  }

  it("brings an image of Docker Hub once, for the daemons and builders of every way", async () => {
    const since = Math.ceil(Date.now() / 1000);
    await jobs();
    const layers = await pulledFromHub(since);
    assert.ok(layers > 0);
    const later = Math.ceil(Date.now() / 1000) + 1;
    await new Promise((done) => setTimeout(done, 1100));
    await jobs();
    assert.equal(await pulledFromHub(later), 0, "a daemon that begins with nothing found it in the cluster");
  });

  it("is not needed: while it is down, builds from other registries go on, and Docker Hub itself is asked", async () => {
    // As kube-proxy does for a Service without a pod.
    const refused = `FORWARD ${rule.replace(/-j .*/, "-j REJECT")}`;
    await onNode(1, `iptables -w -t nat -D PREROUTING ${rule} && iptables -w -I ${refused}`);
    try {
      const [{ name }] = runners as [RunnerEntry];
      const script = ["docker build --progress plain -t here - <Dockerfile", `docker pull ${image} || echo no mirror`];
      const since = Math.ceil(Date.now() / 1000);
      const base = { Dockerfile: "FROM registry.lab:5000/base:1\nRUN echo built\n" };
      const { status, trace } = await runJob(name, `${name}-alone`, script, base);
      assert.equal(status, "success", trace);
      assert.match(trace, /registry-1\.docker\.io/, "which the lab does not have");
      assert.equal(await pulledFromHub(since), 0);
    } finally {
      await onNode(1, `iptables -w -D ${refused}; iptables -w -t nat -I PREROUTING ${rule}`);
    }
  });
});
