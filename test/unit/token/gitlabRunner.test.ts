import { runtime as pulumi } from "@pulumi/pulumi";
import assert from "node:assert/strict";
import { runnerProvider, type GitlabRunnerState } from "../../../components/token/gitlab/runnerResource";
import { tokenProvider, type GitlabTokenState } from "../../../components/token/gitlab/tokenResource";
import { verifiedProvider } from "../../../components/token/gitlab/verifiedResource";
import type { AccessTokenInput } from "../../../lab/gitlab/protocol";
import { call, startStandIn, type StandIn } from "../../lab/gitlab/standIn";
import { mark, runnerState, tokenState } from "./runnerStates";
import { stored, storedText } from "./stored";

const everything: AccessTokenInput = { scopes: ["create_runner", "manage_runner", "read_api"], role: "admin" };
const noList: AccessTokenInput = { scopes: ["create_runner", "manage_runner"], role: "admin" };

describe("a runner that is created by GitLab's API", function () {
  this.timeout(30_000);
  let standIn: StandIn;
  let accessToken: string;
  let runner: typeof runnerProvider;
  let token: typeof tokenProvider;

  before(async () => {
    [runner, token] = [await stored(runnerProvider), await stored(tokenProvider)];
  });

  beforeEach(async () => {
    standIn = await startStandIn({ runners: [] });
    accessToken = (await standIn.lab.createAccessToken(everything)).token;
  });

  afterEach(() => standIn.stop());

  const at = () => ({ url: standIn.url, accessToken });
  const wanted = (more: Partial<GitlabRunnerState> = {}): GitlabRunnerState => runnerState(at(), more);
  const tokenOf = (runnerId: string, more: Partial<GitlabTokenState> = {}) => tokenState(at(), runnerId, more);

  it("has what was asked for, and a token that GitLab knows", async () => {
    const { id, outs } = await runner.create(wanted());
    const [made] = await standIn.lab.runners();
    assert.equal(id, String(made!.id));
    const { description, tags, runUntagged, locked, paused, accessLevel, maximumTimeout, maintenanceNote } = made!;
    assert.deepEqual(
      [description, tags, runUntagged, locked, paused, accessLevel, maximumTimeout, maintenanceNote],
      [`dood [${mark}]`, ["pi", "dood"], false, true, false, "ref_protected", 3600, `Rack 2\n${mark}`],
    );
    assert.ok(!JSON.stringify(outs).includes("glrt-"), "no token beside the one that is marked as a secret");
    const { outs: kept } = await token.create(tokenOf(id));
    const verified = await call(standIn, "POST", "/api/v4/runners/verify", { token: kept.token });
    assert.equal(verified.status, 200);
  });

  it("shows on refresh what somebody changed, and puts it back", async () => {
    const { id, outs } = await runner.create(wanted());
    await standIn.lab.updateRunner(Number(id), { tags: ["theirs"], paused: true, description: "theirs" });
    const read = (await runner.read(id, outs)) as Awaited<ReturnType<typeof runner.read>> & { inputs: typeof outs };
    assert.deepEqual([read.inputs.tags, read.inputs.paused, read.inputs.description], [["theirs"], true, "theirs"]);
    assert.deepEqual(await runner.diff(id, read.props as typeof outs, wanted()), { changes: true, replaces: [] });
    await runner.update(id, read.props as typeof outs, wanted());
    assert.deepEqual((await runner.read(id, outs)).props, outs);
  });

  it("is gone on refresh when somebody deleted it, and when the number is another's", async () => {
    const { id, outs } = await runner.create(wanted());
    await standIn.lab.updateRunner(Number(id), { description: "a stranger's", maintenanceNote: "" });
    assert.equal((await runner.read(id, outs)).id, "");
    await runner.delete(id, outs);
    assert.equal((await standIn.lab.runners()).length, 1, "a stranger's runner is not deleted");
    await assert.rejects(
      runner.update(id, outs, wanted()),
      /no longer in GitLab[\s\S]*for runner dood[\s\S]*--refresh/,
    );
    await standIn.lab.deleteRunner(Number(id));
    assert.equal((await runner.read(id, outs)).id, "");
  });

  it("is deleted, also a second time", async () => {
    const { id, outs } = await runner.create(wanted());
    await runner.delete(id, outs);
    assert.deepEqual(await standIn.lab.runners(), []);
    await runner.delete(id, outs);
  });

  it("is taken over by id, with a token of its own, and stays when the stack goes", async () => {
    const there = await standIn.lab.createRunner({ description: "by hand", tags: ["x"] });
    const { id, outs } = await runner.create(wanted({ adopt: there.id }));
    assert.equal(id, String(there.id));
    assert.deepEqual((await standIn.lab.runners())[0]!.tags, ["pi", "dood"]);
    const { outs: kept } = await token.create(tokenOf(id));
    assert.notEqual(kept.token, there.token);
    await runner.delete(id, outs);
    assert.equal((await standIn.lab.runners()).length, 1);
  });

  const ids = async () => (await standIn.lab.runners()).map((one) => String(one.id));

  it("is there once when the answer to its creation got lost, and is renewed before its token expires", async () => {
    await standIn.lab.setSettings({ runnerTokenLifetime: 3600 });
    await standIn.lab.setFault({ mode: "lose", only: "^POST .*/user/runners", times: 1 });
    const { id, outs } = await runner.create(wanted());
    assert.deepEqual(await ids(), [id]);
    assert.ok(Date.parse(outs.renewAt) > Date.now());
    const again = await runner.create(wanted());
    assert.deepEqual(await ids(), [again.id], "as after a Pulumi that was killed before it could write its state");
  });

  it("that is in use is taken for no lost one, as pulumi up --replace creates without a diff", async () => {
    const first = await runner.create(wanted());
    const { outs } = await token.create(tokenOf(first.id));
    await call(standIn, "POST", "/api/v4/runners/verify", { token: outs.token, system_id: "r_000000000001" });
    const second = await runner.create(wanted());
    assert.notEqual(second.id, first.id);
    assert.deepEqual((await ids()).sort(), [first.id, second.id]);
  });

  it("is the same at another address of its GitLab, and another one in another GitLab", async () => {
    const { id, outs } = await runner.create(wanted());
    for (const url of [`${standIn.url}/`, standIn.url.replace("127.0.0.1", "localhost")]) {
      const news = wanted({ url });
      assert.deepEqual(await runner.diff(id, outs, news), { changes: true, replaces: [] });
      const updated = await runner.update(id, outs, news);
      assert.deepEqual(await runner.diff(id, updated.outs, news), { changes: false, replaces: [] });
    }
    const other = await startStandIn({ runners: [] });
    const { replaces } = await runner.diff(id, outs, wanted({ url: other.url }));
    await other.stop();
    assert.deepEqual(replaces, ["url"]);
  });

  it("has a token of its own where another one had its number, and keeps it while that is not known", async () => {
    const { id, outs } = await runner.create(wanted());
    const { outs: kept } = await token.create(tokenOf(id, { runnerCreatedAt: outs.createdAt }));
    const changes = async (runnerCreatedAt?: string) => {
      return (await token.diff("dood", kept, tokenOf(id, { runnerCreatedAt }))).changes;
    };
    assert.equal(await changes(outs.createdAt), false);
    assert.equal(await changes("2026-11-21T00:00:00.000Z"), true);
    assert.equal(await changes(pulumi.unknownValue), false, "in the preview of a change in place");
    const { runnerCreatedAt: _none, ...older } = kept;
    assert.equal((await token.diff("dood", older, tokenOf(id))).changes, false, "of a stack of before");
  });

  it("is created where GitLab, or what is before it, names the same page as the next for ever", async () => {
    const headers = { "content-type": "application/json", "x-next-page": "1" };
    await standIn.lab.setFault({ mode: "answer", status: 200, headers, body: "[]", only: "^GET .*/runners/all" });
    const { id } = await runner.create(wanted());
    assert.deepEqual(await ids(), [id]);
  });

  it("is found on later pages, too", async () => {
    await runner.create(wanted());
    await Promise.all(
      Array.from({ length: 120 }, (_, index) => standIn.lab.createRunner({ description: `r${index}` })),
    );
    await runner.create(wanted());
    assert.equal((await standIn.lab.runners()).filter(({ description }) => description.includes(mark)).length, 1);
  });

  it("says where to look when the answer got lost and the access token may not", async () => {
    accessToken = (await standIn.lab.createAccessToken(noList)).token;
    await standIn.lab.setFault({ mode: "lose", only: "^POST .*/user/runners", times: 1 });
    await assert.rejects(runner.create(wanted()), /got lost[\s\S]*dood \[pi-runners 0a1b2c3d\][\s\S]*read_api/);
  });

  it("is replaced by another when asked to, whose token is new while the old one is still good", async () => {
    const first = await runner.create(wanted());
    const old = await token.create(tokenOf(first.id));
    const news = wanted({ rotate: "2026-11" });
    assert.deepEqual(await runner.diff(first.id, first.outs, news), { changes: true, replaces: ["rotate"] });
    const second = await runner.create(news);
    assert.notEqual(second.id, first.id, "the runner that goes is not taken for one whose answer got lost");
    const rotated = await token.update("dood", old.outs, tokenOf(second.id));
    const both = [old.outs.token, rotated.outs.token];
    const known = await Promise.all(both.map((one) => call(standIn, "POST", "/api/v4/runners/verify", { token: one })));
    assert.deepEqual(
      known.map(({ status }) => status),
      [200, 200],
    );
    // Both have the same manager now: nothing to wait for.
    await runner.delete(first.id, first.outs);
    assert.deepEqual(
      (await standIn.lab.runners()).map((one) => String(one.id)),
      [second.id],
    );
  });

  it("waits with the old one until the runner's processes have turned to the new one", async () => {
    const verify = (of: string) =>
      call(standIn, "POST", "/api/v4/runners/verify", { token: of, system_id: "r_000000000001" });
    const first = await runner.create(wanted());
    const old = await token.create(tokenOf(first.id));
    await verify(old.outs.token);
    await runner.diff(first.id, first.outs, wanted({ rotate: "b" }));
    const second = await runner.create(wanted({ rotate: "b" }));
    const rotated = await token.update("dood", old.outs, tokenOf(second.id));
    let isGone = false;
    const gone = runner.delete(first.id, first.outs).then(() => (isGone = true));
    await new Promise((done) => setTimeout(done, 1500));
    assert.equal(isGone, false);
    await verify(rotated.outs.token);
    await gone;
    assert.equal((await standIn.lab.runners()).length, 1);
  });

  it("goes by the stack file's access token where the one that it was made with is good no more", async () => {
    const first = await runner.create(wanted());
    const renewed = (await standIn.lab.createAccessToken(everything)).token;
    await standIn.lab.changeAccessToken(accessToken, { ...everything, revoked: true });
    const news = wanted({ url: `${standIn.url}/`, accessToken: renewed, rotate: "b" });
    await runner.diff(first.id, first.outs, news);
    const second = await runner.create(news);
    await runner.delete(first.id, first.outs);
    assert.deepEqual(
      (await standIn.lab.runners()).map(({ id }) => String(id)),
      [second.id],
    );
  });

  it("is not taken for one of another GitLab where the new address does not answer", async () => {
    const { id, outs } = await runner.create(wanted());
    await assert.rejects(runner.diff(id, outs, wanted({ url: "http://127.0.0.1:9" })), /GitLab does not answer/);
  });

  it("is replaced in the last third of its token's time", async () => {
    await standIn.lab.setSettings({ runnerTokenLifetime: 3 });
    const first = await runner.create(wanted());
    assert.deepEqual(await runner.diff(first.id, first.outs, wanted()), { changes: false, replaces: [] });
    await new Promise((done) => setTimeout(done, 2100));
    assert.deepEqual(await runner.diff(first.id, first.outs, wanted()), { changes: true, replaces: ["renewAt"] });
  });

  it("is another one when it belongs elsewhere", async () => {
    const { id, outs } = await runner.create(wanted());
    const { replaces } = await runner.diff(id, outs, wanted({ type: "project", projectId: 3 }));
    assert.deepEqual(replaces, ["type", "projectId"]);
  });

  it("is stored as code that names no place of this machine", async () => {
    const texts = await Promise.all(
      [runnerProvider, tokenProvider, verifiedProvider].map((one) => storedText(one as never)),
    );
    for (const text of texts) {
      assert.ok(!text.includes(process.cwd()) && !text.includes("node_modules"), text);
      assert.ok(text.length < 55_000, `${text.length} characters`);
    }
  });
});

