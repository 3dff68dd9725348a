import assert from "node:assert/strict";
import { admin, call, startStandIn, type StandIn } from "./standIn";

describe("the stand-in's issues", () => {
  let gitlab: StandIn;
  beforeEach(async () => (gitlab = await startStandIn()));
  afterEach(() => gitlab.stop());

  it("have the labels that a change says, as merge requests have", async () => {
    const { id } = await gitlab.lab.createProject("infra", { files: { README: "main" } });
    const issues = `/api/v4/projects/${id}/issues`;
    const ask = async (method: string, path: string, body?: object): Promise<unknown> =>
      (await call(gitlab, method, `${issues}${path}`, body, { "PRIVATE-TOKEN": admin })).body;
    const changed = async (body: object): Promise<string[]> =>
      ((await ask("PUT", "/1", body)) as { labels: string[] }).labels;
    await ask("POST", "", { title: "Drift", labels: "drift" });
    assert.deepEqual(await changed({ add_labels: "theirs,late" }), ["drift", "theirs", "late"]);
    assert.deepEqual(await changed({ title: "Drift of home", remove_labels: "late" }), ["drift", "theirs"]);
    assert.equal(((await ask("GET", "?labels=theirs")) as object[]).length, 1);
    assert.deepEqual(await changed({ labels: "only" }), ["only"]);
  });
});
