import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { trustEngines } from "../../../components/registryTrust/engines";
import {
  trustCommand,
  trustInput,
  trustProgram,
  type TrustSettings,
} from "../../../components/registryTrust/trustProgram";
import { bare, modulesOf, programFolder } from "../../../hosts/hostProgram";

const settings: TrustSettings = {
  node: "n1",
  owner: "p/s/t/n1",
  registries: [{ address: "r.lan:1", insecure: true }],
};
const sources = readdirSync(programFolder, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".py"),
);

describe("the program for nodes", () => {
  it("is valid Python 3.7, and means the same without its comments and doc strings", () => {
    const check = `
import ast, json, sys
def plain(text):
    tree = ast.parse(text, feature_version=(3, 7))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(getattr(body[0].value, "value", None), str):
            body[0] = ast.Pass()
    return ast.dump(tree)
for name, whole, bare in json.load(sys.stdin):
    assert plain(whole) == plain(bare), name
`;
    const pairs = sources.map((name) => {
      const whole = readFileSync(join(programFolder, name), "utf8");
      return [name, whole, bare(whole)];
    });
    const ended = spawnSync("python3", ["-I", "-c", check], { input: JSON.stringify(pairs), encoding: "utf8" });
    assert.equal(ended.stderr, "");
  });

  it("uses nothing but the standard library and its own modules", () => {
    const own = sources.map((name) => basename(name, ".py"));
    const standard =
      "base64 copy ctypes errno fcntl grp hashlib http ipaddress json os pwd re shlex shutil signal socket stat subprocess sys tempfile time traceback urllib";
    for (const name of sources) {
      const text = readFileSync(join(programFolder, name), "utf8");
      for (const [, module] of text.matchAll(/^\s*(?:import|from) (\w+)/gm)) {
        assert.ok([...own, ...standard.split(" ")].includes(module!), `${name} imports ${module}`);
      }
    }
  });

  it("has no two modules of one name, whatever the folder", () => {
    const names = sources.map((name) => basename(name));
    assert.deepEqual(
      names.filter((name, index) => names.indexOf(name) !== index),
      [],
    );
  });

  it("the command is the same for every node and holds nothing of its settings", () => {
    assert.ok(!trustCommand("apply").includes("r.lan"));
    assert.equal(trustCommand("apply").replace("apply", "remove"), trustCommand("remove"));
  });

  it("the settings stand readable in the input, a line for each value", () => {
    assert.match(trustInput(settings), /^ {3}"address": "r\.lan:1",$/m);
  });

  it("any POSIX shell starts it, whatever the node is called", () => {
    const input = trustInput({ ...settings, node: "it's $(touch /nowhere) `x` \\n %s" });
    for (const shell of ["sh", "bash"]) {
      const ended = spawnSync(shell, ["-c", trustCommand("probe")], { input, encoding: "utf8" });
      assert.match(ended.stdout + ended.stderr, /"node"|where: node it's \$\(touch \/nowhere\) `x`/, ended.stderr);
    }
  });

  it("names the owner, and still reads what an owner wanted from a ledger that named it a holder", () => {
    assert.match(trustInput(settings), /^ {1,2}"owner": "p\/s\/t\/n1",$/m);
    const home = mkdtempSync(join(tmpdir(), "pi-runners-ledger-"));
    const stored = join(home, `holder-${createHash("sha256").update(settings.owner).digest("hex").slice(0, 12)}.json`);
    const text = '{"holder": "p/s/t/n1", "registries": [{"address": "r.lan:1", "insecure": true}]}\n';
    writeFileSync(stored, text);
    const program = `
import json, os, sys
sys.path[:0] = [sys.argv[1] + "/core"]
sys.dont_write_bytecode = True
import ledger
past = ledger.Desired("p/s/t/n1", sys.argv[2])
print(json.dumps(past.registries))
before = os.stat(past.file).st_ino
past.becomes(past.registries)
assert os.stat(past.file).st_ino == before, "written again"
past.becomes([])
print(os.listdir(sys.argv[2]))
`;
    try {
      const ended = spawnSync("python3", ["-I", "-c", program, programFolder, home], { encoding: "utf8" });
      assert.equal(ended.stderr, "");
      assert.equal(ended.stdout, '[{"address": "r.lan:1", "insecure": true}]\n[]\n');
    } finally {
      rmSync(home, { recursive: true });
    }
  });

  it("a password with a line end is refused, and not shown", () => {
    assert.throws(() => trustInput(settings, "secret\nline"), /node n1/);
    assert.throws(
      () => trustInput(settings, "secret\nline"),
      (error: Error) => !error.message.includes("secret"),
    );
  });

  describe("its engines", () => {
    const files = sources.filter((name) => name.startsWith("engines/")).map((name) => basename(name, ".py"));
    const listing = files.filter((name) =>
      readFileSync(join(programFolder, "engines", `${name}.py`), "utf8").includes(`registry.add("${name}"`),
    );
    const docs = readFileSync(join(programFolder, "..", "..", "docs", "registry-trust.md"), "utf8");

    it("every file that lists an engine is in the list, and packed in its order", () => {
      assert.deepEqual([...trustEngines].sort(), listing.sort());
      const packed = modulesOf(trustProgram).map((path) => basename(path, ".py"));
      assert.deepEqual(
        packed.filter((name) => (trustEngines as readonly string[]).includes(name)),
        trustEngines,
      );
    });

    it("each has a row in the docs", () => {
      const rows = docs.match(/^\| `[a-z0-9]+`/gm) ?? [];
      assert.deepEqual([...new Set(rows.map((row) => row.replace(/[|` ]/g, "")))].sort(), [...trustEngines].sort());
    });

    it("each is named in a test on real nodes", () => {
      const folder = join(programFolder, "..", "..", "test", "host", "trust");
      const tests = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
      const untested = trustEngines.filter((name) => !tests.some((text) => text.includes(`engines: ["${name}"`)));
      assert.deepEqual(untested, [], "add its layout to test/host/trust/layouts.test.ts");
    });

    it("every module is packed after those that it imports", () => {
      const seen = new Set<string>();
      for (const path of modulesOf(trustProgram)) {
        for (const [, needed] of readFileSync(join(programFolder, path), "utf8").matchAll(/^import (\w+)/gm)) {
          assert.ok(
            seen.has(needed!) || !sources.some((name) => basename(name, ".py") === needed),
            `${path}: ${needed}`,
          );
        }
        seen.add(basename(path, ".py"));
      }
    });
  });

  it("stays small, as the state keeps it for every node", () => assert.ok(trustInput(settings).length < 64_000));
});
