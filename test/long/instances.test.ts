import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LabGitlab, RunnerView } from "../../lab/gitlab/client";
import { machine } from "../../lab/machine/places";
import { eventually, gitlab, up } from "../lab/stack/lab";
import { startStandIn, type StandIn } from "../lab/gitlab/standIn";
import { certificate } from "../unit/token/certificate";
import { labConfig, tokenStack, type TokenStack } from "./tokenStack";

describe("one stack with runners of two GitLab instances, of which one has a private CA", function () {
  this.timeout(600_000);
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-second-"));
  const caFile = join(folder, "ca.pem");
  let stack: TokenStack;
  let second: StandIn;
  let isThere = true;
  let projectId: number;
  let tokens: [string, string];

  before(async () => {
    await up(); // stack dev: the nodes trust the registries, and have the images
    stack = await tokenStack("both");
    const { key, cert } = certificate("second.lab", 30);
    writeFileSync(caFile, cert);
    const options = { runners: [], traceIntervalSeconds: 1 };
    second = await startStandIn(options, machine, { name: "second.lab", key, cert });
    const files = (tag: string) => ({
      ".gitlab-ci.yml": JSON.stringify({ job: { tags: [tag], script: ["docker info"] } }),
    });
    await gitlab.createProject("both", { files: files("first") });
    projectId = (await second.lab.createProject("both", { files: files("second") })).id;
    const scopes = ["create_runner", "manage_runner", "read_api"] as const;
    const make = async (of: LabGitlab, role: "admin" | "maintainer") =>
      (await of.createAccessToken({ scopes: [...scopes], role })).token;
    tokens = [await make(gitlab, "admin"), await make(second.lab, "maintainer")];
    stack.hide(...tokens);
  });

  after(async () => {
    await stack.attempt("destroy", "--yes", "--skip-preview");
    await stack.remove();
    await (isThere ? second?.stop() : undefined);
    rmSync(folder, { recursive: true });
  });

  async function deploy(...names: ("first" | "second")[]): Promise<void> {
    const { hostAliases, ...config } = labConfig("both");
    const of = {
      first: { create: { type: "instance" } },
      second: { create: { type: "project", projectId }, gitlab: { url: second.url, caFile } },
    };
    const runners = names.map((name) => ({ name, way: "dood", tags: [name], ...of[name] }));
    stack.configure({ ...config, hostAliases: { ...(hostAliases as object), "second.lab": machine }, runners });
    await stack.secret("pi-runners:gitlab.accessToken", tokens[0]);
    const at = names.indexOf("second");
    if (at >= 0) {
      await stack.secret(`pi-runners:runners[${at}].gitlab.accessToken`, tokens[1]);
    }
    await stack.pulumi("up", "--yes", "--skip-preview");
    await Promise.all(names.map((name) => stack.token(name)));
  }

  const ours = async (of: LabGitlab): Promise<RunnerView[]> =>
    (await of.runners()).filter(({ tags, origin }) => origin === "api" && /^(first|second)$/.test(tags.join()));

  async function works(of: LabGitlab): Promise<void> {
    const { jobs } = await of.runPipeline("both", { mustSucceed: true, timeoutMs: 240_000 });
    stack.saw("the log of a job", await of.trace(jobs[0]!.id));
    await eventually("both nodes are there", 60, async () => {
      const [runner, ...others] = await ours(of);
      return others.length === 0 && runner!.managers.length === 2 ? true : undefined;
    });
  }

  it("has each created in its own instance, where it takes jobs", async () => {
    await deploy("first", "second");
    await works(gitlab);
    await works(second.lab);
    assert.deepEqual([(await ours(gitlab))[0]!.tags, (await ours(second.lab))[0]!.tags], [["first"], ["second"]]);
    await stack.pulumi("up", "--yes", "--refresh", "--expect-no-changes");
  });

  it("has one deleted from its instance when it leaves the stack file, and the other stays", async () => {
    const [before] = await ours(gitlab);
    await deploy("first");
    assert.deepEqual(await ours(second.lab), []);
    assert.equal((await ours(gitlab))[0]!.id, before!.id);
  });

  it("is destroyed although one instance is gone for good, by the way that the error and the guide name", async () => {
    await deploy("first", "second");
    await second.stop();
    isThere = false;
    const { code, output } = await stack.attempt("destroy", "--yes", "--skip-preview");
    assert.notEqual(code, 0);
    assert.match(
      output,
      /GitLab does not answer.*ECONNREFUSED[^]*At \w+ https:\/\/second\.lab:\d+\/api\/v4\/[^]*for runner second/,
    );
    assert.match(output, /pulumi state delete/);
    const urns = (await stack.pulumi("stack", "--show-urns")).match(/urn:\S+:GitlabRunner::second$/gm);
    assert.equal(urns?.length, 1, "it is what is left to delete");
    await stack.pulumi("state", "delete", urns[0]!, "--yes");
    await stack.pulumi("destroy", "--yes", "--skip-preview");
    assert.deepEqual(await ours(gitlab), []);
  });

  it("was shown with a token nowhere", async () => {
    assert.deepEqual(await stack.leaks(), []);
  });
});
