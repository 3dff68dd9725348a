import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { engineProcesses, signal } from "../../../lab/engine/leftovers";
import { lab, onNode } from "../stack/lab";

const pushed = /sha256:[0-9a-f]{64}/;

/** As a power cut leaves it: daemons first, so that nobody cleans up, then everything in the lab's control group. */
function killEverything(): void {
  for (const pid of engineProcesses()) {
    signal(pid, "SIGKILL");
  }
  const script =
    "cat /sys/fs/cgroup/*/pi-lab/cgroup.procs $(find /sys/fs/cgroup -path '*/pi-lab/*' -name cgroup.procs)";
  const list = execFileSync("sh", ["-c", `${script} 2>/dev/null | sort -u; true`], { encoding: "utf8" });
  for (const pid of list.split("\n").map(Number)) {
    if (pid > 1) {
      signal(pid, "SIGKILL");
    }
  }
}

describe("a lab that was hurt", function () {
  this.timeout(600_000);

  it("comes up again after every process of it was killed, and pushes an image", async () => {
    killEverything();
    const { code, output } = await lab("up");
    assert.equal(code, 0, output);
    assert.match(output, pushed);
  });

  it("comes up again when a node has vanished, and that node trusts the registry again", async () => {
    execFileSync("docker", ["-H", "unix:///run/pi-lab/docker.sock", "rm", "-f", "-v", "pi-lab-node2"]);
    const { code, output } = await lab("up");
    assert.equal(code, 0, output);
    assert.match(output, pushed);
    assert.match(await onNode(2, "docker info --format '{{json .RegistryConfig.IndexConfigs}}'"), /registry\.lab:5000/);
  });

  it("is left as it is when nothing is wrong", async () => {
    const age = "ps -o lstart= -p 1; ps -o lstart= -C kubelet,dockerd";
    const before = await onNode(1, age);
    const { code, output } = await lab("up");
    assert.equal(code, 0, output);
    assert.match(output, pushed);
    assert.equal(await onNode(1, age), before);
  });
});
