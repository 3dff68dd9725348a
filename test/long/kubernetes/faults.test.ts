/** What happens to jobs of the Kubernetes executor when a manager has to go, and when a job's pod is killed. */
import assert from "node:assert/strict";
import { cluster, destroyWays, eventually } from "../../lab/stack/lab";
import { deployWays, ended, jobPods, managerPods, namespace, printed, startJob, sweep } from "./ways";

describe("faults around jobs of the Kubernetes executor", function () {
  this.timeout(300_000);

  before(deployWays);
  after(async () => {
    await sweep();
    await destroyWays();
  });

  it("a manager that has to go lets its job end, while the next one takes others", async () => {
    const [old] = await managerPods();
    const long = await startJob("long", "echo began", "sleep 40", "echo ended");
    await printed(long, "began");
    await cluster().deleteNamespacedPod({ namespace, name: old!.metadata!.name! });
    const next = await ended(await startJob("meanwhile", "echo hello"));
    assert.equal(next.status, "success");
    assert.ok(!next.trace.includes(`via ${old!.metadata!.name}`), "the next manager ran it");
    const { status, trace } = await ended(long);
    assert.equal(status, "success", trace);
    await eventually("the old manager is gone, long before its grace is over", 60, async () => {
      const names = (await managerPods()).map(({ metadata }) => metadata!.name);
      return names.includes(old!.metadata!.name) ? undefined : true;
    });
  });

  it("a job whose pod is killed fails and says so, and the next one runs", async () => {
    const id = await startJob("killed", "echo began", "sleep 120");
    await printed(id, "began");
    const [pod] = await jobPods();
    await cluster().deleteNamespacedPod({ namespace, name: pod!.metadata!.name!, gracePeriodSeconds: 0 });
    const begin = Date.now();
    const { status, trace } = await ended(id);
    assert.equal(status, "failed");
    assert.match(trace, /ERROR: Job failed \(system failure\)/);
    assert.ok(Date.now() - begin < 60_000, "long before the script would have ended");
    assert.equal((await ended(await startJob("killed", "echo hello"))).status, "success");
  });
});
