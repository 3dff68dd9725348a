/** What a stack file says of the manager's Deployment, on a real API server: the manager is rolled, and runs jobs. */
import assert from "node:assert/strict";
import { AppsV1Api, KubeConfig, type V1Deployment, type V1Pod } from "@kubernetes/client-node";
import { join } from "node:path";
import { checkout, cluster, destroyWays, eventually } from "../../lab/stack/lab";
import { deployOnlyPods, deployWays, ended, managerPods, namespace, runner, startJob, sweep } from "./ways";

describe("a manager whose Deployment the stack file patches", function () {
  this.timeout(600_000);

  before(async () => {
    await deployWays();
    await deployOnlyPods();
  });
  after(async () => {
    await sweep();
    await destroyWays();
  });

  const preferred = [
    { weight: 1, preference: { matchExpressions: [{ key: "kubernetes.io/os", operator: "In", values: ["linux"] }] } },
  ];
  const affinity = { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } };
  const note = { "example.com/note": "from the stack file" };

  it("is rolled and ready with it, in a namespace of level baseline, and runs a job", async () => {
    const [before] = await managerPods();
    const { image } = before!.spec!.containers[0]!;
    const volumeMounts = [{ name: "mine", mountPath: "/mine" }];
    const template = {
      metadata: { labels: { team: "ci" }, annotations: note },
      spec: {
        affinity,
        volumes: [{ name: "mine", emptyDir: {} }],
        initContainers: [{ name: "before", image, command: ["sh", "-c", "echo hello >/mine/hello"], volumeMounts }],
        containers: [{ name: "runner", env: [{ name: "MINE", value: "yes" }], volumeMounts }],
      },
    };
    await deployOnlyPods({ deployment: { metadata: { annotations: note }, spec: { template } } });
    const { metadata, spec, status } = await theManager();
    assert.notEqual(metadata!.uid, before!.metadata!.uid);
    assert.ok(status!.containerStatuses!.every(({ ready }) => ready));
    assert.equal(metadata!.labels!["team"], "ci");
    assert.equal(metadata!.annotations!["example.com/note"], note["example.com/note"]);
    const identity = "pi-runners/identity";
    assert.equal(metadata!.annotations![identity], before!.metadata!.annotations![identity], "it is the same runner");
    assert.deepEqual(plain(spec!.affinity), affinity);
    const [manager] = spec!.containers;
    assert.equal(manager!.env!.find(({ name }) => name === "MINE")?.value, "yes");
    assert.ok(manager!.env!.some(({ name }) => name === "RUNNER_SALT"));
    assert.equal(manager!.volumeMounts!.find(({ mountPath }) => mountPath === "/mine")?.name, "mine");
    assert.equal((await theDeployment()).metadata!.annotations!["example.com/note"], note["example.com/note"]);
    const { metadata: place } = await cluster().readNamespace({ name: namespace });
    assert.equal(place!.labels!["pod-security.kubernetes.io/enforce"], "baseline");
    await hasJob("patched");
  });

  it("is replaced after the one before, where its strategy says so", async () => {
    await deployOnlyPods({ deployment: { spec: { strategy: { type: "Recreate" }, revisionHistoryLimit: 2 } } });
    const { spec } = await theDeployment();
    assert.deepEqual([plain(spec!.strategy), spec!.revisionHistoryLimit], [{ type: "Recreate" }, 2]);
    await hasJob("recreated");
  });

  it("is as before without it", async () => {
    await deployOnlyPods();
    const { metadata, spec } = await theDeployment();
    assert.equal(spec!.strategy!.type, "RollingUpdate");
    assert.equal(metadata!.annotations!["example.com/note"], undefined);
    const pod = await theManager();
    assert.deepEqual([pod.spec!.affinity, pod.spec!.initContainers], [undefined, undefined]);
    await hasJob("again");
  });

  /** Without the client's classes. */
  const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

  const hasJob = async (project: string): Promise<void> => {
    const { status, trace } = await ended(await startJob(project, "echo hello"));
    assert.equal(status, "success", trace);
  };

  /** The only manager, once the one before has gone. */
  const theManager = (): Promise<V1Pod> =>
    eventually("there is one manager", 120, async () => {
      const pods = await managerPods();
      return pods.length === 1 ? pods[0] : undefined;
    });

  const theDeployment = (): Promise<V1Deployment> => {
    const config = new KubeConfig();
    config.loadFromFile(join(checkout, ".lab/kubeconfig"));
    return config.makeApiClient(AppsV1Api).readNamespacedDeployment({ namespace, name: runner });
  };
});
