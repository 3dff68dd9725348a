import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type StandIn, admin, call, dood, startStandIn } from "./standIn";

describe("stand-in for GitLab: repositories", function () {
  this.timeout(20_000);
  let standIn: StandIn;
  let folder: string;

  beforeEach(async () => {
    standIn = await startStandIn();
    folder = mkdtempSync(join(tmpdir(), "pi-lab-clone-"));
  });
  afterEach(async () => {
    await standIn.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const identity = {
    GIT_AUTHOR_NAME: "a",
    GIT_AUTHOR_EMAIL: "a@b",
    GIT_COMMITTER_NAME: "a",
    GIT_COMMITTER_EMAIL: "a@b",
  };
  async function git(...args: string[]): Promise<string> {
    const env = { PATH: process.env["PATH"], HOME: folder, GIT_TERMINAL_PROMPT: "0", ...identity };
    return (await promisify(execFile)("git", args, { cwd: folder, env })).stdout.trim();
  }
  const address = (password: string, path = "lab/demo") =>
    `${standIn.url.replace("://", `://gitlab-ci-token:${password}@`)}/${path}.git`;

  it("lets a running job's token read its own project, and nothing else", async () => {
    await standIn.lab.createProject("other", { files: { x: "" } });
    await standIn.lab.createProject("demo", { files: { ".gitlab-ci.yml": "a: {script: [echo]}", "a/b.txt": "text" } });
    await standIn.lab.startPipeline("demo");
    const { body: job } = await call(standIn, "POST", "/api/v4/jobs/request", { token: dood });
    await git("clone", "--quiet", job.git_info.repo_url, "tree");
    assert.equal(readFileSync(join(folder, "tree/a/b.txt"), "utf8"), "text");
    assert.equal(await git("-C", "tree", "rev-parse", "HEAD"), job.git_info.sha);
    await git("-C", "tree", "fetch", "--quiet", "--depth", "1", "origin", job.git_info.refspecs[0]);
    await assert.rejects(git("clone", address(job.token, "lab/other"), "no"), /403/);
    await assert.rejects(git("-C", "tree", "push", "origin", "HEAD:main"), /403/);
    for (const wrong of [address("wrong"), `${standIn.url}/lab/demo.git`]) {
      await assert.rejects(git("clone", wrong, "no"), /Authentication failed|could not read Username/);
    }
    await standIn.lab.cancelJob(job.id);
    await assert.rejects(git("clone", job.git_info.repo_url, "no"), /Authentication failed/);
  });

  it("lets the administrator push, and anybody read what is public", async () => {
    await standIn.lab.createProject("group/demo", { files: { ".gitlab-ci.yml": "a: {script: [echo]}" }, public: true });
    await git("clone", "--quiet", `${standIn.url}/group/demo.git`, "tree");
    writeFileSync(join(folder, "tree/new.txt"), "new");
    await git("-C", "tree", "add", ".");
    await git("-C", "tree", "commit", "--quiet", "--message", "Pushed");
    await assert.rejects(git("-C", "tree", "push", "--quiet", "origin", "HEAD:main"), /Authentication|Username/);
    await git("-C", "tree", "push", "--quiet", address(admin, "group/demo"), "HEAD:main");
    const { sha } = await standIn.lab.startPipeline("group/demo");
    assert.equal(sha, await git("-C", "tree", "rev-parse", "HEAD"));
  });

  it("makes the branch's tree exactly what it was given, and no commit for the same tree", async () => {
    const one = await standIn.lab.createProject("demo", {
      public: true,
      files: { keep: "1", drop: "1", run: { content: "IyEvYmluL3NoCg==", encoding: "base64", executable: true } },
    });
    const same = await standIn.lab.createProject("demo", {
      files: { keep: "1", drop: "1", run: { content: "#!/bin/sh\n", executable: true } },
    });
    assert.equal(same.sha, one.sha);
    const two = await standIn.lab.createProject("demo", { files: { keep: "1" } });
    assert.notEqual(two.sha, one.sha);
    await standIn.lab.createProject("demo", { files: { else: "1" }, branch: "feature/x" });
    await git("clone", "--quiet", one.cloneUrl, "tree");
    assert.equal(await git("-C", "tree", "ls-tree", "--name-only", "origin/main"), "keep");
    assert.equal(await git("-C", "tree", "ls-tree", "--name-only", "origin/feature/x"), "else");
    await git("-C", "tree", "checkout", "--quiet", one.sha);
    assert.ok(statSync(join(folder, "tree/run")).mode & 0o100);
  });

  it("serves no path outside its repositories", async () => {
    for (const path of ["/lab/..%2f..%2fstate.json", "/state.json", "/..%2f.git/HEAD", "/lab/none.git/info/refs"]) {
      const { status } = await call(standIn, "GET", path);
      assert.ok(status === 404 || status === 401, `${path}: ${status}`);
    }
  });
});
