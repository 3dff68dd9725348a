import * as auto from "@pulumi/pulumi/automation/index.js";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import "../../inlinePrograms";
import { RegistryTrust, ShellRunner, type ShellRunnerArgs } from "../../../components";
import { runnerVersion } from "../../../components/runners/images";
import { toolchain } from "../../../lab/stack/stack";
import { printPipeline } from "../../../templates/print";
import { dood, type StandIn } from "../../lab/gitlab/standIn";
import { patience, stopRegistries, testRegistries, trustLab, type TestRegistry, type TrustLab } from "../trust/lab";
import { labRunner, ShellHost, standInForHosts } from "./lab";

type Given = Partial<Omit<ShellRunnerArgs, "nodes">> & { hosts?: number };

describe("shell runner: by Pulumi", function () {
  this.timeout(240_000);
  let lab: TrustLab;
  let folder: string;
  let env: Record<string, string>;
  let standIn: StandIn;
  let file: string;
  let registry: TestRegistry;
  let host: ShellHost;

  before(async function () {
    this.timeout(patience);
    lab = await trustLab(1);
    ({ env } = await toolchain(lab.engine, () => undefined));
    process.env.PATH = env.PATH; // where the Automation API looks for pulumi
    ({ file } = await labRunner());
    standIn = await standInForHosts();
    registry = (await testRegistries(lab)).plain;
    folder = mkdtempSync(join(tmpdir(), "pi-runners-shell-"));
    host = new ShellHost(lab.hosts[0]!, { url: standIn.url });
    await host.reset();
    await lab.hosts[0]!.reset();
  });

  after(async () => {
    await standIn?.stop();
    await stopRegistries(lab);
    rmSync(folder, { recursive: true, force: true });
  });

  afterEach(async () => {
    await host.reset();
    await lab.hosts[0]!.reset();
  });

  it("a job builds and pushes; nothing of the token or the file is in the state; destroy leaves nothing", async () => {
    const before = await host.traces();
    const preview = await (await stack({ docker: true, probe: true })).preview();
    assert.match(preview.stdout, /node a: differs\n\s+\+ user gitlab-runner/);
    const lines: string[] = [];
    const result = await (await stack({ docker: true })).up({ onOutput: (text) => lines.push(text) });
    const report = result.outputs["report"]!.value as Record<string, { how: string; version: string }>;
    assert.deepEqual([report["a"]!.how, report["a"]!.version], ["start", runnerVersion]);
    const state = readFileSync(join(folder, ".pulumi/stacks/shell-test/dev.json"), "utf8");
    for (const text of [state, lines.join(""), preview.stdout]) {
      assert.ok(!text.includes(dood), "the token is shown");
    }
    assert.ok(state.length < 300_000, `the state has ${state.length} bytes: the file is in it`);

    const settings = { way: "shell" } as const;
    const pipeline = printPipeline({ executor: "shell", settings, tags: ["dood"] }, [{ address: registry.address }]);
    await standIn.lab.createProject("demo", {
      files: { ".gitlab-ci.yml": pipeline.replace("--pull ", ""), Dockerfile: "FROM scratch\nCOPY Dockerfile /\n" },
    });
    let trace = "";
    await standIn.lab.runPipeline("demo", {
      mustSucceed: true,
      timeoutMs: 90_000,
      onTrace: (_, text) => (trace += text),
    });
    const digest = /@(sha256:[0-9a-f]{64})/.exec(trace)?.[1];
    assert.ok(digest, trace);
    const manifest = await fetch(`http://${registry.address}/v2/lab/demo/manifests/${digest}`, {
      headers: {
        Accept:
          "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json",
      },
    });
    assert.equal(
      `sha256:${createHash("sha256")
        .update(Buffer.from(await manifest.arrayBuffer()))
        .digest("hex")}`,
      digest,
    );

    const pid = await host.pid();
    const again = await (await stack({ docker: true })).up({ expectNoChanges: true });
    assert.deepEqual(Object.keys(again.summary.resourceChanges ?? {}), ["same"]);
    assert.equal(await host.pid(), pid);
    await (await stack({ docker: true })).destroy();
    assert.equal(await host.traces(), before);
  });

  async function stack({ hosts = 1, ...given }: Given): Promise<auto.Stack> {
    const nodes = lab.nodes.slice(0, hosts).map((node, index) => ({ name: "ab"[index]!, host: node.address }));
    const program = async (): Promise<Record<string, unknown>> => {
      const trust = new RegistryTrust("trust", { nodes, ssh: lab.ssh, registries: [{ ...registry, insecure: true }] });
      const args = { url: standIn.url, token: dood, binary: file, checkInterval: 1, drainTimeout: 30, ...given };
      const runner = new ShellRunner("shell", { nodes, ssh: lab.ssh, ...args }, { dependsOn: [trust] });
      return { report: runner.report, risk: runner.risk };
    };
    return auto.LocalWorkspace.createOrSelectStack(
      { stackName: "dev", projectName: "shell-test", program },
      { workDir: folder, envVars: { ...env, PULUMI_BACKEND_URL: `file://${folder}` } },
    );
  }
});
