import assert from "node:assert/strict";
import { runnerProvider, type GitlabRunnerState } from "../../../components/token/gitlab/runnerResource";
import { noteOf } from "../../../components/token/gitlab/shownRunner";
import { startStandIn, type StandIn } from "../../lab/gitlab/standIn";
import { mark, runnerState } from "./runnerStates";
import { stored } from "./stored";

describe("a runner that is taken over by its number", function () {
  this.timeout(30_000);
  let standIn: StandIn;
  let accessToken: string;
  let runner: typeof runnerProvider;

  before(async () => {
    runner = await stored(runnerProvider);
    standIn = await startStandIn({ runners: [] });
    accessToken = (await standIn.lab.createAccessToken({ scopes: ["api"], role: "admin" })).token;
  });

  after(() => standIn.stop());

  const wanted = (more: Partial<GitlabRunnerState> = {}): GitlabRunnerState =>
    runnerState({ url: standIn.url, accessToken }, more);

  const another = "pi-runners ffffffff";
  const ofAnother = { mark: another, description: `other [${another}]`, maintenanceNote: `Kept by Pulumi, ${another}` };
  const byHand = () => standIn.lab.createRunner({ description: "by hand", tags: ["x"] });
  const shown = async (id: number) => (await standIn.lab.runners()).find((one) => one.id === id)!;

  it("is refused to a second one, as each would make the other's token worthless; nothing of it is changed", async () => {
    const there = await byHand();
    await runner.create(wanted({ adopt: there.id }));
    const before = await shown(there.id);
    await assert.rejects(runner.create(wanted({ ...ofAnother, name: "second", adopt: there.id })), (error: Error) => {
      const [what, where, todo, ...rest] = error.message.split("\n");
      assert.match(what!, /is taken already.*"pi-runners 0a1b2c3d"/);
      assert.match(where!, /^ {2}At http.*for runner second, create\.id \d+\.$/);
      assert.match(todo!, /leave create\.id out/);
      return rest.length === 0;
    });
    assert.deepEqual(await shown(there.id), before);
  });

  it("is refused where a stack has created it", async () => {
    const made = await runner.create(wanted(ofAnother));
    await assert.rejects(runner.create(wanted({ adopt: Number(made.id) })), /is taken already/);
    await runner.delete(made.id, made.outs);
  });

  it("is let go where another one has it by now, however that came", async () => {
    const there = await byHand();
    const { id, outs } = await runner.create(wanted({ adopt: there.id }));
    await standIn.lab.updateRunner(there.id, { description: ofAnother.description });
    assert.equal((await runner.read(id, outs)).id, "");
    await assert.rejects(runner.update(id, outs, wanted({ adopt: there.id })), /or is another stack's now/);
    const before = await shown(there.id);
    await runner.delete(id, outs);
    assert.deepEqual(await shown(there.id), before);
  });

  it("is put back where somebody took its mark out", async () => {
    const there = await byHand();
    const { id, outs } = await runner.create(wanted({ adopt: there.id }));
    await standIn.lab.updateRunner(there.id, { description: "theirs", maintenanceNote: "" });
    const read = await runner.read(id, outs);
    assert.equal(read.id, id);
    await runner.update(id, read.props as typeof outs, wanted({ adopt: there.id }));
    assert.equal((await shown(there.id)).description, `dood [${mark}]`);
  });

  it("stays when the stack goes, without its mark: the next stack may have it", async () => {
    const there = await byHand();
    // As another process would: this one remembers that it has just taken it over.
    const { id, outs } = await (await stored(runnerProvider)).create(wanted({ adopt: there.id }));
    forget();
    await runner.delete(id, outs);
    const left = await shown(there.id);
    assert.deepEqual([left.description, left.maintenanceNote], ["dood", "Rack 2"]);
    await runner.create(wanted({ ...ofAnother, adopt: there.id }));
  });

  it("stays, too, where this stack had created it before it took it over", async () => {
    const made = await runner.create(wanted());
    const taken = await runner.create(wanted({ adopt: Number(made.id) }));
    assert.equal(taken.id, made.id);
    await runner.delete(made.id, made.outs);
    assert.equal((await shown(Number(made.id))).description, `dood [${mark}]`);
  });

  it("stays, too, where that update ended early, and the next one clears up", async () => {
    const made = await runner.create(wanted());
    const taken = await runner.create(wanted({ adopt: Number(made.id) }));
    forget();
    await runner.diff(taken.id, taken.outs, wanted({ adopt: Number(made.id) }));
    await runner.delete(made.id, made.outs);
    assert.ok(await shown(Number(made.id)), "it is there");
  });

  it("stays, too, where everything goes before the next one did", async () => {
    const made = await runner.create(wanted());
    const adopt = Number(made.id);
    await runner.create(wanted({ adopt, maintenanceNote: noteOf({ mark, adopt }) }));
    forget();
    await runner.delete(made.id, made.outs);
    assert.ok(await shown(adopt), "it is there");
  });

  it("stays, too, where the same update writes GitLab's address another way", async () => {
    const made = await runner.create(wanted());
    await runner.create(wanted({ url: `${standIn.url}/`, adopt: Number(made.id) }));
    await runner.delete(made.id, made.outs);
    assert.ok(await shown(Number(made.id)), "it is there");
  });

  it("is refused where it is of another kind than the stack file says", async () => {
    const there = await byHand();
    const project = await standIn.lab.createProject("some", { files: { ".gitlab-ci.yml": "{}" } });
    const kind = { type: "project" as const, projectId: project.id };
    await assert.rejects(
      runner.create(wanted({ ...kind, adopt: there.id })),
      /is of instance, not of project[^]*create\.type/,
    );
  });

  it("that is not there is named", async () => {
    await assert.rejects(runner.create(wanted({ adopt: 99_999 })), /\(404\)[^]*for runner dood/);
  });
});

/** A new update knows nothing of what the last one did. */
function forget(): void {
  delete (globalThis as unknown as Record<symbol, unknown>)[Symbol.for("pi-runners/gitlab-runners")];
}
