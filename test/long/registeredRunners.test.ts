import assert from "node:assert/strict";
import { cluster, eventually, gitlab, lives, up } from "../lab/stack/lab";
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

  let tags = ["old"];

  async function configure(register: object): Promise<void> {
    stack.configure({ ...labConfig("legacy"), runners: [{ name: "old", way: "dood", tags, register }] });
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

  it("names in every preview what changed and does not reach GitLab, until it is registered anew", async () => {
    const [before] = await ours();
    tags = ["old", "arm64"];
    const warning =
      /warning: tags, register\.protected, register\.maximumTimeout of runner old changed since it was registered/;
    await configure({ repeat: "two", protected: true, maximumTimeout: 1200 });
    assert.match(await stack.pulumi("preview"), warning);
    assert.match(await stack.report(), /changed since it was registered/);
    assert.match(await stack.pulumi("up", "--yes", "--skip-preview"), warning);
    const preview = await stack.pulumi("preview", "--expect-no-changes");
    assert.match(preview, /maximumTimeout: none => 1200/);
    assert.match(preview, /register\.repeat, which registers another one/);
    assert.deepEqual((await ours())[0]!.tags, ["old"], "GitLab has it as it was registered");
    await gitlab.deleteRunner(before!.id);
    await deploy({ repeat: "three", protected: true, maximumTimeout: 1200 });
    const [after] = await ours();
    assert.deepEqual(
      [after!.tags.sort(), after!.accessLevel, after!.maximumTimeout],
      [["arm64", "old"], "ref_protected", 1200],
    );
    assert.doesNotMatch(await stack.pulumi("preview", "--expect-no-changes"), /changed since it was registered/);
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

  it("is unregistered on destroy, and registered again by the next up", async () => {
    await stack.pulumi("destroy", "--yes", "--skip-preview");
    await eventually("GitLab knows it no more", 10, async () => ((await ours()).length === 0 ? true : undefined));
    await deploy({});
    assert.equal((await ours()).length, 1);
  });

  it("turns into one that the stack creates by the guide, with a job running throughout", async () => {
    const yaml = { slow: { tags: ["old"], script: ["for i in $(seq 60); do echo $i; sleep 1; done"] } };
    await gitlab.createProject("legacy", { files: { ".gitlab-ci.yml": JSON.stringify(yaml) } });
    const [slow] = (await gitlab.startPipeline("legacy")).jobs;
    await gitlab.waitJob(slow!.id, ({ status }) => status === "running", 120_000);
    const before = await runnerPodsOf("legacy");
    const scopes = ["create_runner", "manage_runner"] as const;
    const { token } = await gitlab.createAccessToken({ scopes: [...scopes], role: "admin" });
    await stack.pulumi("config", "rm", "--path", "pi-runners:registrationTokens.old");
    const runners = [{ name: "old", way: "dood", tags, create: { type: "instance" } }];
    stack.configure({ ...labConfig("legacy"), runners });
    await stack.secret("pi-runners:gitlab.accessToken", token);
    await stack.pulumi("up", "--yes", "--skip-preview");
    await stack.token("old");
    const ended = await gitlab.waitJob(slow!.id, ({ finishedAt }) => finishedAt !== undefined, 180_000);
    const trace = await gitlab.trace(slow!.id);
    stack.saw("the log of the job", trace);
    assert.equal(ended.status, "success", trace);
    assert.deepEqual(await runnerPodsOf("legacy"), before, "no pod was restarted");
    assert.deepEqual(await ours(), [], "the old one is gone from GitLab");
    const created = (await gitlab.runners()).filter(({ origin }) => origin === "api");
    assert.deepEqual(
      created.map((one) => one.tags.sort()),
      [["arm64", "old"]],
    );
    await jobPasses();
    await stack.pulumi("up", "--yes", "--expect-no-changes");
  });

  it("is gone after destroy, and its tokens were seen nowhere", async () => {
    await stack.pulumi("destroy", "--yes", "--skip-preview");
    assert.deepEqual(
      (await gitlab.runners()).filter(({ origin }) => origin === "api" || origin === "registration"),
      [],
    );
    assert.deepEqual(await stack.leaks(), []);
  });

  async function runnerPodsOf(namespace: string): Promise<string[]> {
    const labelSelector = "app.kubernetes.io/instance=old";
    return lives((await cluster().listNamespacedPod({ namespace, labelSelector })).items).sort();
  }
});
