import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { changedStack, checkout, type DevConfig, onNode, pulumi, up } from "./lab";

const foreignKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIiMsDSd2d8V6RNWIC5kSzcjfzoOhS7m9rKS6yY0dFzF";

/** Bad stack files, each with what Pulumi must say. Those above the line are found before anything is registered. */
const refused: [string, (config: DevConfig) => void, RegExp][] = [
  ["an unknown key", (c) => (c["pi-runners:regsitries"] = []), /regsitries.*registries/s],
  ["a runner without a token", (c) => delete c["pi-runners:tokens"].dood, /tokens\.dood: runner dood has no token/],
  ["a registry with a path", (c) => (c["pi-runners:registries"][0]!.address = "registry.lab:5000/group"), /path/],
  ["two nodes of one name", (c) => (c["pi-runners:nodes"][1]!.name = "node1"), /nodes\[1\]\.name/],
  ["a way that does not exist", (c) => (c["pi-runners:runners"][0]!.way = "podman"), /way.*dood/s],
  ["TLS off that nobody asked for", (c) => (c["pi-runners:runners"][1]!.way = "dind-plain"), /allowTlsOff/],
  [
    "a node whose host key is not known",
    (c) => c["pi-runners:nodes"].push({ name: "node9", host: "172.30.99.19" }),
    /node9[\s\S]*known_hosts|known_hosts[\s\S]*node9/,
  ],
];

async function upFails(change: (config: DevConfig) => void): Promise<string> {
  const file = changedStack(change);
  const { code, output } = await pulumi("up", "--yes", "--skip-preview", "--stack", "dev", "--config-file", file);
  assert.notEqual(code, 0, output);
  return output;
}

async function stateOf(node: 1 | 2): Promise<string> {
  return onNode(node, "stat --format '%i %Y %Z' /etc/docker/daemon.json; cat /etc/docker/daemon.json");
}

describe("a stack file that cannot be applied", () => {
  before(async () => {
    await up();
  });

  for (const [what, change, message] of refused) {
    it(`is refused with ${what}, and nothing is touched`, async () => {
      const before = await stateOf(1);
      assert.match(await upFails(change), message);
      assert.equal(await stateOf(1), before);
    });
  }

  it("with a wrong host key names the node, and never talks to it", async () => {
    const before = await stateOf(2);
    const logins = await onNode(2, "journalctl --unit ssh --output cat | grep -c Accepted || true");
    const output = await upFails((c) => {
      c["pi-runners:nodes"][1]!.hostKey = foreignKey;
      c["pi-runners:registries"].push({ address: "another.lab:5000", insecure: true });
    });
    assert.match(output, /node2/);
    assert.match(output, /host key/i);
    assert.equal(await stateOf(2), before);
    const { output: log } = {
      output: await onNode(2, "journalctl --unit ssh --output cat | grep -c Accepted || true"),
    };
    // The two looks of this test itself logged in, and nobody else.
    assert.equal(Number(log) - Number(logins), 2);
    await up();
  });

  it("with a node that does not answer names it, and finishes the others", async () => {
    const key = readFileSync(join(checkout, ".lab/known_hosts"), "utf8")
      .split("\n")[0]!
      .split(" ")
      .slice(1, 3)
      .join(" ");
    const started = Date.now();
    const output = await upFails((c) => {
      c["pi-runners:nodes"].push({ name: "node9", host: "172.30.99.19", hostKey: key });
      c["pi-runners:registries"].push({ address: "another.lab:5000", insecure: true });
    });
    assert.match(output, /node9/);
    assert.ok(Date.now() - started < 90_000, "a dead node costs seconds, not minutes");
    assert.match(await stateOf(1), /another\.lab:5000/);
    assert.match(await stateOf(2), /another\.lab:5000/);
    await up();
    assert.doesNotMatch(await stateOf(1), /another\.lab:5000/);
  });
});
