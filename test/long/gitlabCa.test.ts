/** A GitLab by HTTPS with a CA of its own that no node knows: jobs of every way clone, and bring artifacts there. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machine } from "../../lab/machine/places";
import { startStandIn, type StandIn } from "../lab/gitlab/standIn";
import { onNode } from "../lab/stack/lab";
import { certificate } from "../unit/token/certificate";
import { dockerWays, EngineStack, only, type RunnerEntry } from "./engineStack";
import { labConfig } from "./tokenStack";

const namespace = "private-ca";
const name = "private.lab";
const runners: RunnerEntry[] = [
  ...Object.values(dockerWays).map((one) => ({ name: `ca-${one.way}`, ...one, ...only(1) })),
  { name: "ca-kubernetes", way: "kubernetes", jobImage: "pi-lab/buildah:1", ...only(1) },
  { name: "ca-shell", way: "shell", hosts: ["node2"], binary: ".lab/gitlab-runner" },
];

describe("a GitLab with a CA of its own", function () {
  this.timeout(600_000);
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-ca-"));
  let standIn: StandIn;
  let stack: EngineStack;

  before(async () => {
    const { key, cert } = certificate(name, 30);
    const caFile = join(folder, "ca.pem");
    writeFileSync(caFile, cert);
    standIn = await startStandIn({ runners: [], traceIntervalSeconds: 1 }, machine, { name, key, cert });
    // Names of the stack reach pods and containers; a host has its own.
    await onNode(2, `echo '${machine} ${name}' >>/etc/hosts`);
    stack = await EngineStack.of(namespace, runners, standIn.lab);
    const hostAliases = { ...(labConfig(namespace)["hostAliases"] as object), [name]: machine };
    await stack.up(runners, { gitlab: { url: standIn.url, caFile }, hostAliases });
  });
  after(async () => {
    await stack?.destroy();
    await standIn?.stop();
    await onNode(2, `sed '/ ${name}$/d' /etc/hosts >/root/hosts && cat /root/hosts >/etc/hosts && rm /root/hosts`);
    rmSync(folder, { recursive: true });
  });

  for (const { name: runner, way } of runners) {
    it(`${way}: a job clones, and its artifact reaches the next one`, async () => {
      const common = { tags: [runner], cache: { key: "kept", paths: ["kept/"] } };
      const pipeline = {
        stages: ["first", "second"],
        first: { ...common, stage: "first", script: ["cp cloned made"], artifacts: { paths: ["made"] } },
        second: { ...common, stage: "second", script: ["echo it has $(cat made)."] },
      };
      const files = { ".gitlab-ci.yml": JSON.stringify(pipeline), cloned: "what was cloned" };
      await standIn.lab.createProject(runner, { files });
      const { id } = await standIn.lab.startPipeline(runner);
      const { jobs } = await standIn.lab.waitPipeline(id, { timeoutMs: 240_000 });
      const traces = await Promise.all(jobs.map((job) => standIn.lab.trace(job.id)));
      assert.deepEqual(
        jobs.map(({ status }) => status),
        ["success", "success"],
        traces.join("\n"),
      );
      assert.match(traces.join("\n"), /it has what was cloned\./);
      assert.doesNotMatch(traces.join("\n"), /x509|certificate/);
    });
  }
});
