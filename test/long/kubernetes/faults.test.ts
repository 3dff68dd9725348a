/** What happens to jobs of the Kubernetes executor when something goes away: their manager, their pod, GitLab, the API server. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Engine, startEngine } from "../../../lab/engine/engine";
import { server } from "../../../lab/machine/places";
import { checkout, cluster, destroyWays, eventually, gitlab, onNode } from "../../lab/stack/lab";
import {
  deployOnlyPods,
  deployWays,
  ended,
  jobPods,
  killManager,
  managerPods,
  namespace,
  printed,
  restarts,
  startJob,
  sweep,
} from "./ways";

describe("faults around jobs of the Kubernetes executor", function () {
  this.timeout(300_000);

  let engine: Engine;
  before(async () => {
    engine = await startEngine(() => undefined);
    await deployWays();
  });
  afterEach(() => gitlab.setFault({ mode: "up" }));
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

  it("a job whose pod is evicted fails at once, and the next one runs", async () => {
    const id = await startJob("evicted", "echo began", "sleep 120");
    await printed(id, "began");
    const [pod] = await jobPods();
    const name = pod!.metadata!.name!;
    await cluster().createNamespacedPodEviction({ namespace, name, body: { metadata: { name, namespace } } });
    const begin = Date.now();
    assert.equal((await ended(id)).status, "failed");
    assert.ok(Date.now() - begin < 90_000, "long before the script would have ended");
    assert.equal((await ended(await startJob("evicted", "echo hello"))).status, "success");
  });

  it("containerd killed on the job's node: the job goes on and ends well, its pod goes, and the next one runs", async () => {
    const id = await startJob("no-containerd", "echo began", "sleep 30", "echo it en''ded");
    await printed(id, "began");
    const [pod] = await jobPods();
    const on = `pi-lab-${pod!.spec!.nodeName}`;
    await engine.exec(on, ["sh", "-c", "kill -9 $(systemctl show -p MainPID --value containerd)"]);
    const { status, trace } = await ended(id);
    assert.equal(status, "success", trace);
    assert.match(trace, /it ended/);
    await eventually("no pod of a job stays", 90, async () => ((await jobPods()).length === 0 ? true : undefined));
    assert.equal((await ended(await startJob("no-containerd", "echo hello"))).status, "success");
  });

  it("a manager that is killed comes back in its pod, and takes away the pods that it had left", async () => {
    const [id, before] = [await orphan("crashed"), (await managerPods())[0]!];
    await killManager(engine, before);
    await eventually("the job's pod is gone", 90, async () => ((await jobPods()).length === 0 ? true : undefined));
    const [manager] = await managerPods();
    assert.equal(manager!.metadata!.uid, before.metadata!.uid);
    assert.ok(restarts(manager!) > restarts(before), "it was not restarted");
    await gitlab.cancelPipeline(id);
    assert.equal((await ended(await startJob("crashed", "echo hello"))).status, "success");
  });

  it("a manager whose pod is gone without a word is followed by one that takes away the pods it had left", async () => {
    const id = await orphan("gone");
    const [old] = await managerPods();
    await cluster().deleteNamespacedPod({ namespace, name: old!.metadata!.name!, gracePeriodSeconds: 0 });
    await eventually("the job's pod is gone", 90, async () => ((await jobPods()).length === 0 ? true : undefined));
    await gitlab.cancelPipeline(id);
    assert.equal((await ended(await startJob("gone", "echo hello"))).status, "success");
  });

  it("GitLab gone for a while: the job goes on, its log is whole, and nothing is restarted", async () => {
    const before = (await managerPods()).map(restarts);
    const id = await startJob(
      "outage",
      "echo began",
      "for n in $(seq 40); do echo line $n; sleep 1; done",
      "echo ended",
    );
    await printed(id, "began");
    await gitlab.setFault({ mode: "down" });
    await sleep(30_000);
    await gitlab.setFault({ mode: "up" });
    const { status, trace } = await ended(id);
    assert.equal(status, "success", trace);
    for (let line = 1; line <= 40; line++) {
      assert.match(trace, new RegExp(`line ${line}\\r?\\n`));
    }
    assert.deepEqual((await managerPods()).map(restarts), before);
  });

  const silent = "FORWARD -p tcp -d 172.30.99.2 --dport 6443 -j DROP";
  const onBoth = (command: string): Promise<string[]> => Promise.all([onNode(1, command), onNode(2, command)]);
  async function answering(): Promise<void> {
    const rules = await onBoth("iptables -w -nvxL FORWARD | grep DROP");
    await onBoth(`iptables -w -D ${silent}`);
    const dropped = rules.some((rule) => Number.parseInt(rule.trim(), 10) > 0);
    assert.ok(dropped, `nothing of the manager's was dropped: ${rules.join()}`);
  }
  const outages: Record<string, [begin: () => Promise<unknown>, end: () => Promise<unknown>]> = {
    "the API server": [() => unit("stop", "lab-apiserver"), () => unit("start", "lab-apiserver")],
    // As managers see it: nothing answers, not even that nobody listens.
    "the API server's host": [() => onBoth(`iptables -w -I ${silent}`), answering],
  };
  for (const [what, [begin, end]] of Object.entries(outages)) {
    it(`${what} gone for a minute: the job ends well, its pod goes, and the next one runs`, async () => {
      const before = (await managerPods()).map(({ metadata }) => metadata!.uid);
      const id = await startJob("no-api", "echo began", "sleep 20", "echo it en''ded");
      await printed(id, "began");
      await begin();
      await sleep(60_000);
      await end();
      const { status, trace } = await ended(id);
      assert.equal(status, "success", trace);
      assert.match(trace, /it ended/);
      await eventually("no pod of a job stays", 90, async () => ((await jobPods()).length === 0 ? true : undefined));
      assert.equal((await ended(await startJob("no-api", "echo hello"))).status, "success");
      assert.deepEqual(
        (await managerPods()).map(({ metadata }) => metadata!.uid),
        before,
      );
    });
  }

  it("the registry gone during a push: the job fails and says so, and the next one pushes", async () => {
    await gitlab.createProject("no-registry", { files: pushing });
    const { id } = await gitlab.startPipeline("no-registry");
    await printed(id, "about to push");
    await unit("stop", "lab-registry@token");
    const { status, trace } = await ended(id);
    await unit("start", "lab-registry@token");
    assert.equal(status, "failed", trace);
    assert.match(trace, /connection refused/);
    await gitlab.runPipeline("no-registry", { mustSucceed: true, timeoutMs: 120_000 });
  });

  it("a token that GitLab takes no more: the job that runs ends well, no other is taken, and the manager stays up", async () => {
    const before = (await managerPods()).map(restarts);
    const id = await startJob("revoked", "echo began", "sleep 15", "echo ended");
    await printed(id, "began");
    // Not by a fault of GitLab: it would have every runner of the lab ask no more for an hour.
    const { description, tags, id: known } = (await gitlab.runners()).find((one) => one.description === "kubernetes")!;
    await gitlab.deleteRunner(known);
    const { status } = await ended(id);
    const waiting = await startJob("revoked", "echo at last");
    await sleep(20_000);
    await gitlab.createRunner({ description, tags, token: tokenOf(description) });
    assert.equal(status, "success");
    const [manager] = await managerPods();
    assert.deepEqual([restarts(manager!)], before);
    assert.equal(manager!.status!.containerStatuses![0]!.ready, true);
    await sleep(5_000);
    assert.equal((await gitlab.pipeline(waiting)).jobs[0]!.status, "pending", "it asks no more for an hour");
    // Other settings reach it, and it asks again.
    await deployOnlyPods({ concurrent: 5 });
    assert.equal((await ended(waiting)).status, "success");
    assert.deepEqual((await managerPods()).map(restarts), before);
  });

  it("a job that takes more of the disk than it may fails at once, what it took goes, and the next one runs", async () => {
    await deployOnlyPods({ config: { runners: [{ kubernetes: { ephemeral_storage_limit: "300Mi" } }] } });
    const fill = "head -c 900000000 /dev/zero >/var/lib/containers/much";
    const id = await eventually("the manager has its new settings", 100, async () => {
      const started = await startJob("limited", "echo began", "sleep 10", fill, "sleep 200");
      await printed(started, "began");
      const [pod] = await jobPods();
      const build = pod!.spec!.containers.find(({ name }) => name === "build");
      if (build?.resources?.limits?.["ephemeral-storage"] === "300Mi") {
        return started;
      }
      await gitlab.cancelPipeline(started);
      await eventually("no pod of a job stays", 60, async () => ((await jobPods()).length === 0 ? true : undefined));
      return undefined;
    });
    const begin = Date.now();
    const { status, trace } = await ended(id);
    assert.equal(status, "failed", trace);
    assert.match(trace, /Pod ephemeral local storage usage exceeds the total limit of containers 300Mi/);
    assert.ok(Date.now() - begin < 90_000, "long before the script would have ended");
    await eventually("no pod of a job stays", 90, async () => ((await jobPods()).length === 0 ? true : undefined));
    assert.equal((await ended(await startJob("limited", "echo hello"))).status, "success");
  });

  /** A job that would run long; its pipeline. */
  async function orphan(project: string): Promise<number> {
    const id = await startJob(project, "echo began", "sleep 250");
    await printed(id, "began");
    assert.equal((await jobPods()).length, 1);
    return id;
  }

  const unit = (verb: "start" | "stop", name: string): Promise<string> =>
    engine.exec(server.container, ["systemctl", verb, name]);
});

/** The token that the lab's GitLab knows a runner by. */
function tokenOf(name: string): string {
  const runners = JSON.parse(readFileSync(join(checkout, "lab/runners.json"), "utf8")) as {
    name: string;
    token: string;
  }[];
  return runners.find((one) => one.name === name)!.token;
}

/** Builds an image, waits a moment, pushes it. */
const pushing = {
  ".gitlab-ci.yml": `job:
  tags: [kubernetes]
  script:
    - buildah bud --tag "$CI_REGISTRY_IMAGE:1" .
    - printf '%s' "$CI_REGISTRY_PASSWORD" | buildah login --username "$CI_REGISTRY_USER" --password-stdin "$CI_REGISTRY"
    - echo about to push
    - sleep 8
    - buildah push --retry 0 "$CI_REGISTRY_IMAGE:1"
`,
  Dockerfile: "FROM scratch\nCOPY Dockerfile /\n",
};
