import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { probeKeyScript } from "../../../ci/probeKey";
import { trustInput, trustProgram } from "../../../components/registryTrust/trustProgram";
import { shellProgram } from "../../../components/runners/shell/shellProgram";
import { probeOnly } from "../../../hosts/probeOnly";

const input = trustInput({ node: "pi1", owner: "o", registries: [] });

function run(input: string, programs = [trustProgram]): { status: number | null; output: string } {
  const done = spawnSync("python3", ["-I", "-S", "-c", probeOnly(programs)], { input, encoding: "utf8" });
  return { status: done.status, output: done.stdout + done.stderr };
}

describe("what a key that may only look runs on a node", () => {
  it("takes no command, no code and no other input", () => {
    for (const text of ["", "id\n", "--- settings\n", input.replace(/^--- program$/m, "--- code")]) {
      const { status, output } = run(text);
      assert.equal(status, 1, output);
      assert.match(output, /may only look at the node/);
    }
  });

  it("runs its own copy only, and says what to do where the caller's is another", () => {
    const { status, output } = run(input, [shellProgram]);
    assert.equal(status, 1);
    assert.match(output, /another version of pi-runners\.\n {2}where: node pi1\n {2}what to do: Run ci\/probeKey\.ts/);
  });

  it("looks, as what Pulumi sends would", () => {
    // Without root it says so: it got as far as the real thing.
    const { output } = run(input);
    assert.match(output, process.getuid!() === 0 ? /"engines"|step preflight/ : /the run is not root/);
  });

  it("is put on the node by a script for sh; what is no key, or no user, is refused", () => {
    const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDhVx8nAQJEiA me@home; touch /x";
    for (const script of [probeKeyScript(key, "pi", false), probeKeyScript(key, "root", true)]) {
      assert.equal(spawnSync("sh", ["-n"], { input: script }).status, 0);
      assert.doesNotMatch(script, /touch/);
    }
    assert.match(
      probeKeyScript(key, "pi", false),
      /^echo 'restrict,command="sudo -n \/usr\/local\/lib\/pi-runners\/probe" ssh-/m,
    );
    assert.throws(() => probeKeyScript("ssh-ed25519 'x' y", "root", false), /no public key/);
    assert.throws(() => probeKeyScript(key, "a; b", false), /no user's name/);
  });
});
