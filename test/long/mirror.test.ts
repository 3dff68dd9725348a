/**
 * The pull-through mirror in the cluster, with the lab's own registry for Docker Hub. The lab has no kube-proxy: a rule on
 * the node does what that would do for the mirror's Service.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import type { V1PersistentVolumeSpec, V1Pod } from "@kubernetes/client-node";
import { images } from "../../lab/images/images";
import { machine } from "../../lab/machine/places";
import { cluster, eventually, gitlab, onNode } from "../lab/stack/lab";
import { labConfig } from "./tokenStack";
import {
  dockerWays,
  endOf,
  EngineStack,
  loadOnNodes,
  onServer,
  only,
  resident,
  runJob,
  type RunnerEntry,
} from "./engineStack";

const namespace = "mirrored";
const runners: RunnerEntry[] = [
  ...(["dind", "dind-job", "dind-plain"] as const).map((way) => ({
    name: `mirrored-${way}`,
    ...dockerWays[way],
    layerCache: false,
    ...only(1),
  })),
  { name: "mirrored-engine", ...resident, ...only(1) },
  { name: "mirrored-pods", way: "kubernetes", jobImage: "pi-lab/buildah:1", ...only(1) },
];
const folder = "/var/lib/kubelet/pi-mirror";
const anyMirror = { enabled: true, remoteUrl: "http://registry.lab:5000", image: "pi-lab/registry:2" };
const mirror = { ...anyMirror, hostFolder: folder, ...only(1) };

/** What Docker calls `mirrored:1` has the name of an official image on Docker Hub. */
const image = "mirrored:1";
const docker = [`docker pull ${image}`, `docker build --progress plain -t here - <Dockerfile`];
const buildah = [`buildah pull docker.io/library/${image}`];
const buildkit =
  "buildctl-daemonless.sh build --progress plain --frontend dockerfile.v0 --local context=. --local dockerfile=.";
const files = { Dockerfile: `FROM ${image}\nRUN echo built\n` };

/** Puts the image onto the stand-in for Docker Hub. */
async function onHub(): Promise<void> {
  const copy = "skopeo copy --quiet --src-tls-verify=false --dest-tls-verify=false";
  await onServer(`${copy} docker://localhost:5000/base:1 docker://localhost:5000/library/${image}`);
}

/** Layers that the stand-in for Docker Hub has handed out. */
async function pulledFromHub(since: number): Promise<number> {
  const log = await onServer(`journalctl --unit lab-registry --since @${since} --output cat --no-pager`);
  return log.split("\n").filter((line) => /"GET \/v2\/library\/mirrored\/blobs\/\S+ HTTP\/1\.1" 200/.test(line)).length;
}

/** The mirror's pod in this namespace, once it is ready; another one than this. */
function readyMirror(of: string, other?: V1Pod): Promise<V1Pod> {
  const labelSelector = "app.kubernetes.io/name=registry-mirror";
  return eventually("the mirror is ready", 120, async () => {
    const { items } = await cluster().listNamespacedPod({ namespace: of, labelSelector });
    return items.find(
      ({ metadata, status }) =>
        metadata!.uid !== other?.metadata!.uid &&
        metadata!.deletionTimestamp === undefined &&
        status?.containerStatuses?.every(({ ready }) => ready),
    );
  });
}

/** The rule by which the address of the Service leads to this pod. */
async function ruleTo({ metadata, status }: V1Pod): Promise<string> {
  const at = { namespace: metadata!.namespace!, name: "registry-mirror" };
  const { spec } = await cluster().readNamespacedService(at);
  return `-d ${spec!.clusterIP}/32 -p tcp --dport 5000 -j DNAT --to-destination ${status!.podIP}:5000`;
}

const insert = (rule: string): Promise<string> =>
  onNode(1, `iptables -w -t nat -I PREROUTING ${rule} && iptables -w -t nat -I OUTPUT ${rule}`);
const remove = (rule: string): Promise<string> =>
  onNode(1, `iptables -w -t nat -D PREROUTING ${rule}; iptables -w -t nat -D OUTPUT ${rule}; true`);

