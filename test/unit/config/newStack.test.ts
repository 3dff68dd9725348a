import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { firstWays, givenBy, type Answers } from "../../../config/newStack/answers";
import { clusterNodes } from "../../../config/newStack/clusterNodes";
import { fingerprintOf } from "../../../config/newStack/hostKeys";
import { check, nextSteps } from "../../../config/newStack/main";
import { withoutQuestions } from "../../../config/newStack/questions";
import { stackText } from "../../../config/newStack/stackText";
import { hostKey, project } from "./stackFile";

const [key, strangers] = [hostKey("a"), hostKey("b")];
const least = ["--name", "home", "--gitlab", "https://gitlab.lan", "--registry", "gitlab.lan:5050"];
const nodes = ["--node", "pi1=192.168.1.21", "--node", "pi2=192.168.1.22"];

describe("make new-stack", function () {
  this.timeout(60_000);
  let folder: string;

  /** Runs it in an empty folder, where stand-ins for pulumi and ssh-keyscan note how they were called. */
  function newStack(
    args: string[],
    input = "",
    more: NodeJS.ProcessEnv = { PULUMI_CONFIG_PASSPHRASE: "one" },
  ): { status: number | null; output: string } {
    const { PULUMI_CONFIG_PASSPHRASE: _one, PULUMI_CONFIG_PASSPHRASE_FILE: _other, ...ambient } = process.env;
    const env = { ...ambient, HOME: folder, PATH: `${join(folder, "bin")}:${process.env["PATH"]}`, ...more };
    const command = [
      "--import",
      join(project, "node_modules/tsx/dist/loader.mjs"),
      join(project, "config/newStack/main.ts"),
    ];
    const done = spawnSync(process.execPath, [...command, ...args], { cwd: folder, env, input, encoding: "utf8" });
    return { status: done.status, output: done.stdout + done.stderr };
  }

  const config = (): Record<string, unknown> =>
    (parse(readFileSync(join(folder, "Pulumi.home.yaml"), "utf8")) as { config: Record<string, unknown> }).config;
  const called = (): string => (existsSync(join(folder, "called")) ? readFileSync(join(folder, "called"), "utf8") : "");

  function program(name: string, script: string): void {
    writeFileSync(join(folder, "bin", name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, "bin", name), 0o755);
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "pi-runners-new-stack-"));
    mkdirSync(join(folder, "bin"));
    program("pulumi", `echo "$*" >>${folder}/called; cat >>${folder}/stdin`);
    program("ssh-keyscan", `for host; do :; done; echo "$host ${key}"`);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("writes a commented file that passes the checks, and gives Pulumi the token by stdin", () => {
    const flags = [...least, "--no-nodes", "--insecure", "--alias", "gitlab.lan=192.168.1.10", "--token-stdin"];
    const { status, output } = newStack(flags, "glrt-marked00000000000000\n");
    assert.equal(status, 0, output);
    assert.match(readFileSync(join(folder, "Pulumi.home.yaml"), "utf8"), /^ {2}# \w/m);
    assert.deepEqual(config()["pi-runners:registries"], [{ address: "gitlab.lan:5050", insecure: true }]);
    assert.match(called(), /stack init home\n.*config set --path --secret pi-runners:tokens\.dood --stack home\n$/);
    assert.doesNotMatch(called() + output, /glrt-marked/);
    assert.equal(readFileSync(join(folder, "stdin"), "utf8"), "glrt-marked00000000000000");
  });

  it("asks for a passphrase before anything else where the state needs one, which Pulumi could not ask for", () => {
    const whoami = (url: string): void => program("pulumi", `cat >/dev/null; echo '{"user": "me", "url": "${url}"}'`);
    whoami("postgres://pi:hidden-word@db/state");
    const { status, output } = newStack(["--name", "home"], "", {});
    assert.equal(status, 1);
    assert.match(output, /no passphrase[^]*postgres:\/\/ [^]*Set PULUMI_CONFIG_PASSPHRASE/);
    assert.doesNotMatch(output, /hidden-word/);
    assert.doesNotMatch(output, /--gitlab/);
    assert.match(
      newStack(["--name", "home"], "", { PULUMI_CONFIG_PASSPHRASE: "" }).output,
      /--gitlab/,
      "an empty one is one",
    );
    whoami("https://app.pulumi.com/me");
    assert.match(newStack(["--name", "home"], "", {}).output, /--gitlab/);
  });

  const answers = async (...flags: string[]): Promise<Answers> =>
    withoutQuestions(givenBy([...least, "--no-nodes", ...flags])!);

  for (const way of firstWays) {
    it(`knows what way ${way} needs`, async () => {
      const given = await answers("--way", way);
      const text = stackText(given);
      check(text, given);
      const { config } = parse(text) as { config: Record<string, unknown> };
      assert.deepEqual(config["pi-runners:runners"], [{ name: way, way, tags: [way] }]);
    });
  }

  it("takes a node's host key when its fingerprint was compared, from known_hosts, and otherwise not", () => {
    const refused = newStack([...least, ...nodes, "--host-key", fingerprintOf(strangers)]);
    assert.equal(refused.status, 1);
    assert.match(
      refused.output,
      new RegExp(`pi1 .*${fingerprintOf(key).replace(/[+/]/g, "\\$&")}, which nobody has confirmed`),
    );
    assert.ok(!existsSync(join(folder, "Pulumi.home.yaml")));
    mkdirSync(join(folder, ".ssh"));
    writeFileSync(join(folder, ".ssh/known_hosts"), `192.168.1.22 ${strangers}\n`);
    const { status, output } = newStack([...least, ...nodes, "--host-key", fingerprintOf(key)]);
    assert.equal(status, 0, output);
    assert.deepEqual(config()["pi-runners:nodes"], [
      { name: "pi1", host: "192.168.1.21", hostKey: key },
      { name: "pi2", host: "192.168.1.22" },
    ]);
  });

  it("writes what the cluster says of its nodes", async () => {
    const node = (name: string, address: string, memory: string): object => ({
      metadata: { name },
      status: {
        addresses: [{ type: "InternalIP", address }],
        capacity: { cpu: "4", memory },
        nodeInfo: { architecture: "arm64", kubeletVersion: "v1.34.1+k3s1" },
      },
    });
    const items = [node("pi1", "192.168.1.21", "3884672Ki"), node("pi2", "192.168.1.22", "8139284Ki")];
    const standIn = createServer((_request, answer) => {
      answer.setHeader("content-type", "application/json");
      answer.end(JSON.stringify({ kind: "NodeList", apiVersion: "v1", items }));
    }).listen(0, "127.0.0.1");
    await once(standIn, "listening");
    const { port } = standIn.address() as AddressInfo;
    const named = <T>(key: string, value: T): object[] => [{ name: "home", [key]: value }];
    writeFileSync(
      join(folder, "kubeconfig"),
      JSON.stringify({
        ...{ apiVersion: "v1", kind: "Config", "current-context": "home" },
        clusters: named("cluster", { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true }),
        contexts: named("context", { cluster: "home", user: "home" }),
        users: named("user", {}),
      }),
    );
    const found = await clusterNodes(join(folder, "kubeconfig"), undefined).finally(() => standIn.close());
    assert.equal(found.architecture, "arm64");
    assert.equal(found.k3s, true);
    const given = { ...(await answers()), nodes: found.nodes.map((one) => ({ ...one, hostKey: key })) };
    const text = stackText(given);
    check(text, given);
    const { config } = parse(text) as { config: Record<string, unknown> };
    assert.deepEqual(config["pi-runners:nodes"], [
      { name: "pi1", host: "192.168.1.21", memory: "3793Mi", hostKey: key },
      { name: "pi2", host: "192.168.1.22", memory: "7948Mi", hostKey: key },
    ]);
  });

  it("leaves the restart that k3s needs to its owner, and says so where the registry is not known to everyone", async () => {
    const nodes = [{ name: "pi1", host: "192.168.1.21", hostKey: key }];
    const made = async (k3s: boolean, ...flags: string[]): Promise<{ text: string; steps: string }> => {
      const given = { ...(await answers(...flags)), nodes, k3s };
      const text = stackText(given);
      check(text, given);
      return { text, steps: nextSteps(given, "glrt-marked00000000000000") };
    };
    const { text, steps } = await made(true, "--insecure");
    assert.match(steps, /Read it, then:\n.* allowRestart: this cluster is k3s[^]*pulumi preview/);
    const choice = text.replace("# allowRestart", "allowRestart");
    const { config } = parse(choice) as { config: Record<string, unknown> };
    assert.deepEqual(config["pi-runners:trust"], { probe: true, allowRestart: true });
    for (const other of [await made(false, "--insecure"), await made(true)]) {
      assert.doesNotMatch(other.text + other.steps, /allowRestart/);
    }
    assert.match(stackText({ ...(await answers("--ca", "ca.pem")), nodes, k3s: true }), /# allowRestart: true/);
    assert.doesNotMatch(stackText({ ...(await answers("--insecure")), k3s: true }), /allowRestart/, "no nodes");
  });

  it("says what is made already when Pulumi does not take the token, and shows no word of it", () => {
    program(
      "pulumi",
      'cat >/dev/null; case "$*" in *"config set"*) echo "error: wrong passphrase" >&2; exit 255 ;; esac',
    );
    const { status, output } = newStack([...least, "--no-nodes", "--token-stdin"], "glrt-marked00000000000000\n");
    assert.equal(status, 1);
    assert.match(output, /Stack home is made[^]*pulumi config set --path --secret 'tokens\.dood'[^]*wrong passphrase/);
    assert.doesNotMatch(output, /glrt-marked/);
    assert.ok(existsSync(join(folder, "Pulumi.home.yaml")));
  });

  it("writes nothing when the checks fail, when Pulumi does, when a flag is missing, and over no file", async () => {
    const authorities = ["--ca", "none.pem", "--gitlab-ca", "none.pem"];
    const wrong = newStack([...least, "--no-nodes", "--namespace", "Wrong_Name", ...authorities]);
    assert.equal(wrong.status, 1);
    for (const key of [
      "registries\\[0\\]\\.caFile: there is no file",
      "gitlab\\.caFile: there is no file",
      "namespace: ",
    ]) {
      assert.match(wrong.output, new RegExp(`pi-runners:${key}`));
    }
    assert.equal(called(), "");
    await assert.rejects(withoutQuestions(givenBy(["--name", "home"])!), /--gitlab, --registry must be given/);
    assert.throws(() => givenBy([...least, "--way", "doof"]), /is none of dood/);
    assert.throws(() => givenBy([...least, "--nodes", "pi1"]), /Unknown option '--nodes'/);
    program("pulumi", "echo 'error: not logged in' >&2; exit 255");
    const { status, output } = newStack([...least, "--no-nodes"]);
    assert.equal(status, 1);
    assert.match(output, /nothing was written[^]*not logged in/);
    assert.ok(!existsSync(join(folder, "Pulumi.home.yaml")));
    writeFileSync(join(folder, "Pulumi.home.yaml"), "mine");
    assert.match(newStack([...least, "--no-nodes"]).output, /is there already, and is not written over/);
    assert.equal(readFileSync(join(folder, "Pulumi.home.yaml"), "utf8"), "mine");
  });
});
