import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { changedStack, checkout, eventually, gitlab, lives, onNode, pulumi, runnerPods, stackOutput, up } from "./lab";
import { manifestDigest } from "../../../lab/images/nodeImages";

const dockerfile = ["FROM registry.lab:5000/base:1", "COPY message /message", "RUN cat /message", ""].join("\n");

/** Runs the pipeline that the stack prints for a runner, and gives the digest of its image as the registry has it. */
async function buildWith(runner: string): Promise<string> {
  const pipelines = await stackOutput<Record<string, string>>("pipelines");
  const project = `test-${runner}`;
  const message = `${runner} ${Date.now()}\n`;
  await gitlab.createProject(project, {
    files: { ".gitlab-ci.yml": pipelines[runner]!, Dockerfile: dockerfile, message },
  });
  let trace = "";
  const pipeline = await gitlab.runPipeline(project, {
    mustSucceed: true,
    timeoutMs: 180_000,
    onTrace: (_job, text) => (trace += text),
  });
  const [job] = pipeline.jobs;
  assert.ok(job);
  const pushed = /gitlab\.lab:5050\/\S+@(sha256:[0-9a-f]{64})/.exec(trace);
  assert.ok(pushed, `the trace names no pushed digest:\n${trace}`);
  const digest = await manifestDigest(`lab/${project}`, pushed[1]!);
  assert.equal(digest, pushed[1], "the registry has what the job says it pushed");
  return pushed[1]!;
}

describe("stack dev on the lab", () => {
  before(async () => {
    await up();
  });

  for (const runner of ["dood", "dind", "dind-job"]) {
    it(`builds and pushes an image by ${runner}`, async () => {
      assert.match(await buildWith(runner), /^sha256:[0-9a-f]{64}$/);
    });
  }

  it("has nothing to change when applied again", async () => {
    const { code, output } = await pulumi("up", "--yes", "--stack", "dev", "--expect-no-changes");
    assert.equal(code, 0, output);
  });

  it("finds no drift on refresh", async () => {
    const { code, output } = await pulumi("refresh", "--yes", "--stack", "dev", "--expect-no-changes");
    assert.equal(code, 0, output);
  });

  it("shows no token in state, outputs, preview or process lists", async () => {
    const runners = JSON.parse(readFileSync(join(checkout, "lab/runners.json"), "utf8")) as { token: string }[];
    const tokens = runners.map(({ token }) => token.slice(0, 12));
    const stack = changedStack((config) => {
      config["pi-runners:runners"][0]!.concurrent = 7;
    });
    const texts = {
      state: await pulumi("stack", "export", "--stack", "dev"),
      outputs: await pulumi("stack", "output", "--stack", "dev", "--json"),
      preview: await pulumi("preview", "--diff", "--stack", "dev", "--config-file", stack),
      "preview as JSON": await pulumi("preview", "--json", "--stack", "dev", "--config-file", stack),
    };
    for (const [where, { code, output }] of Object.entries(texts)) {
      assert.equal(code, 0, output);
      for (const token of tokens) {
        assert.ok(!output.includes(token), `a token stands in the ${where}`);
        assert.ok(!output.includes(Buffer.from(token).toString("base64").slice(0, 12)), `encoded, in the ${where}`);
      }
    }
    const processes = await onNode(1, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
    for (const token of tokens) {
      assert.ok(!processes.includes(token), "a token stands on a command line of node1");
    }
  });

  it("brings a change of concurrent to the running runner, with no pod restarted and no job killed", async () => {
    const ci = (name: string): string =>
      `${name}:\n  tags: [dood]\n  script:\n    - echo began\n    - sleep 30\n    - echo ended\n`;
    await gitlab.createProject("reload", { files: { ".gitlab-ci.yml": [1, 2, 3].map((n) => ci(`job${n}`)).join("") } });
    const before = lives(await runnerPods("dood"));
    const { id } = await gitlab.startPipeline("reload");
    const running = async (): Promise<number> =>
      (await gitlab.pipeline(id)).jobs.filter(({ status }) => status === "running").length;
    // Two nodes, one job each: the third waits.
    await eventually("both nodes have a job", 60, async () => ((await running()) === 2 ? true : undefined));
    await new Promise((done) => setTimeout(done, 5000));
    assert.equal(await running(), 2, "concurrent 1 holds the third job back");
    const stack = changedStack((config) => {
      config["pi-runners:runners"][0]!.concurrent = 2;
    });
    try {
      await up(stack);
      const { jobs } = await gitlab.waitPipeline(id, { timeoutMs: 120_000, mustSucceed: true });
      const lastBegin = Math.max(...jobs.map(({ handedOutAt }) => handedOutAt!));
      const firstEnd = Math.min(...jobs.map(({ finishedAt }) => finishedAt!));
      assert.ok(lastBegin < firstEnd, "the third job began while the two others were running");
      assert.deepEqual(lives(await runnerPods("dood")), before);
    } finally {
      await up();
    }
    assert.deepEqual(lives(await runnerPods("dood")), before);
  });
});
