import assert from "node:assert/strict";
import type { StackConfig } from "../../../config/stackConfig";
import { dockerBytes } from "../../../components/runners/sizes";
import { nodeOf, stackOf } from "./stackFile";

interface NodeEntry {
  memory?: string;
  labels?: Record<string, string>;
}

/** A stack with nodes pi1, pi2, … and runners. */
function stack(nodes: NodeEntry[], ...runners: Parameters<typeof stackOf>[0]): StackConfig {
  return stackOf(runners, { nodes: nodes.map((node, index) => ({ ...fixed(index + 1), ...node })) });
}

const fixed = (index: number): object => ({ ...nodeOf(`pi${index}`), host: `192.0.2.${index}` });

const warnings = (...given: Parameters<typeof stack>): string => stack(...given).warnings.join("\n");

const dood = { name: "dood", way: "dood" };
const dind = { name: "dind", way: "dind" };
const resident = { name: "resident", way: "dind-resident" };
const pods = { name: "pods", way: "kubernetes" };

describe("the memory of nodes", () => {
  it("is added up over all runners that may be on one, and a warning names node, runners and figures", () => {
    assert.equal(warnings([{ memory: "4Gi" }], dood), "");
    assert.equal(warnings([{ memory: "4Gi" }], dind), "");
    const [text, ...others] = stack([{ memory: "4Gi" }], dood, dind).warnings;
    assert.deepEqual(others, []);
    // A job of 1 GiB, its daemon of 1.5 GiB; a pod of manager and guard.
    assert.match(text!, /^Node pi1: what may run there takes up to 4\.8 GiB at once, and there are 4 GiB of memory: /);
    assert.match(
      text!,
      /: dood 1\.4 GiB \(a job 1 GiB, its pod 384 MiB\); dind 2\.9 GiB \(a job 2\.5 GiB, its pod 384 MiB\); /,
    );
    assert.match(text!, /the system 512 MiB\. .*Lower concurrent or size/);
  });

  it("that nobody has named is not judged, and is no business of trust", () => {
    const [runner, node] = [{ ...dind, concurrent: 9 }, { labels: { builds: "yes" } }];
    assert.equal(warnings([node], runner), "");
    const [plain, named] = [stack([{}], dood).nodes, stack([{ memory: "4Gi", ...node }], dood).nodes];
    assert.deepEqual(named, plain);
  });

  it("counts jobs at the same time, as many as `limit` of config.toml allows", () => {
    const five = { ...dood, concurrent: 5 };
    assert.match(warnings([{ memory: "4Gi" }], five), /5 jobs 5 GiB/);
    assert.equal(warnings([{ memory: "4Gi" }], { ...five, config: { runners: [{ limit: 2 }] } }), "");
    const small = { runners: [{ docker: { memory: "512m" } }] };
    assert.equal(warnings([{ memory: "4Gi" }], { ...five, config: small }), "");
  });

  it("counts an engine that jobs share once, with all that they take", () => {
    assert.equal(warnings([{ memory: "4Gi" }], { ...resident, concurrent: 8 }), "");
    assert.match(warnings([{ memory: "4Gi" }], resident, dind), /resident 2\.9 GiB \(its pod 2\.9 GiB\)/);
  });

  it("spreads pods of jobs over the nodes that they may be on, by what they ask for", () => {
    const many = { ...pods, concurrent: 8 };
    assert.match(warnings([{ memory: "4Gi" }], many), /pods 4\.8 GiB \(8 jobs in pods 4\.5 GiB, its manager 256 MiB\)/);
    assert.equal(warnings([{ memory: "4Gi" }, { memory: "4Gi" }], many), "");
    const cached = { ...pods, concurrent: 16, buildCache: { hostFolder: "/mnt/ssd" } };
    assert.match(warnings([{ memory: "4Gi" }, { memory: "4Gi" }], cached), /its manager 256 MiB, its guard 128 MiB\)/);
    const jobsElsewhere = { runners: [{ kubernetes: { node_selector: { "kubernetes.io/hostname": "pi2" } } }] };
    assert.match(warnings([{ memory: "4Gi" }, { memory: "4Gi" }], { ...many, config: jobsElsewhere }), /^Node pi2: /);
  });

  it("is that of the nodes which nodeSelector chooses, as far as their labels are said", () => {
    const eight = { memory: "8Gi", labels: { builds: "yes" } };
    const four = { memory: "4Gi" };
    const big = { ...dind, size: "8GB", nodeSelector: { builds: "yes" } };
    assert.equal(warnings([four, eight], dood, big), "");
    assert.match(
      warnings([four, { ...four, labels: { builds: "no" } }, eight], dood, { ...dind, size: "8GB" }),
      /^Nodes pi1, pi2: /,
    );
    // A label of which no entry says anything may be any node's.
    assert.match(warnings([four, four], dood, big), /^Nodes pi1, pi2: .*nodes\[\]\.labels/);
    const byName = { ...big, nodeSelector: { "kubernetes.io/hostname": "pi2" } };
    assert.match(warnings([four, four], byName), /^Node pi2: /);
    assert.equal(warnings([four, four], { ...byName, nodeSelector: { "kubernetes.io/hostname": "pi3" } }), "");
  });

  it("has no room for a pod that asks for more: its runner is refused where it is sure to be there", () => {
    const asks = { ...resident, engineResources: { requests: { memory: "6Gi" }, limits: { memory: "6Gi" } } };
    const refused = (nodes: NodeEntry[], runner: typeof resident): void => {
      assert.throws(
        () => stack(nodes, dood, runner),
        /pi-runners:runners\[1\]\.engineResources\.requests\.memory: the runner's pod asks for 6\.1 GiB of memory, more than pi1 \(4 GiB\) has, .*nodeSelector/,
      );
    };
    refused([{ memory: "4Gi" }, { memory: "16Gi" }], asks);
    const selecting = { ...asks, nodeSelector: { builds: "yes" } };
    refused([{ memory: "4Gi", labels: { builds: "yes" } }], selecting);
    assert.match(warnings([{ memory: "4Gi" }], selecting), /^Node pi1: /);
    assert.equal(warnings([{ memory: "4Gi" }, { memory: "16Gi", labels: { builds: "yes" } }], selecting), "");
  });

  it("has no room for the pods of jobs anywhere: the cluster may have other nodes, so it is said", () => {
    const asks = { ...pods, config: { runners: [{ kubernetes: { memory_request: "6Gi", memory_limit: "8Gi" } }] } };
    const text = warnings([{ memory: "4Gi" }, { memory: "4Gi" }], asks);
    assert.match(
      text,
      /^Runner pods: the pod of a job asks for 6\.1 GiB of memory, more than any of pi1, pi2 has\. .*wait/m,
    );
    assert.doesNotMatch(warnings([{ memory: "4Gi" }, { memory: "16Gi" }], asks), /^Runner pods/m);
    assert.doesNotMatch(warnings([{ memory: "4Gi" }, {}], asks), /^Runner pods/m);
  });

  it("is written as Kubernetes writes it", () => {
    assert.throws(() => stack([{ memory: "8GB" }], dood), /nodes\[0\]\.memory: .*such as "4Gi"/);
    assert.deepEqual(stack([{ memory: "8139284Ki" }], dood).warnings, []);
  });
});

describe("memory as Docker writes it", () => {
  it("is in powers of 1024, whatever its unit is called", () => {
    const amounts = {
      "1g": 2 ** 30,
      "1536m": 1.5 * 2 ** 30,
      "1.5 GiB": 1.5 * 2 ** 30,
      "2GB": 2 ** 31,
      "512b": 512,
      "512": 512,
    };
    for (const [text, bytes] of Object.entries(amounts)) {
      assert.equal(dockerBytes(text), bytes, text);
    }
    assert.equal(dockerBytes(""), undefined);
    assert.equal(dockerBytes("512Mx"), undefined);
  });
});
