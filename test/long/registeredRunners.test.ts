import assert from "node:assert/strict";
import { cluster, eventually, gitlab, up } from "../lab/stack/lab";
import { labConfig, tokenStack, type TokenStack } from "./tokenStack";

const registrationToken = "GR1348941labOnlyLabOnly1";

describe("a runner that a Job registers with a legacy token", function () {
  this.timeout(900_000);
  let stack: TokenStack;

  before(async () => {
    await up(); // stack dev: the nodes trust the registries, and have the images
    stack = await tokenStack("legacy");
    await gitlab.setSettings({ registrationToken });
  });

  after(async () => {
    await stack.attempt("destroy", "--yes", "--skip-preview");
    await stack.remove();
    await gitlab.setSettings({});
  });

  async function deploy(register: object, ...args: string[]): Promise<void> {
    await configure(register);
    await stack.pulumi("up", "--yes", "--skip-preview", ...args);
    await stack.token("old");
  }

  async function configure(register: object): Promise<void> {
    stack.configure({ ...labConfig("legacy"), runners: [{ name: "old", way: "dood", tags: ["old"], register }] });
    await stack.secret("pi-runners:registrationTokens.old", registrationToken);
  }

  const ours = async () => (await gitlab.runners()).filter(({ origin }) => origin === "registration");

  async function jobPasses(): Promise<void> {
    const yaml = { job: { tags: ["old"], script: ["docker info"] } };
    await gitlab.createProject("legacy", { files: { ".gitlab-ci.yml": JSON.stringify(yaml) } });
    await gitlab.runPipeline("legacy", { mustSucceed: true, timeoutMs: 240_000 });
  }

  it("says so where GitLab has it switched off, and what to do; the next run heals it", async () => {
    await gitlab.setSettings({ registrationToken, registration: "off" });
    await configure({});
    const { code, output } = await stack.attempt("up", "--yes", "--skip-preview");
    assert.notEqual(code, 0);
    assert.match(output, /registers no runners by registration token \(410\)/);
    assert.match(output, /gitlab\.accessToken/);
    assert.deepEqual(await ours(), []);
    await gitlab.setSettings({ registrationToken });
  });

  it("is registered once, with its settings, and takes jobs", async () => {
    await deploy({ maximumTimeout: 900, protected: true, maintenanceNote: "seed 003" });
    const [runner, ...others] = await ours();
    assert.deepEqual(others, []);
    assert.deepEqual(
      [runner!.description, runner!.tags, runner!.accessLevel, runner!.maximumTimeout, runner!.maintenanceNote],
      ["old", ["old"], "ref_protected", 900, "seed 003"],
    );
    await jobPasses();
    await stack.pulumi("up", "--yes", "--expect-no-changes");
  });

  it("is not registered again while its token is good, and is when it is not", async () => {
    const [before] = await ours();
    await deploy({ repeat: "one" });
    assert.deepEqual(
      (await ours()).map(({ id }) => id),
      [before!.id],
    );
    await gitlab.deleteRunner(before!.id);
    await deploy({ repeat: "two" });
    const [after] = await ours();
    assert.notEqual(after!.id, before!.id);
    await jobPasses();
  });

  it("has an account that may write its token, and nothing else", async () => {
    const { items } = await cluster().listNamespacedPod({
      namespace: "legacy",
      labelSelector: "pi-runners/registers=old",
    });
    const logs = await Promise.all(
      items.map(({ metadata }) => cluster().readNamespacedPodLog({ namespace: "legacy", name: metadata!.name! })),
    );
    assert.ok(
      logs.length > 0 && logs.every((log) => /^(Registered\.|The runner is registered: nothing to do\.)\n$/.test(log)),
      logs.join(),
    );
  });

  it("is unregistered on destroy, and its tokens were seen nowhere", async () => {
    await stack.pulumi("destroy", "--yes", "--skip-preview");
    await eventually("GitLab knows it no more", 10, async () => ((await ours()).length === 0 ? true : undefined));
    assert.deepEqual(await stack.leaks(), []);
  });
});
