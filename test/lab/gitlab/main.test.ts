import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LabGitlab } from "../../../lab/gitlab/client";

describe("stand-in for GitLab, as a process", function () {
  this.timeout(30_000);
  const folder = mkdtempSync(join(tmpdir(), "pi-lab-main-"));
  let child: ChildProcess | undefined;

  after(() => {
    child?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  function start(...args: string[]) {
    const main = join(__dirname, "../../../lab/gitlab/main.ts");
    child = spawn(process.execPath, ["--require", "tsx/cjs", main, "--host", "127.0.0.1", "--port", "0", ...args], {
      env: { PATH: process.env["PATH"], LAB_GITLAB_STATE: join(folder, "state") },
    });
    let said = "";
    child.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
    return { child, said: () => said };
  }

  async function listening(said: () => string): Promise<string> {
    for (let i = 0; i < 200; i++) {
      const url = /listens on (\S+)/.exec(said())?.[1];
      if (url) {
        return url;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`never listened: ${said()}`);
  }

  it("starts with the runners of its file, and ends cleanly on SIGTERM", async () => {
    const runners = join(folder, "runners.json");
    writeFileSync(runners, JSON.stringify([{ name: "a", token: "glrt-constant0000000000", tags: ["dood"] }]));
    for (let round = 0; round < 2; round++) {
      const { child, said } = start("--runners", runners);
      const lab = new LabGitlab(await listening(said));
      await lab.waitReady();
      assert.deepEqual(
        (await lab.runners()).map(({ id, tags }) => [id, tags]),
        [[1, ["dood"]]],
      );
      child.kill("SIGTERM");
      assert.deepEqual(await once(child, "exit"), [0, null]);
    }
  });

  it("names what is wrong in its file of runners", async () => {
    const runners = join(folder, "wrong.json");
    writeFileSync(runners, JSON.stringify([{ name: "a", tokn: "x" }]));
    const { child, said } = start("--runners", runners);
    assert.deepEqual(await once(child, "exit"), [1, null]);
    assert.match(said(), /wrong\.json[\s\S]*tokn/);
  });
});
