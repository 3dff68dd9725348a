import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { admin, call, startStandIn, type StandIn } from "./standIn";

const headers = { "PRIVATE-TOKEN": admin };
const templates = ["preview", "deploy", "drift"].map((name) => {
  const path = `templates/${name}.yml`;
  return [path, readFileSync(join(__dirname, "../../..", path), "utf8")] as const;
});
const include = templates.map(([path]) => `  - local: ${path}\n    inputs: { stack: home, tags: [stacks] }\n`).join("");
const files = {
  ...Object.fromEntries(templates),
  ".gitlab-ci.yml": `stages: [test, deploy]\ninclude:\n${include}docs: { script: ["true"] }\n`,
  "Pulumi.home.yaml": "config: {}\n",
  "Pulumi.other.yaml": "config: {}\n",
};

describe("the pipeline of a stack", () => {
  let gitlab: StandIn;
  let api: string;

  before(async () => {
    gitlab = await startStandIn();
    const variables = [{ key: "PI_RUNNERS_GITLAB_TOKEN", value: admin, masked: true }];
    const { id } = await gitlab.lab.createProject("stacks", { files, variables });
    api = `/api/v4/projects/${id}/merge_requests`;
  });

  after(() => gitlab.stop());

  const jobs = async ({ id }: { id: number }): Promise<string[]> =>
    (await gitlab.lab.pipeline(id)).jobs.map(({ name }) => name).filter((name) => name !== "docs");

  interface Opened {
    iid: number;
    head_pipeline: { id: number };
  }

  async function change(branch: string, different: Record<string, string>): Promise<Opened> {
    await gitlab.lab.createProject("stacks", { files: { ...files, ...different }, branch });
    const body = { source_branch: branch, target_branch: "main", title: branch };
    return (await call(gitlab, "POST", api, body, headers)).body as Opened;
  }

  it("previews what a merge request changes, and has a note corrected once that is taken back", async () => {
    const opened = await change("change", { "Pulumi.home.yaml": "config: {a: b}\n" });
    assert.deepEqual(await jobs(opened.head_pipeline), ["preview:home"]);
    await gitlab.lab.createProject("stacks", { files: { ...files, "docs.md": "d" }, branch: "change" });
    const again = await call(gitlab, "POST", `${api}/${opened.iid}/pipelines`, {}, headers);
    assert.deepEqual(await jobs(again.body as { id: number }), ["preview-reverted:home"]);
  });

  it("plans a merged change, and waits for somebody to deploy it", async () => {
    const { iid } = await change("program", { "components/a.ts": "export {};\n" });
    const { body, status } = await call(gitlab, "PUT", `${api}/${iid}/merge`, {}, headers);
    assert.equal(status, 200, JSON.stringify(body));
    const { pipeline } = body as { pipeline: { id: number } };
    assert.deepEqual(await jobs(pipeline), ["plan:home", "deploy:home"]);
    const deploy = (await gitlab.lab.pipeline(pipeline.id)).jobs.find(({ name }) => name === "deploy:home");
    assert.equal(deploy!.status, "created");
  });

  it("has no job with credentials for the merge request of a fork", async () => {
    await gitlab.lab.createProject("stacks", {
      files: { ...files, "Pulumi.home.yaml": "config: {f: f}\n" },
      branch: "fork",
    });
    const { body } = await call(
      gitlab,
      "POST",
      api,
      { source_branch: "fork", target_branch: "main", title: "f" },
      headers,
    );
    assert.deepEqual(await jobs((body as Opened).head_pipeline), ["preview:home"]);
    // As a member of the parent project starts it; it stands for a fork's commit, which the stand-in does not have.
    const variables = [{ key: "CI_MERGE_REQUEST_SOURCE_PROJECT_ID", value: "999" }];
    const started = await gitlab.lab.startPipeline("stacks", { ref: "fork", source: "merge_request_event", variables });
    assert.deepEqual(await jobs(started), []);
  });

  it("has none in this repository, not even its checks, and checks what a branch of its own changes", async () => {
    const pipeline = readFileSync(join(__dirname, "../../../.gitlab-ci.yml"), "utf8");
    const own = { ...files, ".gitlab-ci.yml": pipeline.replaceAll("stack: home", "stack: home, tags: [stacks]") };
    const { id: project } = await gitlab.lab.createProject("own", { files: own });
    await gitlab.lab.createProject("own", {
      files: { ...own, "Pulumi.home.yaml": "config: {o: o}\n" },
      branch: "change",
    });
    const start = async (variables: { key: string; value: string }[]): Promise<string[]> =>
      (
        await jobs(await gitlab.lab.startPipeline("own", { ref: "change", source: "merge_request_event", variables }))
      ).sort();
    const id = (key: string, value: string) => ({ key: `CI_MERGE_REQUEST_${key}PROJECT_ID`, value });
    assert.deepEqual(await start([id("", String(project)), id("SOURCE_", String(project))]), ["check", "preview:home"]);
    await assert.rejects(start([id("", String(project)), id("SOURCE_", "999")]), /No job of .gitlab-ci.yml is to run/);
    // As the fork itself has it.
    assert.deepEqual(await start([id("", "998"), id("SOURCE_", String(project))]), ["check"]);
  });
});
