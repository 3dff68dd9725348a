import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { plain, type Host } from "./host";
import { patience, trustLab } from "./lab";

let host: Host;

/** Debian's own package, in the version that the node has; undefined where this machine's sources have another one. */
function downloaded(version: string): Buffer | undefined {
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-package-"));
  try {
    const options = { cwd: folder, stdio: "pipe" } as const;
    execFileSync("apt-get", ["-q", "-o", "APT::Sandbox::User=root", "download", `docker.io=${version}`], options);
    return readFileSync(join(folder, readdirSync(folder)[0]!));
  } catch {
    return undefined;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("registry trust: Docker installed where it is missing", () => {
  before(async function () {
    this.timeout(patience);
    host = (await trustLab(1)).hosts[0]!;
    await host.reset();
    const deb = downloaded(await host.ok("dpkg-query -f '${Version}' -W docker.io"));
    if (deb === undefined) {
      this.skip();
    }
    await sources(deb);
  });

  after(async () => {
    await host.ok("test ! -e /repository/docker.io.deb || dpkg -i /repository/docker.io.deb");
    await host.ok(
      "rm -rf /repository /etc/apt/sources.list; test ! -e /data-kept/sources.list || mv /data-kept/sources.list /etc/apt/; rm -rf /data-kept",
    );
    host.restartNeeded = true;
    await host.reset();
  });

  /** The node's only source of packages: a folder on it, with this one package of Debian. */
  async function sources(deb: Buffer): Promise<void> {
    await host.ok("mkdir -p /repository /data-kept; mv /etc/apt/sources.list /data-kept/ 2>/dev/null; true");
    await host.ok("base64 -d > /repository/docker.io.deb", deb.toString("base64"));
    const fields = await host.ok("dpkg-deb -f /repository/docker.io.deb");
    const sha256 = createHash("sha256").update(deb).digest("hex");
    await host.ok(
      "cat > /repository/Packages",
      `${fields}\nFilename: ./docker.io.deb\nSize: ${deb.length}\nSHA256: ${sha256}\n`,
    );
    await host.write("deb [trusted=yes] file:/repository ./\n", "/etc/apt/sources.list");
  }

  const wish = { engines: ["docker"], registries: [plain] };

  beforeEach(() => host.ok("dpkg --remove docker.io; rm -rf /var/lib/pi-runners"));

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

  it("by apt as Debian 13 has it, with the command in a package of its own: that comes too [8.14]", async () => {
    // Made of this system's package: Debian 13's own needs a newer libc than this node has.
    await host.ok(
      `cd /repository; cp Packages docker.io.deb /data-kept/; dpkg-deb -R docker.io.deb new; mkdir -p cli/DEBIAN cli/usr/bin;
       mv new/usr/bin/docker cli/usr/bin/; sed -i '/usr.bin.docker$/d' new/DEBIAN/md5sums
       printf 'Package: docker-cli\\nVersion: 1\\nArchitecture: %s\\nMaintainer: t\\nDescription: t\\n' "$(dpkg --print-architecture)" > cli/DEBIAN/control
       dpkg-deb -b new docker.io.deb; dpkg-deb -b cli docker-cli.deb; rm -rf new cli
       for deb in docker.io.deb docker-cli.deb; do dpkg-deb -f $deb; echo "Filename: ./$deb"; echo "Size: $(stat -c %s $deb)"
       echo "SHA256: $(sha256sum < $deb | cut -d' ' -f1)"; echo; done > Packages`,
    );
    try {
      await host.apply({ ...wish, installDocker: "apt" });
      assert.equal(await host.ok("command -v docker"), "/usr/bin/docker");
      assert.deepEqual(await host.insecure(), [plain.address]);
    } finally {
      await host.ok(
        "dpkg --purge docker-cli; mv /data-kept/Packages /data-kept/docker.io.deb /repository/; rm -f /repository/docker-cli.deb",
      );
    }
  });

  it("where the package manager fails, its words are shown and nothing else is changed", async () => {
    await host.ok("mv /repository/docker.io.deb /repository/away");
    try {
      await host.refused({ ...wish, installDocker: "apt" }, [
        "could not be installed",
        "docker.io.deb",
        "step install",
      ]);
    } finally {
      await host.ok("mv /repository/away /repository/docker.io.deb");
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
