import assert from "node:assert/strict";
import { rootCertificates } from "node:tls";
import { daemonJson, plain, type Host } from "./host";
import { patience, type TrustLab } from "./lab";
import { debianLab, onlyDockerToInstall, putDockerBack, removeDocker, repository, usualSources } from "./packages";

let lab: TrustLab;
let host: Host;

const wish = { engines: ["docker"], registries: [plain] };

describe("registry trust: Docker installed where it is missing", () => {
  before(async function () {
    this.timeout(patience);
    lab = await debianLab();
    host = lab.hosts[0]!;
    await host.reset();
    await onlyDockerToInstall(host);
  });

  after(async () => {
    await usualSources(host);
    await putDockerBack(host);
    host.restartNeeded = true;
    await host.reset();
  });

  beforeEach(async () => {
    await removeDocker(host);
    await host.ok("rm -rf /var/lib/pi-runners");
  });

  it("is not installed unless asked for, nor when only looking", async () => {
    await host.refused(wish, ["no docker", "installDocker"]);
    const look = await host.apply({ ...wish, installDocker: "apt" }, "probe");
    assert.deepEqual(look.engines, []);
    assert.match(look.warnings.join(), /Docker would be installed \(apt\)/);
    assert.equal((await host.sh("command -v dockerd")).out, "");
    assert.equal((await host.sh("ls -d /var/lib/pi-runners")).out, "");
  });

  it("by apt: installed, running and trusting in one run; it stays when the stack goes", async () => {
    const report = await host.apply({ ...wish, installDocker: "apt" });
    assert.match(report.warnings.join(), /Docker was installed \(apt\)/);
    assert.deepEqual(await host.insecure(), [plain.address]);
    assert.equal((await host.apply({ ...wish, installDocker: "apt" })).engines[0]!.how, "none");
    await host.apply({ ...wish, registries: [], installDocker: "apt" }, "remove");
    assert.deepEqual(await host.insecure(), []);
    assert.equal(await host.file(), undefined);
  });

  it("by apt: the command comes too, which Debian 13 has in a package of its own [8.14]", async () => {
    await host.apply({ ...wish, installDocker: "apt" });
    const from = { debian13: "docker-cli", debian12: "docker.io", docker28: "", docker29: "" }[lab.kind];
    assert.equal(await host.ok("dpkg -S $(command -v docker)"), `${from}: /usr/bin/docker`);
    assert.deepEqual(await host.insecure(), [plain.address]);
    await host.remove();
  });

  it("where the package manager fails, its words are shown and nothing else is changed", async () => {
    await host.ok(`mkdir ${repository}/away; mv ${repository}/docker.io_* ${repository}/away/`);
    try {
      await host.refused({ ...wish, installDocker: "apt" }, ["could not be installed", "docker.io_", "step install"]);
    } finally {
      await host.ok(`mv ${repository}/away/* ${repository}/; rmdir ${repository}/away`);
    }
    assert.equal(await host.file(), undefined);
  });

  it("by snap on a node without snapd: refused with the other way", async () => {
    await host.refused({ ...wish, installDocker: "snap" }, ["no snap", "installDocker: apt"]);
  });

  it("never takes a package away to make room", async () => {
    await host.ok(
      "mkdir -p /repository/other/DEBIAN; printf 'Package: containerd.io\\nVersion: 1\\nArchitecture: all\\nMaintainer: t\\nDescription: t\\nConflicts: docker.io\\n' > /repository/other/DEBIAN/control; dpkg-deb -b /repository/other /repository/other.deb; dpkg -i /repository/other.deb",
    );
    try {
      await host.refused({ ...wish, installDocker: "apt" }, ["could not be installed"]);
      assert.match(await host.ok("dpkg-query -f '${Status}' -W containerd.io"), /install ok installed/);
    } finally {
      await host.ok("dpkg --purge containerd.io");
    }
  });
});

describe("registry trust: Docker removed altogether between apply and remove", () => {
  const authority = { address: "172.30.99.251:5999", ca: `${rootCertificates[0]}\n` };
  const traces = `ls -d /var/lib/pi-runners /etc/docker/certs.d /etc/docker/.daemon.json*`;

  before(async function () {
    this.timeout(patience);
    lab = await debianLab();
    host = lab.hosts[0]!;
    await host.reset();
  });

  afterEach(async () => {
    await putDockerBack(host);
    await host.reset();
  });

  /** What stays must not be trusted by a Docker that is installed again. */
  async function trustsNothingOnceBack(): Promise<void> {
    await putDockerBack(host);
    assert.deepEqual(await host.insecure(), []);
  }

  for (const text of [undefined, '{ "debug": false }\n']) {
    it(`${text ? "a file of the user's" : "no file"} before: just that afterwards, and no ledger [8.21]`, async () => {
      await host.ok("mkdir -p /etc/docker");
      if (text) {
        await host.write(text);
      }
      await host.apply({ registries: [plain, authority] });
      await removeDocker(host);
      assert.match((await host.file())!, /registry\.lab:5000/);
      await host.remove();
      assert.equal(await host.file(), text);
      assert.equal((await host.sh(traces)).out, "");
      await trustsNothingOnceBack();
    });
  }

  it("its folder removed as well: the ledger goes [8.21]", async () => {
    await host.apply({ registries: [plain, authority] });
    await removeDocker(host);
    await host.ok("rm -rf /etc/docker");
    await host.remove();
    assert.equal((await host.sh(`${traces} ${daemonJson}`)).out, "");
  });

  it("two owners of one CA: it goes with the last one [8.21]", async () => {
    await host.apply({ owner: "one", registries: [plain, authority] });
    await host.apply({ owner: "two", registries: [authority] });
    await removeDocker(host);
    await host.remove("one");
    assert.equal(await host.file(), undefined);
    assert.match(await host.ok(`cat /etc/docker/certs.d/${authority.address}/pi-runners-*.crt`), /BEGIN CERTIFICATE/);
    await host.remove("two");
    assert.equal((await host.sh(traces)).out, "");
    await trustsNothingOnceBack();
  });
});
