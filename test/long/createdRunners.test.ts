import assert from "node:assert/strict";
import type { JobView } from "../../lab/gitlab/client";
import { eventually, gitlab, onNode, up } from "../lab/stack/lab";
import { labConfig, tokenStack, type TokenStack } from "./tokenStack";

const accessRights = { scopes: ["create_runner", "manage_runner", "read_api"], role: "admin" } as const;

describe("a runner whose life in GitLab is the stack's", function () {
  this.timeout(900_000);
  let stack: TokenStack;
  let accessToken: string;
  let create: Record<string, unknown> = { type: "instance" };
  let tags = ["made"];

  before(async () => {
    await up(); // stack dev: the nodes trust the registries, and have the images
    stack = await tokenStack("made");
    accessToken = (await gitlab.createAccessToken({ ...accessRights, scopes: [...accessRights.scopes] })).token;
    stack.hide(accessToken);
    await gitlab.createProject("made", {
      files: {
        ".gitlab-ci.yml": "quick: {tags: [$TAG], script: [docker info]}\nslow: {tags: [$TAG], script: [sleep 45]}\n",
      },
    });
  });

  after(async () => {
    await stack.attempt("destroy", "--yes", "--skip-preview");
    await stack.remove();
  });

  async function configure(): Promise<void> {
    stack.configure({ ...labConfig("made"), runners: [{ name: "made", way: "dood", tags, create }] });
    await stack.secret("pi-runners:gitlab.accessToken", accessToken);
  }

  async function deploy(...args: string[]): Promise<void> {
    await configure();
    await stack.pulumi("up", "--yes", "--skip-preview", ...args);
    await stack.token("made");
  }

  const ours = async () => (await gitlab.runners()).filter(({ description }) => description.includes("[pi-runners "));

  async function job(script: string): Promise<JobView> {
    const yaml = { job: { tags: [tags[0]], script: [script] } };
    await gitlab.createProject("made", { files: { ".gitlab-ci.yml": JSON.stringify(yaml) } });
    return (await gitlab.startPipeline("made")).jobs[0]!;
  }

  async function succeeds({ id }: JobView): Promise<void> {
    const ended = await eventually(`job ${id} has ended`, 240, async () => {
      const now = await gitlab.job(id);
      return ["success", "failed", "canceled"].includes(now.status) ? now : undefined;
    });
    const trace = await gitlab.trace(id);
    stack.saw("the log of a job", trace);
    assert.equal(ended.status, "success", trace);
  }

  const running = ({ id }: JobView) => gitlab.waitJob(id, ({ status }) => status === "running", 180_000);

  it("is created, and takes jobs; GitLab shows the managers that the nodes have", async () => {
    await deploy();
    await succeeds(await job("docker info"));
    const [runner] = await ours();
    assert.deepEqual([runner!.tags, runner!.origin], [["made"], "api"]);
    await eventually("both managers are there", 60, async () =>
      (await ours())[0]!.managers.length === 2 ? true : undefined,
    );
    const identities = await Promise.all(
      ([1, 2] as const).map((node) => onNode(node, "cat /var/lib/pi-runners/made/made/system-id")),
    );
    assert.deepEqual((await ours())[0]!.managers.map(({ systemId }) => systemId).sort(), identities.sort());
  });

  it("has nothing to do when nothing changed", async () => {
    await stack.pulumi("up", "--yes", "--expect-no-changes");
    await stack.pulumi("refresh", "--yes", "--expect-no-changes");
  });

  it("is changed in place, and nothing but it", async () => {
    const [before] = await ours();
    tags = ["made", "other"];
    create = {
      type: "instance",
      description: "the dood of made",
      runUntagged: false,
      locked: true,
      protected: true,
      maximumTimeout: 1200,
      maintenanceNote: "Rack 2",
    };
    await configure();
    const { steps } = JSON.parse((await stack.pulumi("preview", "--json")).replace(/^[^{]*/, "")) as {
      steps: { op: string; urn: string }[];
    };
    const changed = steps
      .filter(({ op }) => op !== "same")
      .map(({ op, urn }) => `${op} ${urn.split("::").at(-2)!.split("$").at(-1)}`);
    assert.deepEqual(
      changed.sort(),
      [
        "update pi-runners:index:DoodRunner",
        "update pulumi-nodejs:dynamic/pi-runners:GitlabRunner",
        "update pulumi:pulumi:Stack",
      ].filter((one) => changed.includes(one)),
    );
    assert.ok(changed.some((one) => one.includes("GitlabRunner")));
    assert.match(await stack.report(), /maximumTimeout[^]*1200/);
    await deploy();
    const [after] = await ours();
    assert.equal(after!.id, before!.id);
    assert.match(after!.description, /^the dood of made \[pi-runners [0-9a-f]{8}\]$/);
    assert.match(after!.maintenanceNote, /^Rack 2\n/);
    assert.deepEqual(
      [after!.tags, after!.locked, after!.accessLevel, after!.maximumTimeout],
      [tags, true, "ref_protected", 1200],
    );
    await succeeds(await job("docker info"));
  });

  it("is paused and takes untagged jobs when told, and no longer when told no more", async () => {
    const before = create;
    create = { ...create, paused: true, runUntagged: true };
    await deploy();
    assert.deepEqual([(await ours())[0]!.paused, (await ours())[0]!.runUntagged], [true, true]);
    create = before;
    await deploy();
    assert.deepEqual([(await ours())[0]!.paused, (await ours())[0]!.runUntagged], [false, false]);
  });

  it("is put back after somebody changed it, and created again after somebody deleted it", async () => {
    const [before] = await ours();
    await gitlab.updateRunner(before!.id, { tags: ["theirs"], paused: true });
    await deploy("--refresh");
    assert.deepEqual([(await ours())[0]!.tags, (await ours())[0]!.paused], [tags, false]);
    await gitlab.deleteRunner(before!.id);
    await deploy("--refresh");
    assert.notEqual((await ours())[0]!.id, before!.id);
    await succeeds(await job("docker info"));
  });

  it("is rotated under a running job: no job is lost, and the old one goes last", async () => {
    const [before] = await ours();
    await eventually("both managers are there", 120, async () =>
      (await ours())[0]!.managers.length === 2 ? true : undefined,
    );
    const long = await job("sleep 45");
    await running(long);
    create = { ...create, rotate: "second" };
    await configure();
    assert.match(await stack.report(), /rotate/);
    await deploy();
    await succeeds(long);
    const left = await ours();
    assert.equal(left.length, 1);
    assert.notEqual(left[0]!.id, before!.id);
    assert.equal(left[0]!.managers.length, 2, "both processes had turned to it before the old one went");
    await succeeds(await job("docker info"));
  });

  it("that GitLab already has is taken over by its number, and stays when the stack goes", async () => {
    const there = await gitlab.createRunner({ description: "by hand", tags: ["by-hand"] });
    stack.hide(there.token);
    const before = create;
    create = { type: "instance", id: there.id };
    await deploy();
    await succeeds(await job("docker info"));
    await isRefusedToAnother(there.id);
    create = before;
    await deploy();
    const left = (await gitlab.runners()).find(({ id }) => id === there.id);
    assert.ok(left, "it was not created by the stack");
    assert.doesNotMatch(left.description + left.maintenanceNote, /pi-runners/, "another stack may take it over now");
    await gitlab.deleteRunner(there.id);
  });

  /** Another stack takes the same runner over: by its mark that is seen before anything happens to it. */
  async function isRefusedToAnother(id: number): Promise<void> {
    const before = (await gitlab.runners()).find((one) => one.id === id)!;
    const other = await tokenStack("taker");
    try {
      const runners = [{ name: "taker", way: "dood", tags, create: { type: "instance", id } }];
      const nowhere = { nodeSelector: { taker: "nowhere" } };
      const { runnerDefaults, ...config } = labConfig("taker");
      other.configure({ ...config, runnerDefaults: { ...(runnerDefaults as object), ...nowhere }, runners });
      await other.secret("pi-runners:gitlab.accessToken", accessToken);
      const { code, output } = await other.attempt("up", "--yes", "--skip-preview");
      assert.notEqual(code, 0);
      assert.match(output, new RegExp(`Runner ${id} is taken already`));
      await other.attempt("destroy", "--yes", "--skip-preview");
    } finally {
      await other.remove();
    }
    const after = (await gitlab.runners()).find((one) => one.id === id)!;
    assert.deepEqual({ ...after, managers: [] }, { ...before, managers: [] });
    await succeeds(await job("docker info"));
  }

  it("is gone from GitLab after destroy, once its jobs have ended", async () => {
    const long = await job("sleep 30");
    await running(long);
    await stack.pulumi("destroy", "--yes", "--skip-preview");
    assert.equal((await gitlab.job(long.id)).status, "success", await gitlab.trace(long.id));
    assert.deepEqual(await ours(), []);
  });

  it("was shown with a token nowhere", async () => {
    assert.deepEqual(await stack.leaks(), []);
  });
});
