import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onNode, run, up, type Finished } from "../lab/stack/lab";
import { sshAgent, teamStack, type TeamStack } from "./teamStack";

const address = "172.30.99.11";
// The lab's nodes take keys from a read-only file; any other host has this line's default.
const keysFile = "/etc/ssh/sshd_config.d/a-probe-key.conf";

describe("a key that may only look at a node", function () {
  this.timeout(600_000);
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-probe-key-"));
  const key = join(folder, "probe");
  const another = join(folder, "another");
  let team: TeamStack;
  let agent: Awaited<ReturnType<typeof sshAgent>>;

  /** What ci/probeKey.ts prints, run on the node by its owner. */
  async function prepared(flags: string[] = [], of = key): Promise<void> {
    const script = await run("tsx", ["ci/probeKey.ts", "--key", `${of}.pub`, ...flags]);
    assert.equal(script.code, 0, script.output);
    const options = ["-i", ".lab/id_ed25519", "-o", "UserKnownHostsFile=.lab/known_hosts", `root@${address}`, "sh"];
    const done = await team.run("ssh", options, script.output);
    assert.equal(done.code, 0, done.output);
  }

  const ssh = (...words: string[]): Promise<Finished> =>
    run("ssh", [
      ...["-i", key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"],
      ...["-o", "UserKnownHostsFile=.lab/known_hosts"],
      ...words,
    ]);

  before(async () => {
    await up();
    team = await teamStack("look");
    for (const file of [key, another]) {
      const made = await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
      assert.equal(made.code, 0, made.output);
    }
    await onNode(
      1,
      `echo 'AuthorizedKeysFile /etc/pi-lab/authorized_keys .ssh/authorized_keys' >${keysFile} && systemctl reload ssh`,
    );
    await prepared();
    agent = await sshAgent(folder, key);
    team.write((config) => {
      config["pi-runners:nodes"] = [{ name: "node1", host: address }];
      config["pi-runners:trust"] = { probe: true };
    });
    const deployed = await team.pulumi("up", "--yes", "--skip-preview");
    assert.equal(deployed.code, 0, deployed.output);
  });

  after(async () => {
    await prepared(["--remove"]);
    assert.doesNotMatch(await onNode(1, "cat ~/.ssh/authorized_keys; ls /usr/local/lib/pi-runners"), /probe/);
    await onNode(1, `rm -f ${keysFile} && systemctl reload ssh`);
    agent?.agent.kill();
    await team?.remove();
    rmSync(folder, { recursive: true });
  });

  it("is enough for a preview that looks", async () => {
    const env = { ...team.env, SSH_AUTH_SOCK: agent.socket };
    const preview = await run("pulumi", ["-C", team.folder, "--non-interactive", "preview", "--stack", "look"], env);
    assert.equal(preview.code, 0, preview.output);
    assert.match(preview.output, /node node1: as the stack wants it/);
  });

  it("is still enough when another one that may only look is taken away", async () => {
    await prepared([], another);
    await prepared(["--remove"], another);
    assert.match((await ssh(`root@${address}`)).output, /this key may only look at the node/);
  });

  it("runs no other command, forwards nothing, and changes no node", async () => {
    for (const words of [
      [`root@${address}`, "cat /etc/shadow"],
      [`root@${address}`],
      ["-W", "127.0.0.1:22", `root@${address}`],
    ]) {
      const { code, output } = await ssh(...words);
      assert.notEqual(code, 0, output);
      assert.doesNotMatch(output, /root:|OpenSSH/);
    }
    assert.match((await ssh(`root@${address}`, "id")).output, /this key may only look at the node/);
    team.write((config) => {
      config["pi-runners:nodes"] = [{ name: "node1", host: address }];
      config["pi-runners:registries"].push({ address: "look.lab:5000", insecure: true });
    });
    const args = ["-C", team.folder, "--non-interactive", "up", "--yes", "--skip-preview", "--stack", "look"];
    const update = await run("pulumi", args, { ...team.env, SSH_AUTH_SOCK: agent.socket });
    assert.doesNotMatch(await onNode(1, "cat /etc/docker/daemon.json"), /look\.lab/, update.output);
  });
});
