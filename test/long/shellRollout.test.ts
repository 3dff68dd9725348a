/** A shell runner on several hosts: the canary goes first, and what fails there reaches no other. */
import * as auto from "@pulumi/pulumi/automation/index.js";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import "../inlinePrograms";
import { ShellRunner, type ShellRunnerArgs } from "../../components";
import { toolchain } from "../../lab/stack/stack";
import { labRunner, ShellHost, standInForHosts } from "../host/shell/lab";
import { patience, trustLab, type TrustLab } from "../host/trust/lab";
import { dood, type StandIn } from "../lab/gitlab/standIn";

const names = ["a", "b", "c"];

describe("shell runner on several hosts", function () {
  this.timeout(240_000);
  let lab: TrustLab;
  let folder: string;
  let env: Record<string, string>;
  let standIn: StandIn;
  let hosts: ShellHost[];
  let file: string;

  before(async function () {
    this.timeout(patience);
    lab = await trustLab(names.length);
    ({ env } = await toolchain(lab.engine, () => undefined));
    process.env.PATH = env.PATH; // where the Automation API looks for pulumi
    ({ file } = await labRunner());
    standIn = await standInForHosts();
    folder = mkdtempSync(join(tmpdir(), "pi-runners-shell-"));
    hosts = lab.hosts.map((host) => new ShellHost(host, { url: standIn.url }));
    await Promise.all(hosts.map((host) => host.reset()));
  });

  after(async () => {
    await standIn?.stop();
    await Promise.all((hosts ?? []).map((host) => host.reset()));
    rmSync(folder, { recursive: true, force: true });
  });

  it("a canary that fails stops the rest, which is as it was; then all get the runner, and a job runs on each", async () => {
    const [canary, ...rest] = hosts as [ShellHost, ...ShellHost[]];
    await canary.host.ok("install -m 755 /bin/true /usr/local/bin/gitlab-runner");
    const before = await Promise.all(rest.map((host) => host.traces()));
    const failed = await (await stack()).up().then(
      () => undefined,
      (error: unknown) => String(error),
    );
    assert.match(failed ?? "", /node a[\s\S]*was not installed by this/);
    assert.deepEqual(await Promise.all(rest.map((host) => host.traces())), before);

    await canary.host.ok("rm /usr/local/bin/gitlab-runner");
    const { outputs } = await (await stack()).up();
    const report = outputs["report"]!.value as Record<string, { how: string }>;
    assert.deepEqual(
      names.map((name) => report[name]!.how),
      ["start", "start", "start"],
    );
    assert.equal((await managers()).size, names.length);
  });

  it("a binary that does not serve is taken back on the canary, and the others never see it", async () => {
    const pids = await Promise.all(hosts.map((host) => host.pid()));
    const liar = join(folder, "liar");
    // Answers when it is tried, and ends when it is to run.
    writeFileSync(liar, '#!/bin/sh\ncase "$1" in --version) echo "Version: 19.9.9";; run) exit 1;; esac\n');
    const failed = await (await stack({ binary: liar })).up().then(
      () => undefined,
      (error: unknown) => String(error),
    );
    assert.match(failed ?? "", /node a[\s\S]*does not come up/);
    const now = await Promise.all(hosts.map((host) => host.pid()));
    assert.deepEqual(now.slice(1), pids.slice(1));
    const journal =
      "systemctl status pi-runners-shell --no-pager; journalctl -u pi-runners-shell -n 30 -o short-precise --no-pager";
    assert.notEqual(now[0], "0", (await hosts[0]!.host.sh(journal)).out);
    assert.match(await hosts[0]!.host.ok(`tr '\\0' ' ' </proc/${now[0]}/cmdline`), /gitlab-runner/);
  });

  it("a host that is off is named, the others get the change, and it gets it once it is back", async () => {
    const changed = { concurrent: 3 };
    const has = (host: ShellHost): Promise<string> =>
      host.host.ok("grep ^concurrent /etc/pi-runners/shell/config.toml");
    await turn("stop");
    await assert.rejects(up(changed), /shell-c|node c/);
    for (const host of hosts.slice(0, 2)) {
      assert.equal(await has(host), "concurrent = 3");
    }
    await turn("start");
    assert.equal(await has(hosts[2]!), "concurrent = 1");
    await up(changed);
    assert.equal(await has(hosts[2]!), "concurrent = 3");
  });

  it("destroy with a host that is off names it and cleans the others; with retain it is left as it is", async () => {
    const nothing = "ls -d /etc/pi-runners /var/lib/pi-runners /usr/local/lib/pi-runners 2>/dev/null; true";
    await turn("stop");
    await assert.rejects((await stack()).destroy({ continueOnError: true }), /shell-c|node c/);
    for (const host of hosts.slice(0, 2)) {
      assert.equal(await host.host.ok(nothing), "");
    }
    await turn("start");
    await up({}, { c: true });
    const pid = await hosts[2]!.pid();
    await turn("stop");
    await (await stack({}, { c: true })).destroy();
    await turn("start");
    assert.notEqual(pid, "0");
    await until("the runner that was left is up", async () => (await hosts[2]!.pid()) !== "0");
    await hosts[2]!.reset();
  });

  it("destroy takes it from all of them", async () => {
    await (await stack()).up();
    await (await stack()).destroy();
    for (const host of hosts) {
      assert.equal(
        await host.host.ok("ls -d /etc/pi-runners /var/lib/pi-runners /usr/local/lib/pi-runners 2>/dev/null; true"),
        "",
      );
    }
  });

  const up = async (given: Partial<ShellRunnerArgs> = {}, retain = {}): Promise<auto.UpResult> =>
    (await stack(given, retain)).up({ continueOnError: true });

  /** Switches the last host off or on. */
  async function turn(verb: "start" | "stop"): Promise<void> {
    await lab.engine.run([verb, lab.nodes[2]!.container]);
    if (verb === "start") {
      await until(
        "sshd is up",
        async () => (await hosts[2]!.host.sh("systemctl is-active ssh")).out.trim() === "active",
      );
    }
  }

  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + 60_000; !(await holds().catch(() => false));) {
      assert.ok(Date.now() < end, `not within a minute: ${what}`);
      await new Promise((done) => setTimeout(done, 500));
    }
  }

  async function managers(): Promise<Set<string>> {
    const seen = new Set<string>();
    for (const end = Date.now() + 30_000; seen.size < names.length && Date.now() < end;) {
      for (const runner of await standIn.lab.runners()) {
        runner.managers.forEach(({ systemId }) => seen.add(systemId));
      }
      await new Promise((done) => setTimeout(done, 500));
    }
    return seen;
  }

  async function stack(
    given: Partial<ShellRunnerArgs> = {},
    retain: Partial<Record<string, boolean>> = {},
  ): Promise<auto.Stack> {
    const nodes = lab.nodes.map((node, index) => {
      const name = names[index]!;
      return { name, host: node.address, retain: retain[name] };
    });
    const program = async (): Promise<Record<string, unknown>> => {
      const args = { url: standIn.url, token: dood, binary: file, checkInterval: 1, drainTimeout: 30, ...given };
      const runner = new ShellRunner("shell", { nodes, ssh: lab.ssh, ...args });
      return { report: runner.report };
    };
    return auto.LocalWorkspace.createOrSelectStack(
      { stackName: "dev", projectName: "shell-test", program },
      { workDir: folder, envVars: { ...env, PULUMI_BACKEND_URL: `file://${folder}` } },
    );
  }
});
