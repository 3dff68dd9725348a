/** Two managers of one runner: one stays while nodes are drained, and neither takes the other's pods for orphans. */
import assert from "node:assert/strict";
import { KubeConfig, PolicyV1Api, type V1Pod } from "@kubernetes/client-node";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { startEngine } from "../../../lab/engine/engine";
import { checkout, cluster, destroyWays, eventually, pulumi } from "../../lab/stack/lab";
import {
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

interface StackFile {
  config: { "pi-runners:runners": { way: string; replicas?: number }[] };
}

describe("two managers of a runner", function () {
  this.timeout(400_000);

  before(async () => {
    await deployWays();
    const file = parse(readFileSync(join(checkout, "Pulumi.ways.yaml"), "utf8")) as StackFile;
    file.config["pi-runners:runners"].find(({ way }) => way === "kubernetes")!.replicas = 2;
    const folder = mkdtempSync(join(tmpdir(), "pi-runners-stack-"));
    const path = join(folder, "Pulumi.ways.yaml");
    writeFileSync(path, stringify(file));
    const { code, output } = await pulumi("up", "--yes", "--skip-preview", "--stack", "ways", "--config-file", path);
    rmSync(folder, { recursive: true });
    assert.equal(code, 0, output);
  });
  after(async () => {
    await sweep();
    await destroyWays();
  });

  it("have a budget: of two evictions the second has to wait for the first one's successor", async () => {
    const config = new KubeConfig();
    config.loadFromFile(join(checkout, ".lab/kubeconfig"));
    const api = config.makeApiClient(PolicyV1Api);
    await eventually("one may go", 60, async () => {
      const { items } = await api.listNamespacedPodDisruptionBudget({ namespace });
      return items.length === 1 && items[0]!.status?.disruptionsAllowed === 1 ? true : undefined;
    });
    const [first, second] = await managerPods();
    await evict(first!);
    await assert.rejects(evict(second!), /disruption budget/);
    assert.equal((await ended(await startJob("meanwhile", "echo hello"))).status, "success");
    await eventually("two are ready", 120, async () => {
      const ready = (await managerPods()).filter(({ status }) => status?.containerStatuses?.every((one) => one.ready));
      return ready.length === 2 ? true : undefined;
    });
  });

  it("one that is killed leaves the other one's job alone", async () => {
    const id = await startJob("others", "echo began", "sleep 45", "echo ended");
    const trace = await printed(id, "began");
    const mine = (await managerPods()).filter(({ metadata }) => !trace.includes(metadata!.name!));
    assert.equal(mine.length, 1, "the trace names the manager that runs it");
    const [idle] = mine;
    await killManager(await startEngine(() => undefined), idle!);
    await eventually("it is back", 60, async () => {
      const now = (await managerPods()).find(({ metadata }) => metadata!.uid === idle!.metadata!.uid);
      const [container] = now?.status?.containerStatuses ?? [];
      return now !== undefined && restarts(now) > restarts(idle!) && container?.ready === true ? true : undefined;
    });
    assert.equal((await jobPods()).length, 1);
    assert.equal((await ended(id)).status, "success");
  });

  const evict = ({ metadata }: V1Pod): Promise<unknown> => {
    const place = { namespace, name: metadata!.name! };
    return cluster().createNamespacedPodEviction({ ...place, body: { metadata: place } });
  };
});
