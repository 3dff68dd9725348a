import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostKey, KnownHosts } from "../../../hosts/knownHosts";

const keys: Record<string, string> = {};
let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "pi-runners-keys-"));
  for (const [name, type] of Object.entries({ one: "ed25519", two: "ed25519", ecdsa: "ecdsa", rsa: "rsa" })) {
    execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", "", "-f", join(folder, name)]);
    keys[name] = readFileSync(join(folder, `${name}.pub`), "utf8").trim();
  }
});
after(() => rmSync(folder, { recursive: true }));

const find = (text: string, host: string, port = 22) => new KnownHosts([text]).find(host, port);

describe("known_hosts", () => {
  it("plain names, lists, comments and the port's own form", () => {
    const text = `# mine\n\npi1,192.168.1.11 ${keys.one} root@pi1\n[pi2]:2222 ${keys.two}\n`;
    assert.equal(find(text, "pi1"), keys.one);
    assert.equal(find(text, "192.168.1.11"), keys.one);
    assert.equal(find(text, "PI1"), keys.one);
    assert.equal(find(text, "pi2", 2222), keys.two);
    assert.equal(find(text, "pi2"), undefined);
    assert.equal(find(text, "pi1", 2222), undefined);
  });

  it("names hashed by ssh-keygen itself", () => {
    const file = join(folder, "known_hosts");
    writeFileSync(file, `pi1 ${keys.one}\n[pi2]:2222 ${keys.two}\n`);
    execFileSync("ssh-keygen", ["-H", "-f", file], { stdio: "pipe" });
    const text = readFileSync(file, "utf8");
    assert.match(text, /^\|1\|/);
    assert.equal(find(text, "pi1"), keys.one);
    assert.equal(find(text, "pi2", 2222), keys.two);
    assert.equal(find(text, "pi3"), undefined);
  });

  it("patterns and negation", () => {
    const text = `*.lan,!bad.lan ${keys.one}\npi? ${keys.two}\n`;
    assert.equal(find(text, "good.lan"), keys.one);
    assert.equal(find(text, "bad.lan"), undefined);
    assert.equal(find(text, "pi7"), keys.two);
    assert.equal(find(text, "pi77"), undefined);
  });

  it("revoked keys are never used, not even where another line allows them", () => {
    assert.equal(find(`pi1 ${keys.one}\n@revoked * ${keys.one}\n`, "pi1"), undefined);
    assert.equal(find(`@cert-authority * ${keys.one}\n`, "pi1"), undefined);
  });

  it("ed25519 is preferred, RSA is not used", () => {
    assert.equal(find(`pi1 ${keys.rsa}\npi1 ${keys.ecdsa}\npi1 ${keys.one}\n`, "pi1"), keys.one);
    assert.equal(find(`pi1 ${keys.rsa}\npi1 ${keys.ecdsa}\n`, "pi1"), keys.ecdsa);
    assert.equal(find(`pi1 ${keys.rsa}\n`, "pi1"), undefined);
  });

  it("damaged lines are passed over", () => {
    assert.equal(
      find(`pi1 ssh-ed25519 AAAA\npi1 ssh-ed25519\npi1\n${"x".repeat(50)}\npi1 ${keys.one}`, "pi1"),
      keys.one,
    );
  });
});

describe("a host key in the stack file", () => {
  it("is taken from any usual line, and checked", () => {
    for (const line of [keys.one!, `pi1,10.0.0.1 ${keys.one} root@pi1`, ` ${keys.one} comment `]) {
      assert.equal(hostKey(line), keys.one);
    }
    const mixed = keys.one!.replace("ssh-ed25519", "ssh-rsa");
    for (const line of ["", "SHA256:abc", "ssh-ed25519 AAAA", mixed, keys.one!.slice(0, 20)]) {
      assert.equal(hostKey(line), undefined, line);
    }
  });
});
