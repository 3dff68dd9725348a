import * as pulumi from "@pulumi/pulumi";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostConnections } from "../../../hosts/connection";
import type { HostNode, HostSsh } from "../../../hosts/ssh";
import { hostKey } from "../config/stackFile";

const known = hostKey("1");

describe("connections to hosts", () => {
  let folder: string;
  let ssh: HostSsh;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "pi-runners-connection-"));
    for (const name of ["one", "two"]) {
      writeFileSync(join(folder, name), `-----BEGIN OPENSSH PRIVATE KEY-----\n${name}\n`);
    }
    writeFileSync(join(folder, "one.pub"), "ssh-ed25519 AAAA\n");
    writeFileSync(join(folder, "known_hosts"), `known,10.0.0.1,[jump]:2222,*.lan ${known}\n`);
    ssh = { privateKeyFile: join(folder, "one"), knownHostsFile: join(folder, "known_hosts") };
  });
  after(() => rmSync(folder, { recursive: true }));

  /** Errors by path. */
  function errors(nodes: HostNode[], settings: HostSsh = {}): Record<string, string> {
    const found = hostConnections(nodes, { ...ssh, ...settings }).errors;
    return Object.fromEntries(found.map(({ propertyPath, reason }) => [propertyPath, reason]));
  }

  const node = (name: string, host: string, more: Partial<HostNode> = {}): HostNode => ({ name, host, ...more });

  it("one private address behind two bastions is two hosts, behind one it is one [8.31]", () => {
    const behind = (host: string, port?: number): Partial<HostNode> => ({ bastion: { host, port } });
    const [one, two] = [behind("east.lan"), behind("west.lan")];
    assert.deepEqual(errors([node("a", "10.0.0.1", one), node("b", "10.0.0.1", two)]), {});
    assert.deepEqual(errors([node("a", "10.0.0.1", one), node("b", "10.0.0.1")]), {});
    for (const nodes of [
      [node("a", "10.0.0.1", one), node("b", "10.0.0.1", behind("EAST.lan", 22))],
      [node("a", "10.0.0.1"), node("b", "10.0.0.1")],
    ]) {
      assert.deepEqual(errors(nodes), {
        "nodes[1].host": '"10.0.0.1:22" is the address of nodes[0] too; each needs its own',
      });
    }
    const shared = { bastion: { host: "east.lan" } };
    assert.deepEqual(errors([node("a", "10.0.0.1"), node("b", "10.0.0.1", two)], shared), {});
    assert.deepEqual(Object.keys(errors([node("a", "10.0.0.1"), node("b", "10.0.0.1", one)], shared)), [
      "nodes[1].host",
    ]);
  });

  it("an error stands where the setting does", () => {
    assert.deepEqual(
      Object.keys(
        errors(
          [
            node("a", "known", { privateKeyFile: join(folder, "none") }),
            node("a", "root@known", { hostKey: "ssh-ed25519 AAAA" }),
            node("c", "stranger", { bastion: { host: "jump", port: 2222, privateKeyFile: join(folder, "one.pub") } }),
          ],
          { bastion: { host: "unknown" } },
        ),
      ).sort(),
      [
        "nodes[0].privateKeyFile",
        "nodes[1].host",
        "nodes[1].hostKey",
        "nodes[1].name",
        "nodes[2].bastion.privateKeyFile",
        "nodes[2].hostKey",
        "ssh.bastion.hostKey",
      ],
    );
  });

  it("an RSA host key is refused before it is used in vain [8.28]", () => {
    const blob = Buffer.concat([Buffer.from("\0\0\0\x07ssh-rsa"), Buffer.alloc(40, 1)]).toString("base64");
    assert.match(
      errors([node("a", "h", { hostKey: `ssh-rsa ${blob}` })])["nodes[0].hostKey"]!,
      /ssh-rsa.*give the host's other key/,
    );
  });

  it("a known_hosts file that is not there is one error, not one for each host", () => {
    const none = { knownHostsFile: [ssh.knownHostsFile as string, join(folder, "none")] };
    assert.deepEqual(Object.keys(errors([node("a", "x"), node("b", "y")], none)), ["ssh.knownHostsFile[1]"]);
  });

  it("host keys are in the file that the environment names, where the stack names none", () => {
    const { knownHostsFile, ...none } = ssh;
    const paths = (settings: HostSsh): string[] =>
      hostConnections([node("a", "known")], settings).errors.map(({ propertyPath }) => propertyPath);
    process.env["PI_RUNNERS_KNOWN_HOSTS"] = knownHostsFile as string;
    try {
      assert.deepEqual(paths(none), []);
      assert.deepEqual(paths({ ...none, knownHostsFile: join(folder, "one") }), ["nodes[0].hostKey"]);
    } finally {
      delete process.env["PI_RUNNERS_KNOWN_HOSTS"];
    }
    assert.deepEqual(paths(none), ["nodes[0].hostKey"]);
  });

  it("a host's own key wins over the shared one, whichever way both are given", async () => {
    const keyOf = (own: Partial<HostNode>, shared: HostSsh): Promise<string> => {
      const { connections } = hostConnections([node("a", "known", own)], { ...ssh, ...shared });
      return new Promise((resolve) => connections.get("a")!.privateKey!.apply(resolve));
    };
    const text = { privateKey: pulumi.secret("text") };
    assert.match(await keyOf({}, {}), /one/);
    assert.match(await keyOf({ privateKeyFile: join(folder, "two") }, {}), /two/);
    assert.match(await keyOf({ privateKeyFile: join(folder, "two") }, text), /two/);
    assert.equal(await keyOf(text, {}), "text");
  });

  it("a bastion is logged into as hosts are, but by its own port", () => {
    const shared = { user: "pi", port: 2200, bastion: { host: "jump.lan" } };
    const { proxy, port, user } = hostConnections([node("a", "a.lan")], { ...ssh, ...shared }).connections.get("a")!;
    assert.deepEqual([port, user], [2200, "pi"]);
    assert.deepEqual([proxy?.host, proxy?.port, proxy?.user, proxy?.hostKey], ["jump.lan", 22, "pi", known]);
    assert.notEqual(proxy?.privateKey, undefined);
  });
});
