/** Runners for a node with a taint, and of a priority: pods of managers, of jobs, and who stays away. */
import { KubeConfig, SchedulingV1Api, type V1Taint } from "@kubernetes/client-node";
import assert from "node:assert/strict";
import { join } from "node:path";
import { checkout, cluster, eventually } from "../lab/stack/lab";
import { dockerWays, endOf, EngineStack, only, printed, resident, startJobs, type RunnerEntry } from "./engineStack";

const namespace = "placed";
const priority = { name: "pi-builds-first", value: 1234 };
const taint = { key: "pi-runners", value: "builds", effect: "NoSchedule" };
const place = {
  ...only(2),
  tolerations: [{ key: taint.key, operator: "Equal", value: taint.value, effect: taint.effect }],
  priorityClassName: priority.name,
};
const welcome: RunnerEntry[] = [
  { name: "placed-dood", ...dockerWays.dood, ...place },
  { name: "placed-engine", ...resident, ...place },
  { name: "placed-pods", way: "kubernetes", jobImage: "pi-lab/buildah:1", ...place },
];
const stranger: RunnerEntry = { name: "stranger", ...dockerWays.dood, ...only(2) };
const runners = [...welcome, stranger];

function scheduling(): SchedulingV1Api {
  const config = new KubeConfig();
  config.loadFromFile(join(checkout, ".lab/kubeconfig"));
  return config.makeApiClient(SchedulingV1Api);
}

/** Gives node2 the taint, or takes it away; its kubelet may write to the same object at that moment. */
async function setTaint(there: boolean): Promise<void> {
  await eventually("the taint is set", 20, async () => {
    const body = await cluster().readNode({ name: "node2" });
    const others = (body.spec!.taints ?? []).filter(({ key }) => key !== taint.key);
    body.spec!.taints = [...others, ...(there ? [taint as V1Taint] : [])];
    return cluster()
      .replaceNode({ name: "node2", body })
      .catch(() => undefined);
  });
}

describe("a node with a taint, and a priority", function () {
  this.timeout(400_000);
  let stack: EngineStack;

  before(async () => {
    await setTaint(true);
    await scheduling().createPriorityClass({ body: { metadata: { name: priority.name }, value: priority.value } });
    stack = await EngineStack.of(namespace, runners);
    await stack.up(runners);
  });
  after(async () => {
    await stack?.destroy();
    await scheduling().deletePriorityClass({ name: priority.name });
    await setTaint(false);
  });

  for (const { name, way } of welcome) {
    it(`${way}: a runner that tolerates it is there with its priority, and so are its jobs`, async () => {
      const { spec } = await stack.ready(name);
      assert.deepEqual([spec!.nodeName, spec!.priority], ["node2", priority.value]);
      const pipeline = await startJobs(name, name, { job: ["echo now it be''gan", "sleep 5"] });
      await printed(pipeline, "now it began");
      if (way === "kubernetes") {
        const { items } = await cluster().listNamespacedPod({ namespace, labelSelector: `pi-runners/jobs-of=${name}` });
        assert.deepEqual(
          items.map((pod) => [pod.spec!.nodeName, pod.spec!.priority]),
          [["node2", priority.value]],
        );
      }
      const { status, trace } = (await endOf(pipeline))[0]!;
      assert.equal(status, "success", trace);
    });
  }

  it("one that does not tolerate it has no pod there, and up does not wait for one", async () => {
    assert.deepEqual(await stack.pods(stranger.name), []);
    await setTaint(false);
    await stack.ready(stranger.name);
  });
});
