import assert from "node:assert/strict";
import { cluster, eventually, gitlab, lives, up } from "../lab/stack/lab";
import { labConfig, tokenStack, type TokenStack } from "./tokenStack";

describe("a runner with a token of one's own that previews verify", function () {
  this.timeout(600_000);
  let stack: TokenStack;
  let runner: { id: number; token: string };

  before(async () => {
    await up(); // stack dev: the nodes trust the registries, and have the images
    stack = await tokenStack("supplied");
    runner = await given("first");
  });

  after(async () => {
    await stack.attempt("destroy", "--yes", "--skip-preview");
    await stack.remove();
    const left = (await gitlab.runners()).filter(({ tags }) => tags.includes("supplied"));
    await Promise.all(left.map(({ id }) => gitlab.deleteRunner(id)));
  });

  /** A runner that somebody created in GitLab, and its token in the stack file. */
  async function given(description: string): Promise<typeof runner> {
    const made = await gitlab.createRunner({ description, tags: ["supplied"] });
    await stack.secret("pi-runners:tokens.mine", made.token);
    return made;
  }

  function configure(more: object = {}): void {
    const runners = [{ name: "mine", way: "dood", tags: ["supplied"], verify: true, ...more }];
    stack.configure({ ...labConfig("supplied"), runners });
  }

  const pods = async () => {
    const labelSelector = "app.kubernetes.io/instance=mine";
    return lives((await cluster().listNamespacedPod({ namespace: "supplied", labelSelector })).items).sort();
  };

  async function jobPasses(): Promise<void> {
    const yaml = { job: { tags: ["supplied"], script: ["docker info"] } };
    await gitlab.createProject("supplied", { files: { ".gitlab-ci.yml": JSON.stringify(yaml) } });
    await gitlab.runPipeline("supplied", { mustSucceed: true, timeoutMs: 240_000 });
  }

  /** A preview and an update that would replace every pod end with the token's name, and touch no pod. */
  async function isNamed(): Promise<void> {
    const before = await pods();
    configure({ resources: { requests: { cpu: "11m" } } });
    for (const command of [["preview"], ["up", "--yes", "--skip-preview"]]) {
      const { code, output } = await stack.attempt(...command);
      assert.notEqual(code, 0, command[0]);
      assert.match(output, /does not know the token of runner mine: it expired, was reset or revoked/);
      assert.match(output, /pulumi config set --path --secret 'tokens\.mine'/);
    }
    assert.deepEqual(await pods(), before);
    configure();
  }

  it("passes with a good one, takes jobs, and GitLab shows no process that is not there", async () => {
    configure();
    await stack.pulumi("up", "--yes", "--skip-preview");
    await jobPasses();
    await stack.pulumi("preview", "--expect-no-changes");
    await eventually("both managers are there, and only they", 120, async () => {
      const [shown] = (await gitlab.runners()).filter(({ id }) => id === runner.id);
      return shown!.managers.length === 2 ? true : undefined;
    });
  });

  it("names one that expired before a pod is replaced; the next one is taken without a restart", async () => {
    await gitlab.updateRunner(runner.id, { tokenExpiresAt: Date.now() - 1000 });
    await isNamed();
    const before = await pods();
    runner = await given("second");
    configure();
    await stack.pulumi("up", "--yes", "--skip-preview");
    assert.deepEqual(await pods(), before);
    await jobPasses();
  });

  it("names one whose runner was deleted, too", async () => {
    await gitlab.deleteRunner(runner.id);
    await isNamed();
  });

  it("was shown with a token nowhere, and the runner stays in GitLab when the stack goes", async () => {
    runner = await given("third");
    configure();
    await stack.pulumi("up", "--yes", "--skip-preview");
    await stack.pulumi("destroy", "--yes", "--skip-preview");
    assert.ok((await gitlab.runners()).some(({ id }) => id === runner.id));
    assert.deepEqual(await stack.leaks(), []);
  });
});
