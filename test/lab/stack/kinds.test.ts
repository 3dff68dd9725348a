/**
 * Nodes of every kind in one cluster: what their kubelets pull by trust alone, from every kind of registry, and jobs on
 * those whose Docker is older or newer than that of the lab's own nodes.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { Way } from "../../../components/runners/executors";
import { namelessImages } from "../../../components/runners/prune";
import { nodesReady } from "../../../lab/cluster/cluster";
import { joinNodes, removeNodes } from "../../../lab/cluster/join";
import type { NodeKind } from "../../../lab/cluster/nodes";
import { type Engine, startEngine } from "../../../lab/engine/engine";
import { imageSets, loadForPods } from "../../../lab/images/nodeImages";
import { type LabNode, node, type StackName, stackNames } from "../../../lab/machine/places";
import { linkRunner } from "../../../lab/stack/runnerFile";
import { component } from "../../../templates/component";
import { fillIn } from "../../../templates/print";
import {
  changedStack,
  checkout,
  cluster,
  type DevConfig,
  destroyWays,
  eventually,
  gitlab,
  pulumi,
  runnerPods,
  up,
} from "./lab";

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
/** Those on which jobs build: Docker 28 and 29 in `make test-long`. */
const building = joined.filter(({ kind }) => kind === (LAB_KIND ?? "debian12"));

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

/** A stack's file with the nodes of these tests besides, and all its runners on one of them. */
const stackOn = ({ node: { name } }: Joined, stack: StackName = "dev"): string =>
  changedStack((config) => {
    config["pi-runners:nodes"].push(...nodes.map((one) => ({ name: one.name, host: one.address })));
    for (const runner of config["pi-runners:runners"]) {
      if (runner.way === "shell") {
        runner.hosts = [name];
      } else {
        runner.nodeSelector = { "kubernetes.io/hostname": name };
      }
    }
  }, stack);

/** A runner of the lab's two stacks, which have one of each way. */
interface Runner {
  way: Way;
  jobImage: string;
  namespace: string;
}

const runners = stackNames.flatMap((stack) => {
  const file = parse(readFileSync(join(checkout, `Pulumi.${stack}.yaml`), "utf8")) as { config: DevConfig };
  const namespace = (file.config["pi-runners:namespace"] as string | undefined) ?? "gitlab-runners";
  return file.config["pi-runners:runners"].map(({ way, jobImage = "pi-lab/docker:cli" }): Runner => ({
    way: way as Way,
    jobImage,
    namespace,
  }));
});

/** Waits until a runner's pod is ready on this node, and it has left the others. */
async function readyOnlyOn(node: LabNode, { way, namespace }: Runner): Promise<void> {
  await eventually(`${way} is ready on ${node.name} and nowhere else`, 240, async () => {
    const pods = await runnerPods(way, namespace);
    const there = pods.every(({ spec }) => spec!.nodeName === node.name);
    const fine = pods.every(({ status }) => status?.containerStatuses?.every(({ ready }) => ready));
    return pods.length === 1 && there && fine ? true : undefined;
  });
}

/** GitLab's own registry by both of its faces: both ask for a token. */
const registries = ["gitlab.lab:5050", "gitlab.lab:5443"] as const;

/** Builds from a registry and pushes to it, by the component that the product ships for the way. */
async function build({ way, jobImage }: Runner, registry: string, on: string, builder: string): Promise<Ended> {
  const project = `${on}-${way}-${registry.split(":")[1]}-${builder}`;
  const image = `${registry}/lab/${project}`;
  await gitlab.createProject(project, {
    files: {
      ".gitlab-ci.yml": fillIn(component(way), {
        ...{ tags: [way], registry, image },
        ...(way === "shell" ? {} : { job_image: jobImage }),
      }),
      Dockerfile: `FROM ${registry}/lab/base:1\nRUN echo ${Date.now()} >/built\n`,
    },
    variables: [
      { key: "CI_REGISTRY", value: registry },
      ...(builder === classic ? [{ key: "DOCKER_BUILDKIT", value: "0" }] : []),
    ],
  });
  let trace = "";
  const onTrace = (_: unknown, text: string): void => void (trace += text);
  const { jobs } = await gitlab.runPipeline(project, { timeoutMs: 500_000, onTrace });
  return { status: jobs[0]!.status, trace, image };
}

interface Ended {
  status: string;
  trace: string;
  image: string;
}

/** The builder of Docker 20.10 that takes what the daemon trusts; that of today's client is BuildKit. */
const classic = "classic";
const buildkit = "buildkit";

