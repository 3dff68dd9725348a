import assert from "node:assert/strict";
import { daemonJson, plain, type Host } from "./host";
import { stopRegistries, testRegistries, patience, trustLab, type TestRegistry, type TrustLab } from "./lab";

let lab: TrustLab;
let host: Host;
let registry: TestRegistry;

const yaml = "/etc/rancher/k3s/registries.yaml";

/** A service called k3s; what it runs is a stand-in. */
async function fakeK3s(service: string): Promise<void> {
  await host.ok("rm -rf /etc/rancher /var/lib/pi-runners");
  await host.write(`[Service]\n${service}\n`, "/etc/systemd/system/k3s.service");
  await host.ok("systemctl daemon-reload; systemctl restart k3s");
}

async function noK3s(): Promise<void> {
  await host.ok(
    "systemctl unmask k3s; systemctl stop k3s; rm -rf /etc/systemd/system/k3s.service* /etc/rancher; systemctl daemon-reload",
  );
}

describe("registry trust: layouts", () => {
  before(async function () {
    this.timeout(patience);
    lab = await trustLab(1);
    host = lab.hosts[0]!;
    await host.reset();
    registry = (await testRegistries(lab)).plain;
  });

  after(async () => {
    await host.reset();
    await stopRegistries(lab);
  });

  describe("Docker's snap: its layout with a stand-in for the snap (real dockerd, no snapd)", function () {
    const config = "/var/snap/docker/current/config/daemon.json";
    const socket = "/run/snap-docker-of-test.sock";
    const unit = "snap.docker.dockerd.service";

    beforeEach(async () => {
      await host.reset();
      await host.write('{\n    "log-level":        "error"\n}\n', config);
      await host.write(
        `[Service]\nType=notify\nExecStart=/usr/sbin/dockerd --config-file=${config} -H unix://${socket} --data-root /var/lib/docker/of-test ` +
          "--exec-root /run/of-test -p /run/of-test.pid --bridge none --iptables=false\n",
        `/etc/systemd/system/${unit}`,
      );
      await host.ok(`systemctl stop docker.service docker.socket; systemctl daemon-reload; systemctl start ${unit}`);
      host.restartNeeded = true;
    });
    afterEach(() =>
      host.ok(
        `systemctl stop ${unit}; rm -rf /etc/systemd/system/${unit} /var/lib/docker/of-test; systemctl daemon-reload`,
      ),
    );

    const insecure = () => host.ok(`docker -H unix://${socket} info --format '{{json .RegistryConfig.IndexConfigs}}'`);

    it("is found, reloaded and proven; its file is never deleted, and Debian's is not made", async () => {
      const pid = await host.ok(`systemctl show -p MainPID --value ${unit}`);
      const before = await host.file(config);
      const report = await host.apply({ registries: [plain], engines: ["docker"] });
      assert.equal(report.engines[0]!.config, config);
      assert.match(await insecure(), /registry\.lab:5000/);
      await host.apply({ engines: ["docker"] }, "remove");
      assert.ok(!(await insecure()).includes("registry.lab"));
      assert.equal(await host.file(config), before);
      assert.equal(await host.file(daemonJson), undefined);
      assert.equal(await host.ok(`systemctl show -p MainPID --value ${unit}`), pid);
    });

    it("a CA goes where the snap reads it", async () => {
      const ca = await host.ok(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout /dev/null 2>/dev/null",
      );
      await host.apply({ registries: [{ address: "172.30.99.251:5999", ca: `${ca}\n` }], engines: ["docker"] });
      const folder = "/var/snap/docker/current/etc/docker/certs.d/172.30.99.251:5999";
      assert.match(await host.ok(`ls ${folder}`), /^pi-runners-[0-9a-f]{16}\.crt$/);
      await host.apply({ engines: ["docker"] }, "remove");
      assert.equal((await host.sh("ls -d /var/snap/docker/current/etc")).out, "");
    });

    it("a missing settings file is made, and only emptied afterwards, as the snap does not start without it", async () => {
      await host.ok(`rm ${config}`);
      await host.apply({ registries: [plain], engines: ["docker"] });
      await host.apply({ engines: ["docker"] }, "remove");
      assert.deepEqual(JSON.parse((await host.file(config))!), {});
    });
  });

  describe("microk8s: its layout with the node's containerd for it (no snapd, no microk8s)", function () {
    const folder = "/var/snap/microk8s/current/args/certs.d";

    beforeEach(async () => {
      await host.reset();
      await host.write('server = "http://localhost:32000"\n', `${folder}/localhost:32000/hosts.toml`);
    });
    afterEach(() => host.ok("rm -rf /var/snap/microk8s"));

    it("real pulls by what it wrote; localhost:32000 is left alone", async () => {
      const address = registry.address;
      await host.apply({ owner: "filler", registries: [{ address, insecure: true }] });
      await host.ok(
        `tar -cC / etc/hostname | docker import - ${address}/tiny:1; docker push -q ${address}/tiny:1; docker rmi ${address}/tiny:1`,
      );
      await host.remove("filler");
      const fetch = () =>
        host.sh(
          `ctr -n trust-test images pull --hosts-dir ${folder} ${address}/tiny:1; s=$?; ctr -n trust-test images rm ${address}/tiny:1 >/dev/null; exit $s`,
        );
      assert.notEqual((await fetch()).status, 0);
      const report = await host.apply({ engines: ["microk8s"], registries: [{ address, insecure: true }] });
      assert.deepEqual(
        report.engines.map(({ engine, how }) => [engine, how]),
        [["microk8s", "files"]],
      );
      const pulled = await fetch();
      assert.equal(pulled.status, 0, pulled.err);
      await host.apply({ engines: ["microk8s"] }, "remove");
      assert.equal(await host.ok(`ls ${folder}`), "localhost:32000");
      await host.ok("ctr namespaces rm trust-test; true");
    });
  });

  describe("k3s: its files with a stand-in for the service (no k3s here)", function () {
    const only = { engines: ["k3s"] };

    beforeEach(async () => {
      await host.reset();
      await fakeK3s("ExecStart=/bin/sleep 100000");
    });
    afterEach(noK3s);

    const pid = () => host.ok("systemctl show -p MainPID --value k3s");

    it("without allowRestart it is refused before anything is written", async () => {
      const before = await pid();
      await host.refused({ ...only, registries: [plain] }, [
        "reads",
        yaml,
        "allowRestart",
        "leaves containers running",
      ]);
      assert.equal((await host.sh("ls -d /etc/rancher")).out, "");
      assert.equal(await pid(), before);
    });

    it("with it: mirrors and configs written beside what was there, one restart; none without a change; all back", async () => {
      const text = 'mirrors:\n  docker.io:\n    endpoint:\n      - "https://mirror.lan"\n';
      await host.write(text, yaml);
      const settings = { ...only, registries: [plain], allowRestart: true };
      const first = await pid();
      assert.equal((await host.apply(settings)).engines[0]!.how, "restart");
      const second = await pid();
      assert.notEqual(second, first);
      assert.equal((await host.apply(settings)).engines[0]!.how, "none");
      assert.equal(await pid(), second);
      const written = (await host.file(yaml))!;
      for (const part of [
        "https://mirror.lan",
        '"https://registry.lab:5000"',
        '"http://registry.lab:5000"',
        "insecure_skip_verify: true",
      ]) {
        assert.ok(written.includes(part), written);
      }
      await host.apply({ ...only, allowRestart: true }, "remove");
      assert.equal(await host.file(yaml), text);
    });

    it("a service that does not come up again: file put back, service restarted", async () => {
      await host.write(
        `[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/bin/test ! -e ${yaml}\n`,
        "/etc/systemd/system/k3s.service",
      );
      await host.ok("systemctl daemon-reload; systemctl restart k3s");
      await host.refused({ ...only, registries: [plain], allowRestart: true }, [
        "step restart",
        "put back and the service restarted",
      ]);
      assert.equal(await host.file(yaml), undefined);
      assert.equal(await host.ok("systemctl is-active k3s"), "active");
      assert.equal((await host.sh("ls -d /var/lib/pi-runners /etc/rancher")).out, "");
    });

    it("a run that was killed before the restart: the next one restarts, once [8.3]", async () => {
      const settings = { ...only, registries: [plain], allowRestart: true };
      await host.trust("apply", settings, { PI_RUNNERS_TRUST_CRASH_AT: "restart" });
      assert.match((await host.file(yaml))!, /registry\.lab/);
      const before = await pid();
      assert.equal((await host.apply(settings)).engines[0]!.how, "restart");
      assert.notEqual(await pid(), before);
      assert.equal((await host.apply(settings)).engines[0]!.how, "none");
    });

    it("an entry that a user adds below ours survives apply and removal [8.1]", async () => {
      const settings = { ...only, registries: [plain], allowRestart: true };
      await host.apply(settings);
      await host.ok(
        `sed -i '0,/# end pi-runners/s//# end pi-runners\\n  docker.io:\\n    endpoint: [https:\\/\\/mirror.lan]/' ${yaml}`,
      );
      assert.equal((await host.apply(settings)).engines[0]!.how, "none");
      await host.apply({ ...only, allowRestart: true }, "remove");
      assert.equal(await host.file(yaml), "mirrors:\n  docker.io:\n    endpoint: [https://mirror.lan]\n");
    });

    for (const [how, prepare, service] of [
      [
        "--private-registry on its command line",
        "true",
        "ExecStart=/bin/sh -c 'sleep 100000' k3s server --private-registry=/etc/own.yaml",
      ],
      [
        "an environment file",
        "echo WHERE=/etc/own.yaml > /etc/k3s.env",
        "EnvironmentFile=-/etc/k3s.env\nExecStart=/bin/sh -c 'sleep 100000' k3s server --private-registry ${WHERE}",
      ],
      [
        "config.yaml",
        "mkdir -p /etc/rancher/k3s; echo 'private-registry: /etc/own.yaml # here' > /etc/rancher/k3s/config.yaml",
        "ExecStart=/bin/sleep 100000",
      ],
      [
        "config.yaml.d",
        "mkdir -p /etc/rancher/k3s/config.yaml.d; echo 'private-registry: \"/etc/own.yaml\"' > /etc/rancher/k3s/config.yaml.d/10-own.yaml",
        "ExecStart=/bin/sleep 100000",
      ],
    ] as const) {
      it(`another file, named by ${how}: found [8.9]`, async () => {
        await fakeK3s(service);
        await host.ok(prepare);
        try {
          const settings = { ...only, registries: [plain], allowRestart: true };
          assert.equal((await host.apply(settings)).engines[0]!.config, "/etc/own.yaml");
          assert.match((await host.file("/etc/own.yaml"))!, /registry\.lab/);
          assert.equal(await host.file(yaml), undefined);
          await host.apply({ ...only, allowRestart: true }, "remove");
          assert.equal(await host.file("/etc/own.yaml"), undefined);
        } finally {
          await host.ok("rm -f /etc/own.yaml /etc/k3s.env");
        }
      });
    }

    it("a config.yaml that names another file in a way that cannot be read: refused [8.9]", async () => {
      await host.write("private-registry: &a /etc/own.yaml\n", "/etc/rancher/k3s/config.yaml");
      await host.refused({ ...only, registries: [plain], allowRestart: true }, [
        "config.yaml sets private-registry",
        "plainly",
      ]);
    });

    it("masked, removed, or told to read another file between apply and remove: taken back, or refused while it runs [8.21]", async () => {
      await host.apply({ ...only, registries: [plain], allowRestart: true });
      await host.ok("mv /etc/systemd/system/k3s.service /etc/k3s.kept; systemctl mask k3s");
      const text = await host.file(yaml);
      await host.refused({ ...only, allowRestart: true }, ["masked or removed, but still runs", "unmask"], "remove");
      assert.equal(await host.file(yaml), text);
      await host.ok("systemctl stop k3s");
      await host.apply({ ...only }, "remove");
      assert.equal((await host.sh(`ls -d ${yaml} /var/lib/pi-runners`)).out, "");
      await host.ok("systemctl unmask k3s; mv /etc/k3s.kept /etc/systemd/system/k3s.service; systemctl daemon-reload");
      await host.apply({ ...only, registries: [plain] });
      await host.ok("rm /etc/systemd/system/k3s.service; systemctl daemon-reload");
      await host.apply(only, "remove");
      assert.equal((await host.sh(`ls -d ${yaml} /var/lib/pi-runners`)).out, "");
    });

    it("stopped k3s stays stopped", async () => {
      await host.ok("systemctl stop k3s");
      assert.equal((await host.apply({ ...only, registries: [plain] })).engines[0]!.how, "files");
      assert.equal((await host.sh("systemctl is-active k3s")).out.trim(), "inactive");
      await host.apply(only, "remove");
      assert.equal((await host.sh("ls -d /etc/rancher")).out, "");
    });
  });

  describe("BuildKit: buildkitd.toml, the file alone (a real buildkitd: buildkit.test.ts)", function () {
    const toml = "/etc/buildkit/buildkitd.toml";
    const only = { engines: ["buildkit"] };

    beforeEach(async () => {
      await host.reset();
      await host.ok("rm -rf /etc/buildkit");
    });
    after(() => host.ok("rm -rf /etc/buildkit"));

    it("one table for each registry after what was there; all back afterwards", async () => {
      const text = "debug = true\n[worker.oci]\n  enabled = true\n";
      await host.write(text, toml);
      await host.apply({ ...only, registries: [plain] });
      assert.equal(
        await host.file(toml),
        `${text}# begin pi-runners\n[registry."registry.lab:5000"]\n  http = true\n  insecure = true\n# end pi-runners\n`,
      );
      await host.apply(only, "remove");
      assert.equal(await host.file(toml), text);
    });

    it("a table that is there by hand: trusted where it says enough, refused where it does not [8.3] [8.4]", async () => {
      const text = "[registry.'registry.lab:5000']\n  http = true\n";
      await host.write(text, toml);
      await host.refused({ ...only, registries: [plain] }, ["names registry.lab:5000 by hand", "insecure = true"]);
      assert.equal(await host.file(toml), text);
      await host.write(`${text}  insecure = true\n`, toml);
      const report = await host.apply({ ...only, registries: [plain] });
      assert.deepEqual(report.engines[0]!.trusted, [plain.address]);
      assert.equal(await host.file(toml), `${text}  insecure = true\n`);
      await host.apply(only, "remove");
      assert.equal((await host.sh("ls -d /var/lib/pi-runners")).out, "");
    });

    it("a folder that was made goes too", async () => {
      await host.apply({ ...only, registries: [plain] });
      await host.apply(only, "remove");
      assert.equal((await host.sh("ls -d /etc/buildkit /var/lib/pi-runners")).out, "");
    });
  });

  describe("Several engines on one node", function () {
    beforeEach(() => host.reset());
    after(() => host.ok("rm -rf /etc/buildkit"));

    it("one that cannot be changed stops the run before another one is touched", async () => {
      await host.write('server = "http://by.hand"\n', "/etc/containerd/certs.d/registry.lab:5000/hosts.toml");
      const before = await host.traces();
      const reloads = await host.reloads();
      await host.refused({ registries: [plain] }, ["hosts.toml", "Nothing was changed"]);
      assert.equal(await host.traces(), before);
      assert.equal(await host.reloads(), reloads);
    });

    it("one that fails takes back the others: the node is changed as a whole or not at all", async () => {
      await fakeK3s(`Type=oneshot\nRemainAfterExit=yes\nExecStart=/usr/bin/test ! -e ${yaml}`);
      try {
        const before = await host.sh("ls /etc/docker");
        await host.refused({ engines: ["docker", "k3s"], registries: [plain], allowRestart: true }, [
          "step restart",
          "The node's other engines are as they were",
        ]);
        assert.deepEqual(await host.insecure(), []);
        assert.equal((await host.sh("ls /etc/docker")).out, before.out);
        assert.equal((await host.sh("ls -d /var/lib/pi-runners")).out, "");
      } finally {
        await noK3s();
      }
    });

    it("an engine that leaves the list loses what it had, and its ledger; the others keep theirs [8.5]", async () => {
      await host.apply({ engines: ["docker", "containerd", "buildkit"], registries: [plain] });
      await host.apply({ owner: "two", engines: ["containerd"], registries: [plain] });
      assert.deepEqual(await host.insecure(), [plain.address]);
      const report = await host.apply({ engines: ["buildkit"], registries: [plain] });
      assert.deepEqual(await host.insecure(), []);
      assert.equal(await host.file(), undefined);
      assert.deepEqual(
        report.engines.map(({ engine, trusted }) => [engine, trusted.length]),
        [
          ["buildkit", 1],
          ["docker", 0],
          ["containerd", 0],
        ],
      );
      assert.match(await host.ok("ls /etc/containerd/certs.d"), /registry\.lab:5000/);
      await host.remove("two");
      assert.equal((await host.sh("ls -d /etc/containerd/certs.d")).out, "");
      assert.match((await host.file("/etc/buildkit/buildkitd.toml"))!, /registry\.lab:5000/);
      await host.remove();
      assert.equal((await host.sh("ls -d /var/lib/pi-runners /etc/buildkit")).out, "");
    });

    it("a read-only /etc/containerd: named before anything is touched, at apply and at removal [8.23]", async () => {
      await host.apply({ registries: [plain] });
      await host.ok("mount --bind /etc/containerd /etc/containerd; mount -o remount,ro,bind /etc/containerd");
      try {
        const other = { address: "other.lab:5000", insecure: true };
        const before = await host.traces();
        await host.refused({ registries: [plain, other] }, [
          "/etc/containerd",
          "read-only file system",
          "Mount it read-write",
        ]);
        await host.refused({}, ["/etc/containerd", "read-only file system", "Mount it read-write"], "remove");
        assert.equal(await host.traces(), before);
        assert.deepEqual(await host.insecure(), [plain.address]);
      } finally {
        await host.ok("umount /etc/containerd");
      }
      await host.remove();
      assert.equal((await host.sh("ls -d /var/lib/pi-runners /etc/containerd/certs.d")).out, "");
    });

    it("an engine that was named but is not there: refused", async () => {
      await host.refused({ registries: [plain], engines: ["docker", "k3s"] }, ["the node has no k3s"]);
      assert.deepEqual(await host.insecure(), []);
    });
  });
});
