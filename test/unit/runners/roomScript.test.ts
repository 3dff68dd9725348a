import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { roomScript } from "../../../components/runners/shell/roomScript";
import { temporaryFolder } from "../../temporaryFolder";
import { command, run } from "./shell";

/** A checkout with a file that no commit has, and a stand-in for df, by which the disk has this room with it and without. */
function checkout(mebibytes: { before: number; after: number }): { left: string; env: Record<string, string> } {
  const root = temporaryFolder();
  const [bin, project] = [join(root, "bin"), join(root, "project")];
  mkdirSync(bin);
  execFileSync("git", ["init", "--quiet", project]);
  const left = join(project, "left");
  writeFileSync(left, "");
  const { before, after } = mebibytes;
  command(bin, "df", `[ -e ${left} ] && free=${before * 1024} || free=${after * 1024}; ${dfPrints}`);
  return { left, env: { PATH: `${bin}:${process.env["PATH"]!}`, HOME: root, CI_PROJECT_DIR: project } };
}
const dfPrints =
  "printf 'Filesystem 1024-blocks Used Available Capacity Mounted on\\n/dev/mmcblk0p2 29000000 28000000 %s 99%% /\\n' $free";

const shell = ["bash", "-eo", "pipefail"];
const script = roomScript("/var/lib/pi-runners/shell_builds/pi/gitlab-runner", "pi1");

describe("room on the disk with the checkouts of a shell runner", () => {
  it("is there: nothing is touched, nothing said", () => {
    const { left, env } = checkout({ before: 900, after: 900 });
    assert.deepEqual(run(shell, script, env), { status: 0, output: "" });
    assert.ok(existsSync(left));
  });

  it("is made by cleaning what earlier jobs left in this checkout, as far as the job has it cleaned", () => {
    const { left, env } = checkout({ before: 1, after: 900 });
    const kept = run(shell, script, { ...env, GIT_CLEAN_FLAGS: "-ffdx --exclude left" });
    assert.match(kept.output, /the disk with the checkouts is full/);
    const strategies: Record<string, string>[] = [
      { GIT_STRATEGY: "none" },
      { GIT_STRATEGY: "empty" },
      { GIT_CHECKOUT: "false" },
    ];
    const patterns = [{ GIT_CLEAN_FLAGS: "-ffdx --exclude l*" }, { GIT_CLEAN_FLAGS: "none" }];
    for (const variables of [...strategies, ...patterns]) {
      assert.match(run(shell, script, { ...env, ...variables }).output, /is full/);
      assert.ok(existsSync(left), JSON.stringify(variables));
    }
    const { status, output } = run(shell, script, env);
    assert.equal(status, 0, output);
    assert.match(output, /has 1 MiB left: what earlier jobs left in this one goes/);
    assert.doesNotMatch(output, /is full/);
    assert.ok(!existsSync(left));
  });

  it("is named where it is missing, with the disk, the host and what to do, and the job goes on", () => {
    const { env } = checkout({ before: 1, after: 2 });
    const { status, output } = run(shell, script, env);
    assert.equal(status, 0);
    assert.match(output, /^pi-runners: the disk with the checkouts is full: 2 MiB are left\.$/m);
    assert.match(output, /^  where: host pi1, \/var\/lib\/pi-runners\/\S+ \(\/dev\/mmcblk0p2, mounted at \/\)$/m);
    assert.match(output, /^  what to do: Make room there .*, then run the job again\.$/m);
  });

  it("says nothing where nobody can tell, and where there is no checkout yet", () => {
    const { env } = checkout({ before: 1, after: 1 });
    command(env["PATH"]!.split(":")[0]!, "df", "exit 1");
    assert.deepEqual(run(shell, script, env), { status: 0, output: "" });
    const fresh = checkout({ before: 1, after: 1 });
    const none = run(shell, script, { ...fresh.env, CI_PROJECT_DIR: "/nowhere" });
    assert.doesNotMatch(none.output, /goes/);
    assert.match(none.output, /is full/);
  });
});
