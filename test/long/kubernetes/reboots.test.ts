/** Nodes that start again while jobs of the Kubernetes executor run: that of a job's pod, that of its manager, that of both. */
import assert from "node:assert/strict";
import type { V1Pod } from "@kubernetes/client-node";
import { type Engine, startEngine } from "../../../lab/engine/engine";
import { cluster, destroyWays, eventually, gitlab } from "../../lab/stack/lab";
import {
  deployOnlyPods,
  deployWays,
  ended,
  jobPods,
  managerPods,
  namespace,
  printed,
  restarts,
  runner,
  startJob,
  sweep,
} from "./ways";

const on = (node: string): Record<string, string> => ({ "kubernetes.io/hostname": node });

describe("a node that starts again under the Kubernetes executor", function () {
  this.timeout(600_000);

  let engine: Engine;
  before(async () => {
    engine = await startEngine(() => undefined);
    await deployWays();
  });
  after(async () => {
    await sweep();
    await destroyWays();
  });

  /** A job that would run long on a node, by a manager on another one or the same. */
  async function running(project: string, { manager, job }: { manager: string; job: string }) {
    await deployOnlyPods({
      nodeSelector: on(manager),
      config: { runners: [{ kubernetes: { node_selector: on(job) } }] },
    });
    const pod = await eventually("the manager is where it is to be, alone and ready", 180, async () => {
      const [first, ...others] = await managerPods();
      const there = first?.spec?.nodeName === manager && first.status?.containerStatuses?.[0]?.ready === true;
      return there && others.length === 0 ? first : undefined;
    });
    const id = await startJob(project, "echo began", "sleep 500");
    await printed(id, "began");
    assert.deepEqual(
      (await jobPods()).map(({ spec }) => spec!.nodeName),
      [job],
    );
    return { id, pod };
  }

  const restart = (node: string): Promise<string> => engine.run(["restart", "--time", "5", `pi-lab-${node}`]);

  const identity = async (id: number): Promise<string | undefined> =>
    (await gitlab.pipeline(id)).jobs[0]!.runner?.systemId;

  /** Nothing of the job stays, and the next one passes by the same pod of the same manager. */
  async function nextPasses(project: string, id: number, manager: V1Pod): Promise<void> {
    await eventually("the job's pod is gone", 240, async () => {
      const labelSelector = `pi-runners/jobs-of=${runner}`;
      const pods = await cluster().listNamespacedPod({ namespace, labelSelector });
      return pods.items.length === 0 ? true : undefined;
    });
    const next = await startJob(project, "echo hello");
    const { status, trace } = await ended(next);
    assert.equal(status, "success", trace);
    assert.equal(await identity(next), await identity(id));
    assert.deepEqual(
      (await managerPods()).map(({ metadata }) => metadata!.uid),
      [manager.metadata!.uid],
    );
  }

  it("that of a job's pod: the job fails and says so, its pod goes, the next one runs", async () => {
    const { id, pod } = await running("reboot-job", { manager: "node2", job: "node1" });
    await restart("node1");
    const { status, trace } = await ended(id);
    assert.equal(status, "failed", trace);
    assert.match(trace, /ERROR: Job failed/);
    await nextPasses("reboot-job", id, pod);
    assert.deepEqual((await managerPods()).map(restarts), [restarts(pod)]);
  });

  // The manager is on another node each time: a pod that stays reads its new settings within a minute or two.
  for (const [whose, manager] of [
    ["the manager", "node2"],
    ["the manager and the job's pod", "node1"],
  ] as const) {
    it(`that of ${whose}: GitLab hears no more of the job, its pod goes, the next one runs`, async () => {
      const project = `reboot-manager-${manager}`;
      const { id, pod } = await running(project, { manager, job: "node1" });
      await restart(manager);
      await nextPasses(project, id, pod);
      assert.equal((await gitlab.pipeline(id)).status, "running", "until GitLab's own time limit");
      await gitlab.cancelPipeline(id);
    });
  }
});
