import assert from "node:assert/strict";
import type { LabError, PipelineInput } from "../../../lab/gitlab/client";
import { parseDuration } from "../../../lab/gitlab/expand";
import { type StandIn, call, dood, startStandIn } from "./standIn";

describe("stand-in for GitLab: .gitlab-ci.yml", function () {
  this.timeout(30_000);
  let standIn: StandIn;

  before(async () => {
    standIn = await startStandIn();
  });
  after(() => standIn.stop());

  let count = 0;
  async function start(files: Record<string, string>, input: PipelineInput = {}) {
    const name = `expand-${++count}`;
    await standIn.lab.createProject(name, { files });
    return standIn.lab.startPipeline(name, input);
  }

  /** The variables of the next job, as its runner gets them. */
  async function handOut(): Promise<Record<string, string>> {
    const { body } = await call(standIn, "POST", "/api/v4/jobs/request", { token: dood });
    return Object.fromEntries(body.variables.map(({ key, value }: { key: string; value: string }) => [key, value]));
  }

  async function refused(yaml: string, message: RegExp, input?: PipelineInput) {
    await assert.rejects(start({ ".gitlab-ci.yml": yaml }, input), (error: LabError) => {
      assert.equal(error.status, 422);
      assert.match(error.message, message);
      return true;
    });
  }

  it("includes local files, components with inputs, extends and references", async () => {
    const pipeline = await start({
      "templates/build.yml":
        "spec:\n  inputs:\n    name: {default: none}\n    tag:\n---\n" +
        '"build-$[[ inputs.name ]]":\n  tags: ["$[[ inputs.tag ]]"]\n  script: ["echo $[[ inputs.name ]]"]\n',
      "ci/base.yml": ".base:\n  script: [echo base]\n  tags: [dood]\n",
      ".gitlab-ci.yml": `
        include:
          - component: $CI_SERVER_FQDN/$CI_PROJECT_PATH/build@$CI_COMMIT_SHA
            inputs: {name: one, tag: dood}
          - local: ci/base.yml
        derived: {extends: .base}
        referred: {script: [!reference [.base, script], echo more]}`,
    });
    assert.deepEqual(pipeline.jobs.map(({ name, tags }) => [name, tags]).sort(), [
      ["build-one", ["dood"]],
      ["derived", ["dood"]],
      ["referred", []],
    ]);
    await standIn.lab.cancelPipeline(pipeline.id);
  });

  it("includes files and components of other, public projects", async () => {
    await standIn.lab.createProject("ci/parts", {
      public: true,
      files: {
        "templates/scan.yml":
          'spec: {inputs: {what: {default: all}}}\n---\n"scan-$[[ inputs.what ]]": {script: ["echo $[[ inputs.what ]]"]}\n',
        "plain.yml": ".plain: {script: [echo plain]}\n",
      },
    });
    const pipeline = await start({
      ".gitlab-ci.yml": `
        include:
          - {component: $CI_SERVER_FQDN/ci/parts/scan@main, inputs: {what: images}}
          - {project: ci/parts, ref: main, file: plain.yml}
        own: {extends: .plain}`,
    });
    assert.deepEqual(pipeline.jobs.map((job) => job.name).sort(), ["own", "scan-images"]);
    await standIn.lab.cancelPipeline(pipeline.id);
  });

  it("follows rules, and gives a job the variables of the rule that it matched", async () => {
    const yaml = `
      variables: {LEVEL: global, KEPT: "yes"}
      ruled:
        rules:
          - {if: $WANTED == "no", variables: {LEVEL: first}}
          - {if: $CI_COMMIT_BRANCH == "main" && $WANTED, variables: {LEVEL: second}}
          - {when: never}
        script: [echo]
      always: {script: [echo]}`;
    const without = await start({ ".gitlab-ci.yml": yaml });
    assert.deepEqual(
      without.jobs.map((job) => job.name),
      ["always"],
    );
    await standIn.lab.cancelPipeline(without.id);
    const pipeline = await start({ ".gitlab-ci.yml": yaml }, { variables: [{ key: "WANTED", value: "yes; $x" }] });
    const variables = await handOut();
    assert.equal(variables["CI_JOB_NAME"], "ruled");
    assert.deepEqual([variables["LEVEL"], variables["KEPT"], variables["WANTED"]], ["second", "yes", "yes; $x"]);
    await standIn.lab.cancelPipeline(pipeline.id);
  });

  it("honours workflow:rules", async () => {
    const yaml = "workflow: {rules: [{if: $CI_PIPELINE_SOURCE == 'push'}]}\na: {script: [echo]}";
    await refused(yaml, /filtered out by workflow rules/);
    const { id } = await start({ ".gitlab-ci.yml": yaml }, { source: "push" });
    await standIn.lab.cancelPipeline(id);
  });

  it("makes a job of each cell of a matrix", async () => {
    const pipeline = await start({
      ".gitlab-ci.yml": `
        cell:
          parallel: {matrix: [{ARCH: [arm64, amd64], WAY: [dood]}]}
          tags: [$WAY]
          script: [echo]`,
    });
    assert.deepEqual(
      pipeline.jobs.map(({ name, tags }) => [name, tags]),
      [
        ["cell: [arm64, dood]", ["dood"]],
        ["cell: [amd64, dood]", ["dood"]],
      ],
    );
    const [one, two] = [await handOut(), await handOut()];
    assert.deepEqual(
      [one["ARCH"], one["CI_NODE_INDEX"], two["ARCH"], two["CI_NODE_TOTAL"]],
      ["arm64", "1", "amd64", "2"],
    );
    await standIn.lab.cancelPipeline(pipeline.id);
  });

  it("starts jobs by needs before their stage, and manual ones when somebody says so", async () => {
    const pipeline = await start({
      ".gitlab-ci.yml": `
        stages: [one, two, three]
        slow: {stage: one, script: [echo], tags: [nobody]}
        early: {stage: two, needs: [], script: [echo]}
        late: {stage: two, script: [echo]}
        button: {stage: three, needs: [], when: manual, script: [echo]}`,
    });
    assert.deepEqual(Object.fromEntries(pipeline.jobs.map((job) => [job.name, job.status])), {
      slow: "pending",
      early: "pending",
      late: "created",
      button: "manual",
    });
    const button = pipeline.jobs.find((job) => job.name === "button")!;
    assert.equal((await standIn.lab.playJob(button.id)).status, "pending");
    await assert.rejects(standIn.lab.playJob(button.id), /not manual/);
    await standIn.lab.cancelPipeline(pipeline.id);
  });

  it("says what is wrong with a file that GitLab would refuse, and what it cannot do itself", async () => {
    await refused("a: {script: [echo]", /cannot be expanded/);
    await refused("a: {stage: nowhere, script: [echo]}", /nowhere/);
    await refused("a: {needs: [b], script: [echo]}", /b/);
    await refused("a: {script: [echo], timeout: soon}", /timeout soon is not a duration/);
    await refused("a: {trigger: {include: x.yml}}", /trigger|x\.yml/);
    await refused("a: {script: [echo], rules: [{when: never}]}", /No job .* is to run/);
    await refused("a: {script: [echo]}", /no branch or tag gone/, { ref: "gone" });
    await assert.rejects(start({ "README.md": "" }), /\.gitlab-ci\.yml/);
  });

  it("reads GitLab's durations", () => {
    const read = (text: string) => parseDuration(text, "job");
    assert.deepEqual(
      ["90", "3 minutes 30 seconds", "1h 30m", "2 days and 3 hours", "1.5h"].map(read),
      [90, 210, 5400, 183_600, 5400],
    );
    for (const text of ["", "soon", "3 apples", "-5m"]) {
      assert.throws(() => read(text), /is not a duration/);
    }
  });
});
