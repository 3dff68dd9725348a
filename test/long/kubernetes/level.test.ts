/** A namespace whose runners all have the Kubernetes executor is judged by level baseline, and jobs build in it. */
import assert from "node:assert/strict";
import { cluster, destroyWays, gitlab } from "../../lab/stack/lab";
import { deployOnlyPods, deployWays, ended, jobPods, namespace, printed, startJob, sweep } from "./ways";

describe("a stack with no way but kubernetes", function () {
  this.timeout(400_000);

  before(async () => {
    await deployWays();
    await deployOnlyPods();
  });
  after(async () => {
    await sweep();
    await destroyWays();
  });

  it("has a namespace of level baseline, in which its manager and a build are let in", async () => {
    const { metadata } = await cluster().readNamespace({ name: namespace });
    assert.equal(metadata!.labels!["pod-security.kubernetes.io/enforce"], "baseline");
    const project = "hello-kubernetes"; // what deployWays built
    const { id } = await gitlab.startPipeline(project);
    const { status, trace } = await ended(id);
    assert.equal(status, "success", trace);
    assert.match(trace, /@sha256:[0-9a-f]{64}/);
  });

  it("has job pods without a token of the cluster", async () => {
    const id = await startJob(
      "account",
      "echo began",
      // The script itself is echoed, too.
      "ls /var/run/secrets/kubernetes.io || echo no to''ken",
      "sleep 20",
    );
    await printed(id, "no token");
    const [pod] = await jobPods();
    assert.equal(pod!.spec!.serviceAccountName, "kubernetes-jobs");
    for (const { securityContext, volumeMounts = [] } of pod!.spec!.containers) {
      assert.notEqual(securityContext?.privileged, true);
      assert.ok(volumeMounts.every(({ mountPath }) => !mountPath.startsWith("/var/run/secrets/kubernetes.io")));
    }
  });
});