describe("the look at a token", function () {
  this.timeout(30_000);
  let standIn: StandIn;
  let verified: typeof verifiedProvider;

  before(async () => {
    verified = await stored(verifiedProvider);
    standIn = await startStandIn({ runners: [] });
  });

  after(() => standIn.stop());

  it("passes a good one, and leaves no process in GitLab that is not there", async () => {
    const made = await standIn.lab.createRunner({ description: "good" });
    const news = { url: standIn.url, name: "dood", token: made.token };
    assert.deepEqual(await verified.check({}, news), { inputs: news, failures: [] });
    const shown = (await standIn.lab.runners()).find(({ id }) => id === made.id)!;
    assert.deepEqual(shown.managers, []);
  });

  it("names one that expired, and never shows it", async () => {
    const made = await standIn.lab.createRunner({ description: "old", tokenExpiresAt: Date.now() - 1000 });
    const { failures } = await verified.check({}, { url: standIn.url, name: "dood", token: made.token });
    assert.match(failures![0]!.reason, /does not know the token of runner dood: it expired[\s\S]*tokens\.dood/);
    assert.ok(!failures![0]!.reason.includes(made.token));
    assert.equal(failures![0]!.property, "", "Pulumi would print the value of a property that it names");
  });

  it("leaves alone what is not known yet", async () => {
    const news = { url: "http://127.0.0.1:1", name: "dood", token: "04da6b54-80e4-46f7-96ec-b56ff0331ba9" };
    assert.equal((await verified.check({}, news)).failures, undefined);
  });
});