describe("a pull-through mirror in the cluster", function () {
  this.timeout(900_000);
  const hostAliases = { ...(labConfig(namespace)["hostAliases"] as object), "registry-1.docker.io": machine };
  const settings = { mirror, hostAliases };
  let stack: EngineStack;
  let rule = "";
  let hub: Server;
  /** How often Docker Hub's own address was asked; nothing that it says would do. */
  let asked = 0;

  before(async () => {
    await loadOnNodes("registry", "buildkit");
    hub = createServer((socket) => {
      asked++;
      socket.destroy();
    }).listen(443, machine);
    await once(hub, "listening");
    await onHub();
    stack = await EngineStack.of(namespace, runners);
    await stack.up(runners, settings);
    rule = await ruleTo(await readyMirror(namespace));
    await insert(rule);
  });

  after(async () => {
    if (rule !== "") {
      await remove(rule);
    }
    hub?.close();
    await stack?.destroy();
    await onNode(1, `rm -rf ${folder}`);
  });

  async function jobs(): Promise<string[]> {
    const traces: string[] = [];
    for (const { name, way } of runners) {
      const script = ["echo by $HTTP_PROXY", ...(way === "kubernetes" ? buildah : docker)];
      const { status, trace } = await runJob(name, name, script, files);
      assert.equal(status, "success", `${name}: ${trace}`);
      traces.push(trace);
    }
    return traces;
  }

  it("brings an image of Docker Hub once, for the daemons and builders of every way", async () => {
    const since = Math.ceil(Date.now() / 1000);
    await jobs();
    assert.equal(asked, 0);
    const layers = await pulledFromHub(since);
    assert.ok(layers > 0);
    const later = Math.ceil(Date.now() / 1000) + 1;
    await new Promise((done) => setTimeout(done, 1100));
    await jobs();
    assert.equal(await pulledFromHub(later), 0, "a daemon that begins with nothing found it in the cluster");
  });

  it("is asked by BuildKit in a pod, too", async () => {
    const since = Math.ceil(Date.now() / 1000);
    const job = {
      tags: ["mirrored-pods"],
      image: { name: images.buildkit.alias, entrypoint: [""] },
      script: [buildkit],
    };
    await gitlab.createProject("mirrored-kit", { files: { ...files, ".gitlab-ci.yml": JSON.stringify({ job }) } });
    const { status, trace } = (await endOf((await gitlab.startPipeline("mirrored-kit")).id))[0]!;
    assert.equal(status, "success", trace);
    assert.match(trace, /^#\d+ .*built$/m);
    assert.equal(asked, 0);
    assert.equal(await pulledFromHub(since), 0, "the mirror has it");
  });

  it("is not needed: while it is down, builds from other registries go on, and Docker Hub itself is asked", async () => {
    // As kube-proxy does for a Service without a pod.
    const refused = `FORWARD ${rule.replace(/-j .*/, "-j REJECT")}`;
    await onNode(1, `iptables -w -t nat -D PREROUTING ${rule} && iptables -w -I ${refused}`);
    try {
      const [{ name }] = runners as [RunnerEntry];
      const script = ["docker build --progress plain -t here - <Dockerfile", `docker pull ${image} || echo no mirror`];
      const since = Math.ceil(Date.now() / 1000);
      const before = asked;
      const base = { Dockerfile: "FROM registry.lab:5000/base:1\nRUN echo built\n" };
      const { status, trace } = await runJob(name, `${name}-alone`, script, base);
      assert.equal(status, "success", trace);
      assert.match(trace, /^no mirror$/m);
      assert.ok(asked > before, trace);
      assert.equal(await pulledFromHub(since), 0);
    } finally {
      await onNode(1, `iptables -w -D ${refused}; iptables -w -t nat -I PREROUTING ${rule}`);
    }
  });

  it("is reached without the proxy that its runners have", async () => {
    // Nothing listens there: who goes by it fails.
    const proxy = { http: `http://${machine}:9`, https: `http://${machine}:9`, noProxy: [".lab"] };
    const before = await Promise.all(runners.map(({ name }) => stack.ready(name)));
    await stack.up(
      runners.map((runner) => ({ ...runner, proxy })),
      settings,
    );
    await Promise.all(runners.map(({ name }, index) => stack.ready(name, before[index])));
    for (const trace of await jobs()) {
      assert.match(trace, new RegExp(`^by http://${machine}:9$`, "m"));
    }
  });
});

describe("a pull-through mirror with a claim", function () {
  this.timeout(600_000);
  const claimed = "claimed";
  const runner: RunnerEntry = { name: "claimed-dind", way: "dind", layerCache: false, ...only(1) };
  const path = "/var/lib/kubelet/pi-mirror-claim";
  const volume = { name: "pi-mirror-claim" };
  let stack: EngineStack | undefined;
  let rule = "";

  before(async () => {
    await loadOnNodes("registry");
    await onHub();
    await onNode(1, `mkdir -p ${path}`);
    await cluster().createPersistentVolume({ body: { metadata: volume, spec: spec() } });
    stack = await EngineStack.of(claimed, [runner]);
    await stack.up([runner], { mirror: { ...anyMirror, size: "1Gi", storageClassName: volume.name } });
  });

  after(async () => {
    await (rule === "" ? undefined : remove(rule));
    await stack?.destroy();
    await cluster().deletePersistentVolume(volume);
    await onNode(1, `rm -rf ${path}`);
  });

  /** A disk of node1, as the lab has nothing that makes volumes. */
  const spec = (): V1PersistentVolumeSpec => ({
    capacity: { storage: "1Gi" },
    accessModes: ["ReadWriteOnce"],
    storageClassName: volume.name,
    local: { path },
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [
          { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: ["node1"] }] },
        ],
      },
    },
  });

  async function pullThrough(pod: V1Pod): Promise<number> {
    await (rule === "" ? undefined : remove(rule));
    rule = await ruleTo(pod);
    await insert(rule);
    const since = Math.ceil(Date.now() / 1000) + 1;
    await new Promise((done) => setTimeout(done, 2000));
    const { status, trace } = await runJob(runner.name, runner.name, docker, files);
    assert.equal(status, "success", trace);
    return pulledFromHub(since);
  }

  it("is nobody on its node, and another pod of it has what one had pulled", async () => {
    const first = await readyMirror(claimed);
    assert.ok((await pullThrough(first)) > 0);
    const owners = await onNode(1, `find ${path} -type f -exec stat -c %u {} + | sort -u`);
    assert.equal(owners.trim(), "65532");
    await cluster().deleteNamespacedPod({ namespace: claimed, name: first.metadata!.name! });
    assert.equal(await pullThrough(await readyMirror(claimed, first)), 0);
  });
});
