/**
 * Jobs in user namespaces: `hostUsers: false` on a node with containerd 2.1 and runc 1.3 of Debian's unstable suite, and on
 * one of the lab's own, whose containerd 1.7 has none to give.
 */
import assert from "node:assert/strict";
import { nodesReady } from "../../../lab/cluster/cluster";
import { joinNodes, removeNodes } from "../../../lab/cluster/join";
import { type Engine, startEngine } from "../../../lab/engine/engine";
import { imageSets, loadForPods } from "../../../lab/images/nodeImages";
import { node } from "../../../lab/machine/places";
import { patience } from "../../host/trust/lab";
import { destroyWays, gitlab } from "../../lab/stack/lab";
import { deployOnlyPods, deployWays, ended, jobPods, printed, startJob, sweep } from "./ways";

const quiet = (): void => undefined;
const newer = node(134);
const on = (name: string): Record<string, unknown> => ({
  hostUsers: false,
  nodeSelector: { "kubernetes.io/hostname": name },
});

describe("hostUsers: false", function () {
  this.timeout(500_000);

  let engine: Engine;
  before(async function () {
    this.timeout(patience);
    engine = await startEngine(quiet);
    await deployWays();
    await joinNodes(engine, [newer], await imageSets(engine, quiet), quiet, "docker28");
    await loadForPods(engine, [newer], ["buildah"], quiet);
    await nodesReady(engine, [newer], quiet);
  });
  after(async () => {
    await sweep();
    await destroyWays();
    await removeNodes(engine, [newer], quiet);
  });

  it("has jobs whose root is nobody on a node that can have it, and they build and push there", async () => {
    await deployOnlyPods(on(newer.name));
    const id = await startJob("mapped", "echo began", "cat /proc/self/uid_map", "sleep 15");
    await printed(id, "began");
    const [pod] = await jobPods();
    assert.equal(pod!.spec!.hostUsers, false);
    const { status, trace } = await ended(id);
    assert.equal(status, "success", trace);
    const [, first] = / 0 +(\d+) +\d+\r?\n/.exec(trace)!;
    assert.ok(Number(first) >= 65_536, trace);
    const build = await ended((await gitlab.startPipeline("hello-kubernetes")).id); // what deployWays built
    assert.equal(build.status, "success", build.trace);
    assert.match(build.trace, /@sha256:[0-9a-f]{64}/);
  });

  it("keeps jobs from running, and says why, on a node that cannot have it", async () => {
    await deployOnlyPods(on("node1"));
    const { status, trace } = await ended(await startJob("unmapped", "echo began"));
    assert.equal(status, "failed", trace);
    assert.match(trace, /user namespaces/);
  });
});
