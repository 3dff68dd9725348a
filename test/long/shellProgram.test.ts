import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { StandIn } from "../lab/gitlab/standIn";
import { patience, trustLab } from "../host/trust/lab";
import { checksumOf, labRunner, serveFiles, ShellHost, standInForHosts } from "../host/shell/lab";

describe("shell runner: its program on a host", function () {
  this.timeout(120_000);
  let standIn: StandIn;
  let files: { url: string; server: Server };
  let shell: ShellHost;
  let folder: string;
  let newer: string;

  before(async function () {
    this.timeout(patience);
    const lab = await trustLab(1);
    const { file, sha256 } = await labRunner();
    folder = mkdtempSync(join(tmpdir(), "pi-runners-shell-"));
    const made = (name: string, ...parts: (string | Buffer)[]): string => {
      writeFileSync(join(folder, name), Buffer.concat(parts.map((part) => Buffer.from(part))));
      return join(folder, name);
    };
    // The same program by its behaviour, another file by its checksum.
    const bytes = readFileSync(file);
    newer = checksumOf(made("newer", bytes, "\n"));
    made("broken", "\u007fELF and nothing else");
    // Answers when it is tried, and ends when it is to run.
    made("liar", '#!/bin/sh\ncase "$1" in --version) echo "Version: 19.9.9";; run) exit 1;; esac\n');
    const names = ["newer", "broken", "liar"].map((name) => [name, join(folder, name)]);
    files = await serveFiles({ "gitlab-runner": file, ...Object.fromEntries(names) });
    standIn = await standInForHosts();
    shell = new ShellHost(lab.hosts[0]!, { url: standIn.url, binary: `${files.url}/gitlab-runner`, sha256 });
    await shell.reset();
  });

  afterEach(async function () {
    if (this.currentTest?.state === "failed") {
      console.log((await shell.host.sh("journalctl -u pi-runners-shell -n 30 -o cat --no-pager")).out);
    }
    await shell.reset();
  });

  after(async () => {
    await standIn?.stop();
    files?.server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("reads a change of settings again without a restart; a job goes on", async () => {
    await shell.apply(shell.settings());
    const pid = await shell.pid();
    const job = await slowJob("reload", 6);
    const report = await shell.apply(shell.settings({ concurrent: 2, config: { log_level: "debug" } }));
    assert.equal(report.how, "reload");
    assert.equal(await shell.pid(), pid);
    assert.equal((await job.end()).status, "success");
    // What only systemd has to know is no reason to restart either.
    assert.equal((await shell.apply(shell.settings({ concurrent: 2, drainTimeout: 60 }))).how, "reload");
    assert.equal(await shell.pid(), pid);
    assert.equal(await shell.host.ok("systemctl show -p TimeoutStopUSec --value pi-runners-shell"), "2min 30s");
  });

  it("an update of the binary waits for the job that runs, and the old file goes", async () => {
    await shell.apply(shell.settings());
    const job = await slowJob("update", 8);
    const before = await shell.host.ok("ls /usr/local/lib/pi-runners");
    const report = await shell.apply(shell.settings({ binary: `${files.url}/newer`, sha256: newer }));
    assert.equal(report.how, "restart");
    assert.equal((await job.end()).status, "success");
    const after = await shell.host.ok("ls /usr/local/lib/pi-runners");
    assert.notEqual(after, before);
    assert.equal(after.split("\n").length, 1, after);
    assert.match(await shell.host.ok(`readlink /proc/${await shell.pid()}/exe`), new RegExp(newer.slice(0, 16)));
  });

  it("a binary that does not run, or has another checksum, changes nothing", async () => {
    await shell.apply(shell.settings());
    const before = [await shell.traces(), await shell.pid()];
    const broken = { binary: `${files.url}/broken`, sha256: await sumOf("broken") };
    assert.match(
      await shell.refused(shell.settings(broken), ["does not run on this host"]),
      /state: The host is as it was/,
    );
    assert.deepEqual([await shell.traces(), await shell.pid()], before);
    await shell.refused(shell.settings({ binary: `${files.url}/broken`, sha256: newer }), ["has the checksum"]);
    assert.deepEqual([await shell.traces(), await shell.pid()], before);
  });

  it("a binary that proves itself and then does not serve goes back to the one before", async () => {
    await shell.apply(shell.settings());
    const before = await shell.traces();
    const liar = { binary: `${files.url}/liar`, sha256: await sumOf("liar") };
    const said = await shell.refused(shell.settings({ ...liar, concurrent: 3 }), ["does not come up"]);
    assert.match(said, /state: The host is as it was/);
    assert.equal(await shell.traces(), before);
    assert.deepEqual((await shell.apply(shell.settings(), "probe")).differs, []);
    await runs("after a rollback");
  });

  it("a job that does not end in time is aborted, and GitLab is told", async () => {
    await shell.apply(shell.settings());
    const job = await slowJob("abort", 300);
    await shell.host.ok("systemctl stop pi-runners-shell");
    const { status } = await job.end();
    assert.equal(status, "failed");
    assert.equal(await shell.host.ok("pgrep -u gitlab-runner | wc -l"), "0");
  });

  it("a manager that is killed comes back with the same identity, and nothing of its job stays", async () => {
    await shell.apply(shell.settings());
    await slowJob("killed", 300);
    const seen = await managers();
    await shell.host.ok(`kill -9 ${await shell.pid()}`);
    for (const end = Date.now() + 30_000; Date.now() < end && (await shell.pid()) === "0";) {
      await sleep(300);
    }
    assert.equal(await shell.host.ok("pgrep -u gitlab-runner -f 'sleep 30[0]' | wc -l"), "0");
    await runs("after the kill");
    assert.deepEqual(await managers(), seen);
  });

  it("a host keeps its identity when a newer program asks for one with a random id", async () => {
    const identity = () => shell.host.ok("cat /etc/pi-runners/shell/.runner_system_id");
    await shell.apply(shell.settings());
    const before = await identity();
    const { files: asked, ...rest } = shell.settings();
    const newer = asked.map((one) => (one.keep === true ? { ...one, text: "r_0123456789ab" } : one));
    assert.deepEqual((await shell.apply({ ...rest, files: newer }, "probe")).differs, []);
    assert.equal((await shell.apply({ ...rest, files: newer })).how, "none");
    assert.equal(await identity(), before);
    await shell.apply({ ...rest, files: newer }, "remove");
    await shell.apply({ ...rest, files: newer });
    assert.equal(await identity(), "r_0123456789ab", "on a host that has none");
  });

  it("a power cut at any step is completed by the next run, and removal still leaves nothing", async () => {
    const before = await shell.traces();
    for (const step of ["ledger", "user", "folder", "binary", "write renamed"]) {
      const ended = await shell.run("apply", shell.settings(), { PI_RUNNERS_TRUST_CRASH_AT: step });
      assert.notEqual(ended.status, 0, step);
    }
    assert.equal((await shell.apply(shell.settings())).how, "start");
    const cut = await shell.run("remove", shell.settings(), { PI_RUNNERS_TRUST_CRASH_AT: "undone" });
    assert.notEqual(cut.status, 0);
    await shell.apply(shell.settings(), "remove");
    assert.equal(await shell.traces(), before);
  });

  it("refuses what it would take over or could not run, and says what to do", async () => {
    await shell.host.ok("install -m 755 /bin/true /usr/local/bin/gitlab-runner");
    const before = await shell.traces();
    await shell.refused(shell.settings(), ["was not installed by this", "apt-get purge gitlab-runner"]);
    assert.equal(await shell.traces(), before);
    await shell.host.ok("rm /usr/local/bin/gitlab-runner");
    await shell.refused(shell.settings({}, "glrt-notknown000000000000"), ["does not accept the runner's token"]);
    await shell.apply(shell.settings());
    await shell.refused({ ...shell.settings(), owner: "another/stack/shell" }, ["of another stack (p/s/shell)"]);
    assert.deepEqual((await shell.apply(shell.settings(), "probe")).differs, []);
  });

  it("two runners of a host share user and program; the first to go leaves them to the other", async () => {
    const before = await shell.traces();
    const second = shell.settings({ name: "second", metricsPort: 9300 });
    await shell.apply(shell.settings());
    await shell.refused(shell.settings({ name: "second" }), ["port 9252"]);
    await shell.apply(second);
    await shell.apply(shell.settings(), "remove");
    assert.deepEqual((await shell.apply(second, "probe")).differs, []);
    await shell.apply(second, "remove");
    assert.equal(await shell.traces(), before);
  });

  /** A job that takes so many seconds, once it runs. */
  async function slowJob(name: string, seconds: number): Promise<{ end: () => Promise<{ status: string }> }> {
    await standIn.lab.createProject(name, {
      files: { ".gitlab-ci.yml": `job: {script: [sleep ${seconds}, echo ended]}` },
    });
    const pipeline = await standIn.lab.startPipeline(name);
    const found = async () => (await standIn.lab.pipeline(pipeline.id)).jobs[0]!;
    const until = async (holds: (status: string) => boolean): Promise<{ status: string }> => {
      for (const end = Date.now() + 60_000; ; await sleep(200)) {
        const job = await found();
        if (holds(job.status)) {
          return job;
        }
        assert.ok(Date.now() < end, `${name} is ${job.status}`);
      }
    };
    await until((status) => status === "running");
    await sleep(1500);
    return { end: () => until((status) => ["success", "failed", "canceled"].includes(status)) };
  }

  async function runs(name: string): Promise<void> {
    const project = name.replaceAll(" ", "-");
    await standIn.lab.createProject(project, { files: { ".gitlab-ci.yml": "job: {script: [echo hello]}" } });
    await standIn.lab.runPipeline(project, { mustSucceed: true, timeoutMs: 60_000 });
  }

  async function managers(): Promise<string[]> {
    return (await standIn.lab.runners()).flatMap((one) => one.managers.map(({ systemId }) => systemId));
  }

  async function sumOf(name: "broken" | "liar"): Promise<string> {
    return checksumOf(join(folder, name));
  }
});
