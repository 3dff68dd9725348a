/** gitlab-runner as a package from apt, which a repository on the host offers: made here, as GitLab's own needs the internet. */
import assert from "node:assert/strict";
import { labRunner, serveFiles, ShellHost, standInForHosts } from "../host/shell/lab";
import { patience, trustLab } from "../host/trust/lab";
import type { StandIn } from "../lab/gitlab/standIn";
import type { Server } from "node:http";

const folder = "/srv/packages";

/**
 * A stand-in for GitLab's package: the lab's own gitlab-runner, with the user, the folder and the service that the real one
 * makes (packaging/scripts/postinst.deb and prerm.deb of gitlab-runner).
 */
const makePackage = (url: string, version: string): string =>
  [
    "set -e",
    `root=$(mktemp -d) && chmod 755 $root && mkdir -p $root/DEBIAN $root/usr/bin ${folder}`,
    `curl -fsS ${url}/gitlab-runner -o $root/usr/bin/gitlab-runner && chmod 755 $root/usr/bin/gitlab-runner`,
    "arch=$(dpkg --print-architecture)",
    `printf 'Package: gitlab-runner\\nVersion: ${version}\\nArchitecture: %s\\nMaintainer: lab\\nDescription: stand-in\\n' $arch >$root/DEBIAN/control`,
    "cat >$root/DEBIAN/postinst <<'END'",
    "#!/bin/sh",
    "set -e",
    "id gitlab-runner >/dev/null 2>&1 || useradd --system --create-home --shell /bin/bash --comment 'GitLab Runner' gitlab-runner",
    "mkdir -p /etc/gitlab-runner && chmod 700 /etc/gitlab-runner",
    "gitlab-runner install --user=gitlab-runner --working-directory=/home/gitlab-runner 2>/dev/null || true",
    "systemctl daemon-reload && systemctl start gitlab-runner || true",
    "END",
    "cat >$root/DEBIAN/prerm <<'END'",
    "#!/bin/sh",
    "gitlab-runner stop >/dev/null 2>&1 || true",
    "gitlab-runner uninstall >/dev/null 2>&1 || true",
    "END",
    "chmod 755 $root/DEBIAN/postinst $root/DEBIAN/prerm",
    `dpkg-deb -Znone --root-owner-group --build $root ${folder}/gitlab-runner_${version}.deb >/dev/null`,
    "rm -rf $root",
    // What apt-ftparchive would write.
    `cd ${folder} && rm -f Packages && for file in *.deb; do dpkg-deb -f $file; echo "Filename: ./$file"; echo "Size: $(stat -c %s $file)"; ` +
      'echo "SHA256: $(sha256sum $file | cut -d " " -f 1)"; echo; done >Packages',
    `echo 'deb [trusted=yes] file:${folder} ./' >/etc/apt/sources.list.d/gitlab-runner.list`,
  ].join("\n");

describe("shell runner: gitlab-runner as a package", function () {
  this.timeout(180_000);
  let standIn: StandIn;
  let files: { url: string; server: Server };
  let shell: ShellHost;

  before(async function () {
    this.timeout(patience);
    const lab = await trustLab(1);
    const { file } = await labRunner();
    files = await serveFiles({ "gitlab-runner": file });
    standIn = await standInForHosts();
    shell = new ShellHost(lab.hosts[0]!, { url: standIn.url });
    await clean();
    await shell.host.ok(makePackage(files.url, "19.3.0-1"));
  });

  after(async () => {
    await standIn?.stop();
    files?.server.close();
    await clean();
  });

  const clean = async (): Promise<void> => {
    await shell.reset();
    await shell.host.ok(
      `apt-get -qq purge -y gitlab-runner >/dev/null 2>&1; rm -rf ${folder} /etc/gitlab-runner /etc/apt/sources.list.d/gitlab-runner.list; true`,
    );
  };

  it("a host whose apt has no such package is refused, with the way out, and is as it was", async () => {
    const list = "/etc/apt/sources.list.d/gitlab-runner.list";
    await shell.host.ok(`mv ${list} /root/list && rm -rf /var/lib/apt/lists/*`);
    const before = await shell.traces();
    const said = await shell.refused(shell.settings(), ["apt"]);
    assert.match(said, /repository|sources|network/i);
    assert.equal(await shell.traces(), before);
    await shell.host.ok(`mv /root/list ${list}`);
  });

  it("is installed, runs jobs as our service and not as its own, is updated after its job, and goes without a trace", async () => {
    const before = await shell.traces();
    const installed = await shell.apply(shell.settings());
    assert.equal(installed.how, "start");
    assert.equal(await version(), "19.3.0-1");
    // The package's own service has no runner; two would take turns at the same token's jobs.
    assert.notEqual((await shell.host.sh("systemctl is-active gitlab-runner")).out.trim(), "active");
    await runs("package");
    assert.equal((await shell.apply(shell.settings())).how, "none");

    await shell.host.ok(makePackage(files.url, "19.4.0-1"));
    await shell.refused(shell.settings({ packageVersion: "19.9.0-1" }), ["19.9.0-1"]);
    assert.equal(await version(), "19.3.0-1");
    const updated = await shell.apply(shell.settings({ packageVersion: "19.4.0-1" }));
    assert.equal(updated.how, "restart");
    assert.equal(await version(), "19.4.0-1");
    await runs("updated");
    const back = await shell.apply(shell.settings({ packageVersion: "19.3.0-1" }));
    assert.equal(back.how, "restart");
    assert.equal(await version(), "19.3.0-1");

    await shell.apply(shell.settings(), "remove");
    assert.equal((await shell.host.sh("dpkg-query -W gitlab-runner")).out, "");
    assert.equal(await shell.traces(), before);
  });

  const version = (): Promise<string> => shell.host.ok("dpkg-query -W -f '${Version}' gitlab-runner");

  async function runs(project: string): Promise<void> {
    await standIn.lab.createProject(project, { files: { ".gitlab-ci.yml": "job: {script: [echo hello]}" } });
    await standIn.lab.runPipeline(project, { mustSucceed: true, timeoutMs: 60_000 });
  }
});
