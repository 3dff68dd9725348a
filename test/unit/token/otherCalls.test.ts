import assert from "node:assert/strict";
import { runnerProvider } from "../../../components/token/gitlab/runnerResource";
import { tokenProvider } from "../../../components/token/gitlab/tokenResource";
import { verifiedProvider } from "../../../components/token/gitlab/verifiedResource";
import type { Fault } from "../../../lab/gitlab/protocol";
import { startStandIn, type StandIn } from "../../lab/gitlab/standIn";
import { runnerState, tokenState } from "./runnerStates";
import { impatiently, stored } from "./stored";

/** What GitLab may answer, and what is said of it: `what`, and what to do. failures.test.ts has more, of a creation. */
const faults: [name: string, fault: Fault, what: RegExp, todo: RegExp][] = [
  ["is down", { mode: "down" }, /does not answer/, /Run again|run again/],
  ["is busy", { mode: "unavailable" }, /error of its own \(503\)/, /once it is well/],
  ["says 401", json(401, { message: "401 Unauthorized" }), /refuses the access token \(401\)/, /config set/],
  ["says 403", json(403, { message: "403 Forbidden" }), /refuses the call \(403\)/, /access token/],
  ["says 409", json(409, { message: "409 Conflict" }), /\(409\): 409 Conflict/, /Change the settings/],
  ["says 422", json(422, { message: { tags: ["odd"] } }), /\(422\)/, /Change the settings/],
  [
    "limits the rate for long",
    { ...json(429, {}), headers: { "retry-after": "0", "content-type": "application/json" } },
    /limits the rate/,
    /Run again later/,
  ],
  ["answers a page", page(200), /no JSON \(200, text\/html\)/, /has to lead to GitLab itself/],
  [
    "asks for a login",
    { mode: "answer", status: 302, headers: { location: "https://sso.lan/users/sign_in" } },
    /asks for a login/,
    /Let calls of \/api\/v4 through/,
  ],
];

function json(status: number, body: object): Fault {
  return { mode: "answer", status, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

function page(status: number): Fault {
  return { mode: "answer", status, headers: { "content-type": "text/html" }, body: "<html></html>" };
}

describe("what GitLab may answer to what comes after a runner's creation", function () {
  this.timeout(60_000);
  let standIn: StandIn;
  let accessToken: string;
  let runner: typeof runnerProvider;
  let token: typeof tokenProvider;
  let made: Awaited<ReturnType<typeof runnerProvider.create>>;

  impatiently();

  before(async () => {
    [runner, token] = [await stored(runnerProvider), await stored(tokenProvider)];
    standIn = await startStandIn({ runners: [] });
    accessToken = (await standIn.lab.createAccessToken({ scopes: ["api"], role: "admin" })).token;
    made = await runner.create(runnerState(at()));
  });

  afterEach(() => standIn.lab.setFault({ mode: "up" }));
  after(() => standIn.stop());

  const at = () => ({ url: standIn.url, accessToken });
  const changed = () => runnerState(at(), { tags: ["other"] });

  /** The calls, each as often as you like. */
  const calls: [name: string, only: string, act: () => Promise<unknown>][] = [
    ["a change", "^PUT .*/runners/", () => runner.update(made.id, made.outs, changed())],
    ["a refresh", "^GET .*/runners/", () => runner.read(made.id, made.outs)],
    ["a deletion", "^DELETE .*/runners/", () => runner.delete(made.id, made.outs)],
    ["the reset of a token", "^POST .*/reset_auth", () => token.create(tokenState(at(), made.id))],
  ];
  calls.forEach(([call, only, act]) => {
    faults.forEach(([name, fault, what, todo]) =>
      it(`${call}, when GitLab ${name}: a clear error, and nothing is lost`, async () => {
        await standIn.lab.setFault({ ...fault, only });
        await assert.rejects(act(), (error: Error) => {
          const [first = "", second = "", third = "", ...rest] = error.message.split("\n");
          assert.match(first, what);
          assert.match(second, /^ {2}At (GET|PUT|POST|DELETE) http.*, for runner dood\.$/);
          assert.match(third, todo);
          assert.deepEqual(rest, []);
          return !error.message.includes(accessToken) && !/glrt-/.test(error.message);
        });
        assert.equal((await standIn.lab.runners()).length, 1);
      }),
    );

    it(`${call} whose answer got lost is done again, and no error`, async () => {
      await standIn.lab.setFault({ mode: "lose", only, times: 1 });
      await act();
      if (call === "a deletion") {
        assert.deepEqual(await standIn.lab.runners(), []);
        made = await runner.create(runnerState(at()));
      }
    });
  });

  it("says that a certificate, a rate or a name is wrong no less when a token is looked at, before anything is changed", async () => {
    const verified = await stored(verifiedProvider);
    const there = await standIn.lab.createRunner({ description: "good" });
    const news = { url: standIn.url, name: "dood", token: there.token };
    for (const [, fault, what] of faults.filter(([name]) => !/40[13]/.test(name))) {
      await standIn.lab.setFault({ ...fault, only: "^POST .*/verify" });
      const { failures } = await verified.check({}, news);
      assert.match(failures![0]!.reason, what);
      assert.ok(!failures![0]!.reason.includes(there.token));
    }
    await standIn.lab.setFault({ mode: "up" });
    assert.deepEqual((await verified.check({}, news)).failures, []);
  });
});