/** What BuildKit inside Docker 20.10 says of a registry that its daemon trusts (docs/registry-trust.md). */
const unknownTo2010: Record<(typeof registries)[number], RegExp> = {
  "gitlab.lab:5050": /ERROR: .*: http: server gave HTTP response to HTTPS client/,
  "gitlab.lab:5443": /ERROR: .*: x509: certificate signed by unknown authority/,
};

describe("nodes of every kind in one cluster", function () {
  this.timeout(900_000);

  before(async () => {
    engine = await startEngine(quiet);
    const sets = await imageSets(engine, quiet);
    await Promise.all(joined.map((one) => joinNodes(engine, [one.node], sets, quiet, one.kind)));
    await nodesReady(engine, nodes, quiet);
  });
  after(async () => {
    await destroyWays();
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

    for (const one of building) {
      describe(`${one.kind}: every way`, () => {
        const { node, kind } = one;
        const old = (way: Way): boolean => kind === "debian12" && way === "dood";
        const jobs = new Map<string, Promise<Ended>>();
        const nameOf = (way: Way, registry: string, builder: string): string => `${way} ${registry} ${builder}`;

        before(async () => {
          await loadForPods(engine, [node], ["buildah"], quiet);
          await linkRunner(quiet);
          await pulumi("stack", "init", "ways", "--no-select"); // it may be there, and empty
          await Promise.all([up(stackOn(one)), up(stackOn(one, "ways"), "ways")]);
          for (const runner of runners) {
            const ready = runner.way === "shell" ? Promise.resolve() : readyOnlyOn(node, runner);
            for (const registry of registries) {
              for (const builder of old(runner.way) ? [buildkit, classic] : [buildkit]) {
                const job = ready.then(() => build(runner, registry, kind, builder));
                job.catch(() => undefined); // its test says so
                jobs.set(nameOf(runner.way, registry, builder), job);
              }
            }
          }
        });

        it("its Docker is the one that is meant, with the image store that it has by default", async () => {
          const ask = (format: string): Promise<string> =>
            engine.exec(node.container, ["docker", "info", "--format", format]);
          assert.match(await ask("{{.ServerVersion}}"), one.docker);
          // What guards and hosts of way shell ask it for, in words that this release has to know.
          const nameless = `${namelessImages("docker").join("\n")}\nset -o pipefail; nameless_images 0`;
          await engine.exec(node.container, ["bash", "-c", nameless]);
          await engine.exec(node.container, [
            "docker",
            "builder",
            "prune",
            "--all",
            "--force",
            "--filter",
            "until=9999h",
          ]);
          assert.equal(
            (await ask("{{json .DriverStatus}}")).includes("io.containerd.snapshotter"),
            kind === "docker29",
          );
        });

        for (const { way } of runners) {
          for (const registry of registries) {
            const refused = old(way) ? ", which BuildKit does not know and the classic builder does" : "";
            it(`${way} builds from ${registry} and pushes to it${refused}`, async () => {
              if (old(way)) {
                const { status, trace } = await jobs.get(nameOf(way, registry, buildkit))!;
                assert.equal(status, "failed", trace);
                assert.match(trace, unknownTo2010[registry]);
              }
              const builder = old(way) ? classic : buildkit;
              const { status, trace, image } = await jobs.get(nameOf(way, registry, builder))!;
              assert.equal(status, "success", trace);
              assert.match(trace, new RegExp(`${image}@sha256:[0-9a-f]{64}`));
            });
          }
        }

        if (kind === "debian12") {
          it("BuildKit in its Docker knows the CA after a restart, and a registry without TLS never", async () => {
            await engine.exec(node.container, ["systemctl", "restart", "docker"]);
            const dood = runners.find(({ way }) => way === "dood")!;
            const [plain, byCa] = await Promise.all(
              registries.map((registry) => build(dood, registry, `${kind}-again`, buildkit)),
            );
            assert.equal(byCa!.status, "success", byCa!.trace);
            assert.match(byCa!.trace, /\[internal\] load build definition/);
            assert.equal(plain!.status, "failed", plain!.trace);
            assert.match(plain!.trace, unknownTo2010[registries[0]]);
          });
        }

        it("pods of jobs were there and nowhere else", async () => {
          const { items } = await cluster().listNamespacedEvent({
            namespace: "gitlab-ways",
            fieldSelector: "reason=Scheduled",
          });
          const ofJobs = items.filter(({ involvedObject: { name } }) => name?.startsWith("runner-"));
          const places = ofJobs.map(({ message }) => message!.split(" ").at(-1));
          assert.equal(places.filter((name) => name === node.name).length, registries.length);
        });
      });
    }
  });
});
