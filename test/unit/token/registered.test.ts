import * as pulumi from "@pulumi/pulumi";
import assert from "node:assert/strict";
import { registeredProvider, type RegisteredAttributes } from "../../../components/token/gitlab/registeredResource";
import { registeredAttributes, untoldWarning } from "../../../components/token/registration";
import { registration } from "../../../components/token/settings";
import { call, registration as legacyToken, startStandIn, type StandIn } from "../../lab/gitlab/standIn";
import { impatiently, stored, storedText } from "./stored";

const attributes = (given: object = {}, tags = ["pi"]): RegisteredAttributes =>
  registeredAttributes("old", registration.parse(given), tags);

describe("a runner that was registered with a legacy token", function () {
  this.timeout(30_000);
  impatiently();
  let provider: typeof registeredProvider;
  before(async () => void (provider = await stored(registeredProvider)));

  const state = (more: object = {}) => ({
    url: "https://gitlab.lan",
    name: "old",
    token: "glrt-0123456789",
    attributes: attributes(),
    ...more,
  });

  /** For each attribute another value than it was registered with. */
  const others: [key: string, given: object, tags?: string[]][] = [
    ["tags", {}, ["pi", "arm64"]],
    ["register.description", { description: "another" }],
    ["register.runUntagged", { runUntagged: true }],
    ["register.locked", { locked: true }],
    ["register.paused", { paused: true }],
    ["register.protected", { protected: true }],
    ["register.maximumTimeout", { maximumTimeout: 900 }],
    ["register.maintenanceNote", { maintenanceNote: "Rack 2" }],
  ];
  others.forEach(([key, given, tags]) =>
    it(`keeps what it was registered with when ${key} changes, so that it can be named`, async () => {
      const news = state({ attributes: attributes(given, tags) });
      const { outs } = await provider.create(state());
      assert.deepEqual(await provider.diff("old", outs, news), { changes: false, replaces: [] });
      const elsewhere = { ...news, url: "https://gitlab.example" };
      assert.deepEqual(await provider.diff("old", outs, elsewhere), { changes: true, replaces: [] });
      const { registered } = (await provider.update("old", outs, elsewhere)).outs;
      assert.deepEqual(registered, attributes());
      const [what, why, todo, ...rest] = untoldWarning("old", registered!, news.attributes)!.split("\n");
      assert.match(what!, new RegExp(`^${key} of runner old changed since it was registered`));
      assert.match(why!, /once/);
      assert.match(todo!, /register\.repeat.*by hand.*create.*docs\/tokens\.md/);
      assert.deepEqual(rest, []);
    }),
  );

  it("is another one once it is registered anew, with its new settings and nothing more to say", async () => {
    const { outs } = await provider.create(state());
    const news = state({ token: "glrt-9876543210", attributes: attributes({ protected: true }) });
    assert.deepEqual(await provider.diff("old", outs, news), { changes: true, replaces: ["token"] });
    const { registered } = (await provider.create(news)).outs;
    assert.equal(untoldWarning("old", registered!, news.attributes), undefined);
  });

  it("is not said to be another one while a preview cannot know its token", async () => {
    const { outs } = await provider.create(state());
    const news = state({ token: pulumi.runtime.unknownValue });
    assert.deepEqual((await provider.diff("old", outs, news)).replaces, []);
  });

  it("of a stack of before this was kept is taken to have what the stack file says, at its first update", async () => {
    const { attributes: _none, ...older } = state();
    assert.deepEqual(await provider.diff("old", older, state()), { changes: true, replaces: [] });
    const { registered } = (await provider.update("old", older, state())).outs;
    assert.deepEqual(registered, attributes());
  });

  it("names two changes in one message, tags in any order being the same", () => {
    assert.equal(untoldWarning("old", attributes({}, ["a", "b"]), attributes({}, ["b", "a"])), undefined);
    const text = untoldWarning("old", attributes(), attributes({ protected: true, maximumTimeout: 900 }))!;
    assert.match(text, /^register\.protected, register\.maximumTimeout of runner old/);
    assert.match(text, /protected: false => true, maximumTimeout: none => 900/);
  });

  it("is stored as code that names no place of this machine", async () => {
    const text = await storedText(registeredProvider as never);
    assert.ok(!text.includes(process.cwd()) && !text.includes("node_modules"), text);
  });

  describe("when the stack goes", () => {
    let standIn: StandIn;
    before(async () => void (standIn = await startStandIn({ runners: [] })));
    after(() => standIn.stop());

    it("goes from GitLab, also a second time", async () => {
      const made = await call(standIn, "POST", "/api/v4/runners", { token: legacyToken, tag_list: "pi" });
      const mine = state({ url: standIn.url, token: made.body.token });
      await provider.delete("old", mine);
      assert.deepEqual(await standIn.lab.runners(), []);
      await provider.delete("old", mine);
    });

    it("says so where GitLab cannot be asked, and never shows the token", async () => {
      await standIn.lab.setFault({ mode: "unavailable" });
      const mine = state({ url: standIn.url });
      await assert.rejects(provider.delete("old", mine), (error: Error) => {
        assert.match(error.message, /\(503\)[^]*At DELETE http.*\/api\/v4\/runners, for runner old\.\n {2}Run again/);
        assert.doesNotMatch(error.message, /state delete/, "it is there");
        return !error.message.includes(mine.token);
      });
      const gone = state({ url: "http://127.0.0.1:9" });
      await assert.rejects(provider.delete("old", gone), /ECONNREFUSED[^]*gone for good: pulumi state delete/);
    });
  });
});
