import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, readFileSync } from "node:fs";
import { engineProcesses } from "../../../lab/engine/leftovers";
import { engineData, network, runDir, state, stateLink } from "../../../lab/machine/places";
import { lab } from "../stack/lab";

function printed(command: string, ...args: string[]): string {
  return spawnSync(command, args, { encoding: "utf8" }).stdout;
}

describe("lab down", () => {
  before(async () => {
    const { code, output } = await lab("down");
    assert.equal(code, 0, output);
  });

  it("leaves no process", () => {
    assert.deepEqual(engineProcesses(), []);
    assert.equal(
      printed("sh", "-c", "cat /sys/fs/cgroup/pi-lab/cgroup.procs /sys/fs/cgroup/*/pi-lab/cgroup.procs 2>/dev/null"),
      "",
    );
  });

  it("leaves no control group", () => {
    assert.equal(printed("find", "/sys/fs/cgroup", "-maxdepth", "2", "-name", "pi-lab*"), "");
  });

  it("leaves no mount", () => {
    const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
    assert.deepEqual(
      mounts.filter((line) => line.includes(runDir) || line.includes(engineData)),
      [],
    );
  });

  it("leaves no bridge and no rule", () => {
    assert.doesNotMatch(printed("ip", "-o", "link"), new RegExp(network.bridge));
    assert.doesNotMatch(printed("iptables-save"), new RegExp(`${network.bridge}|172\\.30\\.99\\.`));
  });

  it("leaves no file but the cache", () => {
    assert.ok(!existsSync(runDir));
    assert.ok(!existsSync(state));
    assert.ok(!lstatSync(stateLink, { throwIfNoEntry: false }));
  });

  it("does nothing the second time, and says so without an error", async () => {
    const { code, output } = await lab("down");
    assert.equal(code, 0, output);
  });
});
