import assert from "node:assert/strict";
import type { Server } from "node:http";
import { runnerVersion } from "../../../components/runners/images";
import type { StandIn } from "../../lab/gitlab/standIn";
import { patience, trustLab } from "../trust/lab";
import { labRunner, serveFiles, ShellHost, standInForHosts } from "./lab";

describe("shell runner: its program on a host", function () {
  this.timeout(120_000);
  let standIn: StandIn;
  let files: { url: string; server: Server };
  let shell: ShellHost;

  before(async function () {
    this.timeout(patience);
    const lab = await trustLab(1);
    const { file, sha256 } = await labRunner();
    files = await serveFiles({ "gitlab-runner": file });
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
  });

  it("installs, runs a job as its user, applies again without a change, and leaves nothing", async () => {
    const before = await shell.traces();
    const looked = await shell.apply(shell.settings(), "probe");
    assert.ok(
      looked.differs!.some((line) => /^\+ gitlab-runner, sha256/.test(line)),
      looked.differs!.join("\n"),
    );
    assert.equal(await shell.traces(), before, "a probe changed something");
    const report = await shell.apply(shell.settings());
    assert.equal(report.how, "start");
    assert.equal(report.version, runnerVersion);
    assert.deepEqual((await shell.apply(shell.settings(), "probe")).differs, []);
    await standIn.lab.createProject("demo", {
      files: {
        ".gitlab-ci.yml": 'job: {script: [id -un, pwd, "cat /etc/pi-runners/shell/config.toml || echo refused"]}',
      },
    });
    let trace = "";
    await standIn.lab.runPipeline("demo", {
      mustSucceed: true,
      timeoutMs: 60_000,
      onTrace: (_, text) => (trace += text),
    });
    assert.match(trace, /gitlab-runner\r?\n/);
    assert.match(trace, /\/var\/lib\/pi-runners\/shell_builds\/shell\/gitlab-runner\/builds\/\w+\/0\/lab\/demo/);
    assert.match(trace, /refused/);
    const pid = await shell.pid();
    assert.equal((await shell.apply(shell.settings())).how, "none");
    assert.equal(await shell.pid(), pid);
    await shell.apply(shell.settings(), "remove");
    assert.equal(await shell.traces(), before);
  });
});
