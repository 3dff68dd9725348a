import assert from "node:assert/strict";
import { runnerProvider, type GitlabRunnerState } from "../../../components/token/gitlab/runnerResource";
import { tokenProvider } from "../../../components/token/gitlab/tokenResource";
import type { AccessTokenInput } from "../../../lab/gitlab/protocol";
import { call, startStandIn, type StandIn } from "../../lab/gitlab/standIn";
import { changes, runnerState, tokenState } from "./runnerStates";
import { stored } from "./stored";

const scopes: AccessTokenInput["scopes"] = ["create_runner", "manage_runner", "read_api"];
type Role = AccessTokenInput["role"];

/** Who may, who just may not, and what is said to them. */
const kinds: [type: GitlabRunnerState["type"], least: Role, tooLow: Role, todo: RegExp][] = [
  ["project", "maintainer", "developer", /at least the role Maintainer in the project/],
  ["group", "owner", "maintainer", /the role Owner of the group/],
  ["instance", "admin", "owner", /an administrator's token/],
];

kinds.forEach(([type, least, tooLow, todo]) =>
  describe(`a runner of a kind: ${type}`, function () {
    this.timeout(30_000);
    let standIn: StandIn;
    let accessToken: string;
    let runner: typeof runnerProvider;
    let token: typeof tokenProvider;
    let scope: Partial<GitlabRunnerState>;

    before(async () => {
      [runner, token] = [await stored(runnerProvider), await stored(tokenProvider)];
      standIn = await startStandIn({ runners: [] });
      const inside = await project("ours/inside");
      await project("theirs/outside");
      const of = { project: { projectId: inside.id }, group: { groupId: inside.groupId }, instance: {} };
      scope = { type, ...of[type] };
      accessToken = (await standIn.lab.createAccessToken({ scopes, role: least })).token;
    });

    after(() => standIn.stop());

    const project = (name: string) =>
      standIn.lab.createProject(name, { files: { ".gitlab-ci.yml": "job: {tags: [pi], script: ['true']}" } });

    const wanted = (more: Partial<GitlabRunnerState> = {}): GitlabRunnerState =>
      runnerState({ url: standIn.url, accessToken }, { ...scope, ...more });

    async function remove({ id, outs }: { id: string; outs: object }): Promise<void> {
      await runner.delete(id, outs as Parameters<typeof runner.delete>[1]);
      assert.deepEqual(await standIn.lab.runners(), []);
    }

    it("is created there, and takes jobs from there alone", async () => {
      const made = await runner.create(wanted({ tags: ["pi"], protected: false }));
      const { token: secret } = (await token.create(tokenState({ url: standIn.url, accessToken }, made.id))).outs;
      const get = await call(standIn, "GET", `/api/v4/runners/${made.id}`, undefined, { "PRIVATE-TOKEN": accessToken });
      assert.equal(get.body.runner_type, `${type}_type`);
      assert.deepEqual(
        [get.body.groups.map(({ id }: { id: number }) => id), get.body.projects.map(({ id }: { id: number }) => id)],
        [scope.groupId === undefined ? [] : [scope.groupId], scope.projectId === undefined ? [] : [scope.projectId]],
      );
      await standIn.lab.startPipeline("theirs/outside");
      const ask = { token: secret, info: {} };
      const stranger = await call(standIn, "POST", "/api/v4/jobs/request", ask);
      assert.equal(stranger.status, type === "instance" ? 201 : 204);
      await standIn.lab.startPipeline("ours/inside");
      const own = await call(standIn, "POST", "/api/v4/jobs/request", ask);
      assert.equal(own.status, 201);
      // Jobs that nobody works on would keep it.
      for (const { status, body } of [stranger, own].filter((answer) => answer.status === 201)) {
        await call(standIn, "PUT", `/api/v4/jobs/${body.id}`, { token: body.token, state: "success" });
        assert.equal(status, 201);
      }
      await remove(made);
    });

    it("has each setting changed in place, and put back after a change behind our back", async () => {
      const { id, outs } = await runner.create(wanted());
      let now = outs;
      for (const change of changes) {
        const news = wanted(change);
        assert.deepEqual(await runner.diff(id, now, news), { changes: true, replaces: [] });
        now = (await runner.update(id, now, news)).outs;
        assert.deepEqual((await runner.read(id, now)).props, now, "GitLab has what the state says");
        assert.deepEqual(await runner.diff(id, now, news), { changes: false, replaces: [] });
      }
      const theirs = { description: "theirs", tags: ["theirs"], locked: true, paused: true, maximumTimeout: 900 };
      await standIn.lab.updateRunner(Number(id), { ...theirs, runUntagged: true, accessLevel: "ref_protected" });
      const seen = (await runner.read(id, now)).props as typeof now;
      assert.deepEqual(
        [seen.description, seen.tags, seen.locked, seen.paused, seen.maximumTimeout, seen.runUntagged, seen.protected],
        ["theirs", ["theirs"], true, true, 900, true, true],
      );
      const back = await runner.update(id, seen, wanted(changes.at(-1)));
      assert.deepEqual((await runner.read(id, back.outs)).props, back.outs);
      await remove({ id, outs: back.outs });
    });

    it("is found whose creation got no answer", async () => {
      await standIn.lab.setFault({ mode: "lose", only: "^POST .*/user/runners", times: 1 });
      const made = await runner.create(wanted());
      assert.equal((await standIn.lab.runners()).length, 1);
      await remove(made);
    });

    it(`takes more than the role ${tooLow}, and says so`, async () => {
      const low = (await standIn.lab.createAccessToken({ scopes, role: tooLow })).token;
      await assert.rejects(runner.create(wanted({ accessToken: low })), todo);
      assert.deepEqual(await standIn.lab.runners(), []);
    });

    if (type !== "instance") {
      it("is refused where its project or group is not there", async () => {
        const nowhere = type === "project" ? { projectId: 999 } : { groupId: 999 };
        await assert.rejects(runner.create(wanted(nowhere)), /\((400|404)\)[^]*for runner dood\./);
      });
    }
  }),
);
