import assert from "node:assert/strict";
import { MergeRequestNote } from "../../../ci/mergeRequestNote";
import { noteOf, unchangedNote } from "../../../ci/report/note";
import { reportOf, type Report } from "../../../ci/report/report";
import { admin, call, startStandIn, type StandIn } from "./standIn";

const headers = { "PRIVATE-TOKEN": admin };
const step = (op: string): object => ({ op, urn: "urn:pulumi:home::p::kubernetes:core/v1:ConfigMap::files" });
const nothing = reportOf("home", {});
const removes = reportOf("home", { steps: [step("delete")] as never });
const changes = reportOf("home", { steps: [step("create")] as never });
const other: Report = { ...changes, stack: "other" };

interface Note {
  id: number;
  body: string;
}

describe("the note of a merge request", () => {
  let gitlab: StandIn;
  let env: NodeJS.ProcessEnv;
  let api: string;

  /** A commit on the merge request's branch, and the environment of a job of its pipeline. */
  async function commit(text: string, pipeline: number): Promise<NodeJS.ProcessEnv> {
    const { sha } = await gitlab.lab.createProject("infra", { files: { "Pulumi.home.yaml": text }, branch: "change" });
    return { ...env, CI_COMMIT_SHA: sha!, CI_PIPELINE_IID: String(pipeline) };
  }

  async function write(report: Report, job: NodeJS.ProcessEnv): Promise<void> {
    const note = (await MergeRequestNote.ofJob(report.stack, job))!;
    await note.begin();
    await note.write(report, noteOf(report, { commit: job["CI_COMMIT_SHA"]! }));
  }

  async function notes(): Promise<Note[]> {
    return (await call(gitlab, "GET", `${api}/notes`, undefined, headers)).body as Note[];
  }

  async function labels(): Promise<string[]> {
    return ((await call(gitlab, "GET", api, undefined, headers)).body as { labels: string[] }).labels;
  }

  beforeEach(async () => {
    gitlab = await startStandIn();
    const { id } = await gitlab.lab.createProject("infra", { files: { README: "main" } });
    await gitlab.lab.createProject("infra", { files: { README: "change" }, branch: "change" });
    const body = { source_branch: "change", target_branch: "main", title: "More jobs", labels: "theirs" };
    const made = await call(gitlab, "POST", `/api/v4/projects/${id}/merge_requests`, body, headers);
    assert.equal(made.status, 201, JSON.stringify(made.body));
    api = `/api/v4/projects/${id}/merge_requests/1`;
    env = {
      CI_API_V4_URL: `${gitlab.url}/api/v4`,
      CI_PROJECT_ID: String(id),
      CI_MERGE_REQUEST_IID: "1",
      CI_COMMIT_SHA: "0".repeat(40),
      PI_RUNNERS_GITLAB_TOKEN: admin,
    };
  });

  afterEach(() => gitlab.stop());

  it("is one for each stack, brought up to date in place, with one label that says what came out", async () => {
    await write(removes, await commit("a", 1));
    await write(other, await commit("a", 1));
    const [first] = await notes();
    assert.match(first!.body, /Preview of `home`: 1 to delete/);
    assert.deepEqual(await labels(), ["theirs", "home: removes", "other: changes"]);
    await write(nothing, await commit("b", 2));
    const after = await notes();
    assert.equal(after.length, 2);
    assert.equal(after[0]!.id, first!.id);
    assert.match(after[0]!.body, /Preview of `home`: no changes/);
    assert.deepEqual(await labels(), ["theirs", "other: changes", "home: no changes"]);
  });

  it("never looks current when it is of an older commit: while the next preview runs, and when a late one ends", async () => {
    await write(changes, await commit("a", 1));
    await write(other, await commit("a", 1));
    const late = await commit("a", 1);
    const newer = await commit("b", 2);
    await (await MergeRequestNote.ofJob("home", newer))!.begin();
    for (const { body } of await notes()) {
      assert.match(body, /Outdated\*\*: this is of commit/);
    }
    await write(nothing, newer);
    await write(changes, late);
    const [home, untouched] = await notes();
    assert.match(home!.body, /no changes/, "the late pipeline does not write over the newer one's");
    assert.doesNotMatch(home!.body, /Outdated/);
    assert.match(untouched!.body, /Outdated/);
    const [overtaken, newest] = [await commit("c", 3), await commit("d", 4)];
    await write(changes, overtaken);
    assert.match((await notes())[0]!.body, new RegExp(`Outdated.*${newest["CI_COMMIT_SHA"]!.slice(0, 12)}`));
  });

  it("says so when later commits have taken the change back; where there was none, none is made", async () => {
    await write(changes, await commit("a", 1));
    const back = await commit("b", 2);
    for (const stack of ["home", "other"]) {
      await (await MergeRequestNote.ofJob(stack, back))!.withdraw(reportOf(stack, {}), unchangedNote(stack));
    }
    const [home, ...others] = await notes();
    assert.match(home!.body, /Preview of `home`: no changes[^]*neither the stack's file nor the program any more/);
    assert.doesNotMatch(home!.body, /Outdated|1 to create/);
    assert.deepEqual(others, []);
    assert.deepEqual(await labels(), ["theirs", "home: no changes"]);
  });

  it("is not written, which is said once, without a token or outside of a merge request", async () => {
    const said: string[] = [];
    const { log } = console;
    console.log = (line: string) => said.push(line);
    try {
      assert.equal(await MergeRequestNote.ofJob("home", { ...env, PI_RUNNERS_GITLAB_TOKEN: "" }), undefined);
      assert.equal(await MergeRequestNote.ofJob("home", { ...env, CI_MERGE_REQUEST_IID: undefined }), undefined);
    } finally {
      console.log = log;
    }
    assert.match(said.join("\n"), /PI_RUNNERS_GITLAB_TOKEN is not set.*\n.*no job of a merge request/);
  });

  it("says what kind of token it needs when GitLab takes it for none", async () => {
    await assert.rejects(
      MergeRequestNote.ofJob("home", { ...env, PI_RUNNERS_GITLAB_TOKEN: "glpat-wrong0000000000000" }),
      /401.*\n.*project access token with scope api/,
    );
  });
});
