import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkShellRunner } from "../../../components/runners/shell/errors";
import { unitText } from "../../../components/runners/shell/unit";

// A name that no runner has here: its script looks through the processes of the machine.
const given = { name: `unit-test-${process.pid}`, way: "shell", url: "https://gitlab.lan", drainTimeout: 30 };

function unit(): string {
  return unitText(checkShellRunner(given).settings!);
}

/** The script of a unit's setting, as systemd hands it to the shell. */
function script(setting: string): string {
  const found = new RegExp(`^${setting}=/bin/sh -c '(.*)'$`, "m").exec(unit())!;
  return found[1]!.replaceAll("$$", "$").replaceAll("%%", "%");
}

describe("the unit of a shell runner", () => {
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-unit-"));
  after(() => rmSync(folder, { recursive: true }));

  for (const [state, signal] of [
    ["stopping", "TERM"],
    ["running", "QUIT"],
    ["degraded", "QUIT"],
  ]) {
    it(`stops by SIG${signal} on a host that is ${state} (with stand-ins for systemctl, kill and tail)`, () => {
      writeFileSync(join(folder, "systemctl"), `#!/bin/sh\necho ${state}\n`, { mode: 0o755 });
      writeFileSync(join(folder, "tail"), "#!/bin/sh\n", { mode: 0o755 });
      const program = `kill() { echo "$1"; }; PATH=${folder}:$PATH MAINPID=999999999; ${script("ExecStop")}`;
      const { stdout } = spawnSync("sh", ["-c", program], { encoding: "utf8" });
      assert.deepEqual(
        stdout.split("\n").filter((line) => line.startsWith("-")),
        [`-${signal}`],
      );
    });
  }

  it("covers nothing of /proc and denies no device: rootless builders would not work in jobs", () => {
    assert.doesNotMatch(unit(), /^(Protect|Private|Device|NoNewPrivileges|RestrictNamespaces|SystemCall)/m);
  });

  it("has no name that an installation's service has", () => {
    for (const name of ["install-docker", "remove-gitlab-runner"]) {
      assert.equal(checkShellRunner({ ...given, name }).errors[0]?.propertyPath, "name");
    }
    assert.deepEqual(checkShellRunner({ ...given, name: "installs" }).errors, []);
  });
});
