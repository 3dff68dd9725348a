import assert from "node:assert/strict";
import { runnerProvider, type GitlabRunnerState } from "../../../components/token/gitlab/runnerResource";
import { tokenProvider } from "../../../components/token/gitlab/tokenResource";
import { gitlab, type Call } from "../../../components/token/gitlab/request";
import type { AccessTokenInput, Fault } from "../../../lab/gitlab/protocol";
import { startStandIn, type StandIn } from "../../lab/gitlab/standIn";
import { stored } from "./stored";

const good: AccessTokenInput = { scopes: ["create_runner", "manage_runner", "read_api"], role: "admin" };
const mark = "pi-runners 0a1b2c3d";

describe("what GitLab may answer to the creation of a runner", function () {
  this.timeout(60_000);
  let standIn: StandIn;
  let accessToken: string;
  let runner: typeof runnerProvider;
  let token: typeof tokenProvider;

  before(async () => {
    [runner, token] = [await stored(runnerProvider), await stored(tokenProvider)];
    standIn = await startStandIn({ runners: [] });
  });

  beforeEach(async () => {
    await standIn.lab.setFault({ mode: "up" });
    accessToken = (await standIn.lab.createAccessToken(good)).token;
  });

  after(() => standIn.stop());

  const wanted = (more: Partial<GitlabRunnerState> = {}): GitlabRunnerState => ({
    url: standIn.url,
    accessToken,
    name: "dood",
    type: "instance",
    mark,
    description: `dood [${mark}]`,
    tags: ["pi"],
    runUntagged: false,
    locked: false,
    paused: false,
    protected: false,
    maximumTimeout: 0,
    maintenanceNote: mark,
    drainTimeout: 30,
    ...more,
  });

  /** Three parts: what, where with the runner's name, what to do. And no token. */
  async function fails(what: RegExp, todo: RegExp, more: Partial<GitlabRunnerState> = {}): Promise<void> {
    const error = await runner.create(wanted(more)).then(
      () => assert.fail("it was created"),
      (thrown: Error) => thrown,
    );
    const [first = "", second = "", third = "", ...rest] = error.message.split("\n");
    assert.match(first, what);
    assert.match(second, /^ {2}At (GET|POST) http.*, for runner dood\.$/);
    assert.match(third, todo);
    assert.deepEqual(rest, []);
    assert.ok(!error.message.includes(accessToken));
  }

  async function heals(): Promise<void> {
    await standIn.lab.setFault({ mode: "up" });
    const { id, outs } = await runner.create(wanted());
    const made = await standIn.lab.runners();
    assert.deepEqual(
      made.map((one) => String(one.id)),
      [id],
      "one runner, however often it failed before",
    );
    await runner.delete(id, outs);
  }

  const onPost = "^POST .*/user/runners";
  const cases: [name: string, fault: Fault, what: RegExp, todo: RegExp][] = [
    ["is down", { mode: "down" }, /does not answer: .*(hang up|ECONNRESET)/, /HTTPS_PROXY.*nothing was changed/],
    ["goes down before it creates", { mode: "down", only: onPost }, /does not answer/, /Run again.*is found/],
    ["loses its answer", { mode: "lose", only: onPost, times: 1 }, /never/, /never/],
    ["is busy", { mode: "unavailable", only: onPost }, /error of its own \(503\)/, /once it is well/],
    [
      "says 401",
      { mode: "answer", status: 401, headers: json(), body: '{"message":"401 Unauthorized"}', only: onPost },
      /refuses the access token \(401\): 401 Unauthorized/,
      /create_runner and manage_runner.*config set/,
    ],
    ["says 403", { mode: "refuse", only: onPost }, /refuses the call \(403\)/, /administrator/],
    [
      "says 404",
      { mode: "answer", status: 404, headers: json(), body: '{"error":"404 Not Found"}', only: onPost },
      /does not know.*404/,
      /16\.0/,
    ],
    [
      "says 409",
      { mode: "answer", status: 409, headers: json(), body: '{"message":"409 Conflict"}', only: onPost },
      /\(409\): 409 Conflict/,
      /Change the settings/,
    ],
    [
      "says 422",
      { mode: "answer", status: 422, headers: json(), body: '{"message":{"tags":["are odd"]}}', only: onPost },
      /\(422\): \{"tags":\["are odd"\]\}/,
      /Change the settings/,
    ],
    [
      "answers a page",
      { mode: "answer", status: 200, headers: html(), body: "<html>Welcome</html>" },
      /no JSON \(200, text\/html\)/,
      /has to lead to GitLab itself/,
    ],
    [
      "answers a page of a proxy",
      { mode: "answer", status: 404, headers: html(), body: "<html>nginx</html>" },
      /no JSON \(404/,
      /has to lead to GitLab/,
    ],
    [
      "asks for a login",
      { mode: "answer", status: 302, headers: { location: "https://sso.lan/users/sign_in?back=1" } },
      /asks for a login: 302 to https:\/\/sso\.lan\/users\/sign_in\./,
      /Let calls of \/api\/v4 through/,
    ],
    [
      "is at another address",
      { mode: "answer", status: 301, headers: { location: "https://gitlab.lan/api" } },
      /at another address: 301 to https:\/\/gitlab\.lan\/api/,
      /Write that one in gitlab\.url/,
    ],
    [
      "limits the rate for long",
      { mode: "answer", status: 429, headers: { "retry-after": "0" }, body: "Retry later\n" },
      /limits the rate/,
      /Run again later/,
    ],
  ];
  cases.forEach(([name, fault, what, todo]) =>
    it(`${name}: ${name === "loses its answer" ? "it is found, and no error" : "a clear error, no half state, healed by the next run"}`, async () => {
      await standIn.lab.setFault(fault);
      if (name === "loses its answer") {
        const { id, outs } = await runner.create(wanted());
        await runner.delete(id, outs);
        return;
      }
      await fails(what, todo);
      assert.deepEqual(await standIn.lab.runners(), []);
      await heals();
    }),
  );

  it("waits as long as Retry-After says, and then goes on", async () => {
    const fault: Fault = { mode: "answer", status: 429, headers: { "retry-after": "2" }, body: "Retry later\n" };
    await standIn.lab.setFault({ ...fault, only: onPost, times: 1 });
    const started = Date.now();
    const { id, outs } = await runner.create(wanted());
    assert.ok(Date.now() - started >= 2000);
    await runner.delete(id, outs);
  });

  it("gives up on one that is slow, and says that what it did will be found", async () => {
    await standIn.lab.setFault({ mode: "slow", ms: 3000, times: 1 });
    const call: Call = { method: "POST", path: "user/runners", accessToken, subject: "runner dood", timeout: 300 };
    const slow = gitlab({ url: standIn.url }, { ...call, body: { runner_type: "instance_type" } }, [201]);
    await assert.rejects(slow, /no answer within 0\.3 s\.\n.*for runner dood\.\n.*is found/);
  });

  const tokens: [name: string, token: Partial<AccessTokenInput>, what: RegExp, todo: RegExp][] = [
    ["expired", { expiresAt: 1 }, /\(401\): Token is expired/, /new one|Create an access token/],
    ["was revoked", { revoked: true }, /\(401\): Token was revoked/, /Create an access token/],
    [
      "lacks its scope",
      { scopes: ["read_api"] },
      /\(403\): The request requires higher privileges/,
      /create_runner and manage_runner/,
    ],
    [
      "is of too low a role",
      { role: "maintainer" },
      /\(403\): 403 Forbidden - Insufficient permissions/,
      /an administrator's token/,
    ],
  ];
  tokens.forEach(([name, change, what, todo]) =>
    it(`says that an access token ${name}`, async () => {
      accessToken = (await standIn.lab.createAccessToken({ ...good, ...change })).token;
      await fails(what, todo);
    }),
  );

  it("says which role a group's and a project's runner take", async () => {
    accessToken = (await standIn.lab.createAccessToken({ ...good, role: "developer" })).token;
    const { groupId } = await standIn.lab.createProject("some", { files: { "README.md": "" } });
    await fails(/403/, /Owner of the group/, { type: "group", groupId });
  });

  it("passes on what GitLab says of a setting", async () => {
    await fails(/\(400\): 400 Bad request - Maximum timeout needs to be at least 10 minutes/, /Change the settings/, {
      maximumTimeout: 60,
    });
  });

  const telling: [where: string, status: number, body: object][] = [
    ["in an answer of an odd status", 200, { id: 7, token: "glrt-t1_0123456789.01.abcdefghi" }],
    ["in words, past which they are cut", 422, { message: `${"a".repeat(290)} glrt-t1_0123456789.01.abcdefghi` }],
  ];
  telling.forEach(([where, status, body]) =>
    it(`passes on no token that GitLab tells ${where}`, async () => {
      await standIn.lab.setFault({ mode: "answer", status, headers: json(), body: JSON.stringify(body), only: onPost });
      const error: Error = await runner.create(wanted()).then(
        () => assert.fail("it was created"),
        (thrown: Error) => thrown,
      );
      assert.match(error.message, /\[secret\]|aaa \[se/);
      assert.doesNotMatch(error.message, /glrt-/);
    }),
  );

  it("takes no answer without an id or a token for one", async () => {
    const fault: Fault = { mode: "answer", status: 201, headers: json(), body: "{}" };
    await standIn.lab.setFault({ ...fault, only: onPost });
    await fails(/has no id in it/, /leads to GitLab itself/);
    await standIn.lab.setFault({ ...fault, only: "^POST .*/reset_authentication_token" });
    const state = { url: standIn.url, accessToken, name: "dood", needs: "", runnerId: "1", renew: false };
    await assert.rejects(token.create(state), /has no token in it/);
  });

  it("says that nobody listens there", async () => {
    await fails(/does not answer: .*ECONNREFUSED/, /nothing was changed/, { url: "http://127.0.0.1:9" });
  });
});

function json(): Record<string, string> {
  return { "content-type": "application/json" };
}

function html(): Record<string, string> {
  return { "content-type": "text/html" };
}
