import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { JobView, PipelineView } from "../../../lab/gitlab/client";
import { unstamped } from "../../../lab/stack/trace";
import { RealRunner, findRunner } from "./realRunner";
import { type StandIn, dood, registration, startStandIn } from "./standIn";

const binary = findRunner();

function jobOf(pipeline: PipelineView, name: string): JobView {
  const job = pipeline.jobs.find((candidate) => candidate.name === name && !candidate.retried);
  assert.ok(job, `no job ${name}`);
  return job;
}

describe("stand-in for GitLab, with the real gitlab-runner", function () {
  this.timeout(90_000);
  let standIn: StandIn;
  let runner: RealRunner;

  before(function () {
    if (!binary) {
      console.log("      skipped: gitlab-runner is neither on PATH nor in the lab's cache; `make up` builds it");
      this.skip();
    }
  });

  beforeEach(async () => {
    standIn = await startStandIn();
    runner = new RealRunner(binary ?? "");
  });

  afterEach(async function () {
    if (this.currentTest?.state === "failed") {
      console.log(`${runner.output.slice(-3000)}\n${standIn.log.join("\n")}`);
    }
    await runner.stop();
    await standIn.stop();
  });

  async function run(files: Record<string, string>, options: Parameters<StandIn["lab"]["runPipeline"]>[1] = {}) {
    await standIn.lab.createProject("demo", { files });
    runner.start(standIn.url, dood);
    return standIn.lab.runPipeline("demo", { timeoutMs: 60_000, ...options });
  }

  it("clones over HTTP, runs the script, and passes artifacts to the next stage", async () => {
    const traces: Record<string, string> = {};
    const pipeline = await run(
      {
        "src/word.txt": "from the repository\n",
        ".gitlab-ci.yml": `
          stages: [make, use]
          make:
            stage: make
            tags: [dood]
            script: [mkdir out, cp src/word.txt out/, echo "$CI_REGISTRY_IMAGE" > out/image]
            artifacts: {paths: [out/]}
          use:
            stage: use
            script: [cat out/word.txt out/image]
          without:
            stage: use
            dependencies: []
            script: [test ! -e out]`,
      },
      { mustSucceed: true, onTrace: (job, text) => (traces[job.name] = (traces[job.name] ?? "") + text) },
    );
    assert.match(unstamped(traces["use"] ?? ""), /from the repository\r?\ngitlab\.lab:5050\/lab\/demo/);
    assert.deepEqual(
      jobOf(pipeline, "make").artifacts.map(({ type, filename }) => ({ type, filename })),
      [{ type: "archive", filename: "artifacts.zip" }],
    );
    const { createdAt, pendingAt, handedOutAt, scriptSeenAt, finishedAt } = jobOf(pipeline, "use");
    const times = [createdAt, pendingAt, handedOutAt, scriptSeenAt, finishedAt];
    assert.ok(
      times.every((time) => typeof time === "number"),
      String(times),
    );
    assert.deepEqual(times, [...times].sort());
    assert.equal(traces["use"], await standIn.lab.trace(jobOf(pipeline, "use").id));
    const [seen] = await standIn.lab.runners();
    assert.equal(seen?.managers[0]?.executor, "shell");
    assert.match(seen?.managers[0]?.systemId ?? "", /^s_\w{12}$/);
  });

  it("hides masked values, writes file variables, and passes dotenv variables on", async () => {
    const secret = "s3cret-value-of-the-lab";
    await standIn.lab.createProject("demo", {
      variables: [
        { key: "SECRET", value: secret, masked: true },
        { key: "CA_FILE", value: "line 1\nline 2\n", file: true },
        { key: "RAW", value: "$CI_JOB_NAME", raw: true },
      ],
      files: {
        ".gitlab-ci.yml": `
          first:
            stage: build
            script: [echo "is $SECRET $CI_JOB_TOKEN", wc -l < "$CA_FILE", echo "TAG=v7" > vars]
            artifacts: {reports: {dotenv: vars}}
          second:
            stage: test
            needs: [first]
            script: [echo "tag=$TAG name=$NAMED over=$OVER"]
            variables: {NAMED: "$CI_JOB_NAME/$CI_PROJECT_NAME", OVER: yaml}`,
      },
    });
    runner.start(standIn.url, dood);
    const pipeline = await standIn.lab.runPipeline("demo", {
      variables: [{ key: "OVER", value: "pipeline" }],
      mustSucceed: true,
      timeoutMs: 60_000,
    });
    const first = unstamped(await standIn.lab.trace(jobOf(pipeline, "first").id));
    assert.match(first, /is \[MASKED\] \[MASKED\]\r?\n/);
    assert.match(first, /^2\r?$/m);
    assert.doesNotMatch(first, new RegExp(secret));
    assert.match(await standIn.lab.trace(jobOf(pipeline, "second").id), /tag=v7 name=second\/demo over=pipeline/);
    assert.doesNotMatch(standIn.log.join("\n"), /glcbt-|glrt-|glpat-/);
  });

  it("tells why a job failed, and what that did to the jobs after it", async () => {
    const pipeline = await run({
      ".gitlab-ci.yml": `
        stages: [one, two]
        breaks: {stage: one, script: [echo before, "false"], after_script: [echo cleaned up]}
        optional: {stage: one, script: ["false"], allow_failure: true}
        never: {stage: two, script: [echo no]}
        rescue: {stage: two, script: [echo rescued], when: on_failure}
        report: {stage: two, script: [echo reported], when: always}`,
    });
    assert.equal(pipeline.status, "failed");
    assert.deepEqual(Object.fromEntries(pipeline.jobs.map((job) => [job.name, job.status])), {
      breaks: "failed",
      optional: "failed",
      never: "skipped",
      rescue: "success",
      report: "success",
    });
    assert.equal(jobOf(pipeline, "breaks").failureReason, "script_failure");
    assert.match(await standIn.lab.trace(jobOf(pipeline, "breaks").id), /cleaned up/);
  });

  it("runs a failed job again as often as retry says", async () => {
    const pipeline = await run({
      ".gitlab-ci.yml": `flaky: {script: ['n=$(cat "$HOME/n" || true); echo "x$n" > "$HOME/n"; [ "$n" = xx ]'], retry: 2}`,
    });
    assert.equal(pipeline.status, "success");
    assert.deepEqual(
      pipeline.jobs.map((job) => [job.status, job.retried]),
      [
        ["failed", true],
        ["failed", true],
        ["success", false],
      ],
    );
  });

  it("stops a running job when it is cancelled", async () => {
    await standIn.lab.createProject("demo", {
      files: {
        ".gitlab-ci.yml": `long: {script: ['for i in $(seq 60); do echo $i; date > "$HOME/beat"; sleep 0.5; done']}`,
      },
    });
    runner.start(standIn.url, dood);
    const { id, jobs } = await standIn.lab.startPipeline("demo");
    const beat = join(runner.folder, "beat");
    await standIn.lab.waitJob(jobs[0]!.id, () => existsSync(beat));
    await standIn.lab.cancelPipeline(id);
    assert.equal((await standIn.lab.waitPipeline(id)).status, "canceled");
    await sleep(8000); // the runner hears of it with its next piece of trace, every 3 s
    const last = readFileSync(beat, "utf8");
    await sleep(2500);
    assert.equal(readFileSync(beat, "utf8"), last, "the script still runs");
    assert.match(runner.output, /canceled/);
  });

  it("lets the runner end a job that takes longer than its timeout", async () => {
    const pipeline = await run({ ".gitlab-ci.yml": "slow: {timeout: 3 seconds, script: [sleep 60]}" });
    assert.equal(jobOf(pipeline, "slow").failureReason, "job_execution_timeout");
  });

  it("works with a GitLab that does not commit jobs in two phases, too", async () => {
    await standIn.lab.setSettings({ twoPhaseCommit: "off" });
    await standIn.lab.createProject("demo", { files: { ".gitlab-ci.yml": "job: {script: [sleep 1, echo do''ne]}" } });
    runner.start(standIn.url, dood);
    const { id } = await standIn.lab.startPipeline("demo");
    const handedOut = new Set<string>();
    for (;;) {
      const [job] = (await standIn.lab.pipeline(id)).jobs as [JobView];
      if (job.handedOutAt !== undefined) {
        handedOut.add(job.status);
      }
      if (job.finishedAt !== undefined) {
        assert.match(await standIn.lab.trace(job.id), /^.*done$/m);
        break;
      }
      await sleep(5);
    }
    assert.deepEqual([...handedOut], ["running", "success"], "never pending once it is handed out");
  });

  it("says 403 to a token that it does not know", async () => {
    const wrong = await runner.command(
      "register",
      "--non-interactive",
      "--url",
      standIn.url,
      "--registration-token",
      "wrong",
    );
    assert.notEqual(wrong.status, 0);
    assert.match(wrong.output, /forbidden \(check registration token\)/);
  });

  it("registers a runner with a registration token, verifies it, and unregisters it", async () => {
    const common = ["--config", runner.config];
    const register = await runner.command(
      ...["register", ...common, "--non-interactive", "--url", standIn.url, "--registration-token", registration],
      ...["--executor", "shell", "--name", "by hand", "--tag-list", "pi,arm64"],
    );
    assert.equal(register.status, 0, register.output);
    const found = (await standIn.lab.runners()).find((candidate) => candidate.origin === "registration");
    assert.deepEqual(found?.tags, ["pi", "arm64"]);
    assert.match((await runner.command("verify", ...common)).output, /is alive/);
    const gone = await runner.command("unregister", ...common, "--all-runners");
    assert.equal(gone.status, 0, gone.output);
    assert.equal((await standIn.lab.runners()).length, 1);
    assert.equal((await standIn.lab.requests()).routes["DELETE /api/v4/runners"]?.["204"], 1);
  });

  it("loses and doubles no line of a trace while answers are lost and connections cut", async () => {
    await standIn.lab.createProject("demo", {
      files: { ".gitlab-ci.yml": "count: {script: ['for i in $(seq 1 24); do echo line-$i-; sleep 0.5; done']}" },
    });
    runner.start(standIn.url, dood);
    await standIn.lab.setFault({ mode: "lose", only: "^PATCH .*/trace", times: 2 });
    const { id, jobs } = await standIn.lab.startPipeline("demo");
    await standIn.lab.waitJob(jobs[0]!.id, (job) => job.traceSize > 800);
    await standIn.lab.setFault({ mode: "down", only: "^PATCH .*/trace", times: 1 });
    await standIn.lab.waitPipeline(id, { mustSucceed: true, timeoutMs: 60_000 });
    const trace = unstamped(await standIn.lab.trace(jobs[0]!.id));
    const lines = [...trace.matchAll(/^line-(\d+)-\r?$/gm)].map((match) => Number(match[1]));
    assert.deepEqual(
      lines,
      Array.from({ length: 24 }, (_, index) => index + 1),
    );
    const { routes } = await standIn.lab.requests();
    assert.ok((routes["PATCH /api/v4/jobs/:id/trace"]?.["416"] ?? 0) > 0, "the runner never had to resume");
  });

  it("gives work to a runner again after an outage", async () => {
    await standIn.lab.createProject("demo", { files: { ".gitlab-ci.yml": "quick: {script: [echo done]}" } });
    await standIn.lab.setFault({ mode: "down" });
    runner.start(standIn.url, dood);
    await sleep(3000);
    assert.equal((await standIn.lab.runners())[0]?.managers.length, 0);
    await standIn.lab.setFault({ mode: "up" });
    await standIn.lab.runPipeline("demo", { mustSucceed: true, timeoutMs: 30_000 });
  });
});
