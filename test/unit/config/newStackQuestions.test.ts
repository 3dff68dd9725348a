import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { fingerprintOf } from "../../../config/newStack/hostKeys";
import { hostKey, project } from "./stackFile";

const key = hostKey("a");
const token = "glrt-marked00000000000000";
const [enter, down, space, stop] = ["\r", "\x1b[B", " ", "\x03"];

/** A cluster's API, which stands in for a real one: all that it knows is its nodes. */
async function clusterStandIn(): Promise<Server> {
  const node = (name: string, address: string): object => ({
    metadata: { name },
    status: { addresses: [{ type: "InternalIP", address }], nodeInfo: { architecture: "arm64" } },
  });
  const items = [node("pi1", "192.168.1.21"), node("pi2", "192.168.1.22")];
  const server = createServer((request, response) => {
    response.writeHead(request.url?.startsWith("/api/v1/nodes") ? 200 : 404, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ apiVersion: "v1", kind: "NodeList", metadata: {}, items }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** On a pseudo terminal, with stand-ins for pulumi, ssh-keyscan and the cluster. */
describe("the questions of make new-stack", function () {
  this.timeout(60_000);
  let folder: string;
  let cluster: Server;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "pi-runners-new-stack-"));
    mkdirSync(join(folder, "bin"));
    program("pulumi", `echo "$*" >>${folder}/called; cat >>${folder}/stdin`);
    program("ssh-keyscan", `for host; do :; done; echo "$host ${key}"`);
    cluster = await clusterStandIn();
    const server = `http://127.0.0.1:${(cluster.address() as AddressInfo).port}`;
    const kubeconfig = {
      ...{ apiVersion: "v1", kind: "Config", "current-context": "home" },
      clusters: [{ name: "home", cluster: { server, "insecure-skip-tls-verify": true } }],
      contexts: [{ name: "home", context: { cluster: "home", user: "me" } }],
      users: [{ name: "me", user: {} }],
    };
    writeFileSync(join(folder, "kubeconfig"), stringify(kubeconfig));
  });

  afterEach(() => {
    cluster.close();
    rmSync(folder, { recursive: true });
  });

  function program(name: string, script: string): void {
    writeFileSync(join(folder, "bin", name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, "bin", name), 0o755);
  }

  /** Answers one question after the other, each once it is asked; the last answer may be followed by the program's end. */
  async function answered(answers: [question: string, keys: string][]): Promise<{ code: number; output: string }> {
    const loader = join(project, "node_modules/tsx/dist/loader.mjs");
    const command = `'${process.execPath}' --import '${loader}' '${join(project, "config/newStack/main.ts")}'`;
    const path = `${join(folder, "bin")}:${process.env["PATH"]}`;
    const env = { ...process.env, HOME: folder, PATH: path, TERM: "xterm", PULUMI_CONFIG_PASSPHRASE: "one" };
    const child = spawn("script", ["-qefc", `stty cols 200; ${command}`, "/dev/null"], { cwd: folder, env });
    let output = "";
    const open = [...answers];
    let from = 0;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      const [question, keys] = open[0] ?? [];
      if (question !== undefined && output.indexOf(question, from) !== -1) {
        open.shift();
        from = output.length;
        child.stdin.write(keys!);
      }
    });
    const [code] = (await once(child, "close")) as [number];
    assert.deepEqual(open, [], output);
    return { code, output };
  }

  const written = (name: string): string => readFileSync(join(folder, name), "utf8");

  it("make a stack of the answers, of the cluster's nodes, and of host keys that somebody has compared", async () => {
    const { code, output } = await answered([
      ["Name of the stack", enter],
      ["GitLab's address", `https://gitlab.home${enter}`],
      ["Registry that builds push to", enter],
      ["without TLS", `y${enter}`],
      ["How are images built", `${down}${enter}`],
      ["Kubeconfig file", `kubeconfig${enter}`],
      ["Nodes that are to trust", `${space}${enter}`],
      ["SSH user", `pi${enter}`],
      [fingerprintOf(key), `y${enter}`],
      ["The runner's token", `${token}${enter}`],
    ]);
    assert.equal(code, 0, output);
    const { config } = parse(written("Pulumi.home.yaml")) as { config: Record<string, unknown> };
    assert.deepEqual(config, {
      "pi-runners:kubeconfig": "kubeconfig",
      "pi-runners:namespace": "gitlab-runners",
      "pi-runners:gitlab": { url: "https://gitlab.home" },
      "pi-runners:registries": [{ address: "gitlab.home:5050", insecure: true }],
      "pi-runners:ssh": { user: "pi" },
      "pi-runners:nodes": [{ name: "pi2", host: "192.168.1.22", hostKey: key }],
      "pi-runners:trust": { probe: true },
      "pi-runners:runnerDefaults": { architecture: "arm64" },
      "pi-runners:runners": [{ name: "dind", way: "dind", tags: ["dind"] }],
    });
    assert.equal(written("stdin"), token);
    assert.ok(![output, written("called")].some((text) => text.includes(token)), "the token is shown");
  });

  it("write nothing when a host key is not the node's, and when they are stopped", async () => {
    const first: [string, string][] = [
      ["Name of the stack", enter],
      ["GitLab's address", enter],
      ["Registry that builds push to", enter],
      ["without TLS", enter],
      ["How are images built", enter],
      ["Kubeconfig file", `kubeconfig${enter}`],
      ["Nodes that are to trust", enter],
      ["SSH user", enter],
    ];
    const refused = await answered([
      ...first,
      ["pi1 (192.168.1.21) shows", enter],
      ["pi2 (192.168.1.22) shows", enter],
    ]);
    assert.equal(refused.code, 1);
    assert.match(refused.output, /pi1 \(192\.168\.1\.21\) shows SHA256:\S+ which nobody has confirmed/);
    const stopped = await answered([...first.slice(0, 4), ["How are images built", stop]]);
    assert.equal(stopped.code, 130, stopped.output);
    assert.match(stopped.output, /Stopped; nothing was written/);
    assert.ok(!existsSync(join(folder, "Pulumi.home.yaml")) && !existsSync(join(folder, "called")));
  });
});
