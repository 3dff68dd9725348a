import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { daemonJson, type Host } from "./host";
import {
  patience,
  registryContainer,
  stopRegistries,
  testRegistries,
  trustLab,
  type TestRegistry,
  type TrustLab,
} from "./lab";

let lab: TrustLab;
let host: Host;
let plain: TestRegistry & { insecure: true };
let tls: TestRegistry & { ca: string };
let folder: string;

describe("registry trust: certificate authorities", () => {
  before(async function () {
    this.timeout(patience);
    lab = await trustLab(1);
    host = lab.hosts[0]!;
    await host.reset();
    const registries = await testRegistries(lab);
    folder = registries.folder;
    plain = { ...registries.plain, insecure: true };
    tls = registries.tls as typeof tls;
    await fill(plain.address);
  });

  after(async () => {
    await host.reset();
    await stopRegistries(lab);
  });

  /** Puts an image into a registry by way of the node's engine, which is told to trust it for that long. */
  async function fill(address: string): Promise<void> {
    await host.apply({ owner: "filler", registries: [{ address, insecure: true }] });
    await host.ok("tar -cC / etc/hostname | docker import - tiny");
    await host.ok(
      `docker tag tiny ${address}/tiny:1 && docker push -q ${address}/tiny:1 && docker rmi ${address}/tiny:1 tiny`,
    );
    await host.remove("filler");
  }

  const pull = (address: string) => host.sh(`docker pull -q ${address}/tiny:1 && docker rmi ${address}/tiny:1`);

  describe("Docker on a node: real registries, plain and with a CA", function () {
    before(() => fill(tls.address));
    beforeEach(() => host.reset());

    it("plain HTTP: no pull before, a pull after apply, none after remove", async () => {
      assert.notEqual((await pull(plain.address)).status, 0);
      const report = await host.apply({ registries: [plain] });
      assert.ok(!report.warnings.some((text) => text.includes("does not answer")), report.warnings.join("\n"));
      assert.equal((await pull(plain.address)).err, "");
      await host.remove();
      assert.match((await pull(plain.address)).err, /HTTP response to HTTPS client/);
    });

    it("CA: no reload, a pull works at once, and none after remove; somebody's own ca.crt stays", async () => {
      assert.match((await pull(tls.address)).err, /x509|certificate/);
      const other = readFileSync(join(folder, "other.crt"), "utf8");
      await host.write(other, `/etc/docker/certs.d/${tls.address}/ca.crt`);
      const reloads = await host.reloads();
      const report = await host.apply({ registries: [tls] });
      assert.equal(report.engines[0]!.how, "files");
      assert.equal((await pull(tls.address)).err, "");
      assert.equal(await host.reloads(), reloads);
      assert.equal(await host.file(), undefined);
      await host.remove();
      assert.match((await pull(tls.address)).err, /x509|certificate/);
      assert.equal(await host.ok(`ls /etc/docker/certs.d/${tls.address}`), "ca.crt");
      assert.equal(await host.file(`/etc/docker/certs.d/${tls.address}/ca.crt`), other);
    });

    it("CA: the folders that were made go too", async () => {
      await host.apply({ registries: [tls] });
      await host.remove();
      assert.equal((await host.sh("ls -d /etc/docker/certs.d")).out, "");
    });

    it("a CA that did not sign the registry's certificate: proven wrong by the engine, put back", async () => {
      const ca = readFileSync(join(folder, "other.crt"), "utf8");
      await host.refused({ registries: [{ ...tls, ca }] }, ["does not trust", tls.address, "step prove"]);
      assert.equal((await host.sh("ls -d /etc/docker/certs.d /var/lib/pi-runners")).out, "");
    });

    it("from insecure to CA and back: always trusted, and only by the way that is set", async () => {
      const insecure = { address: tls.address, insecure: true };
      await host.apply({ registries: [insecure] });
      await host.apply({ registries: [tls] });
      assert.deepEqual(await host.insecure(), []);
      assert.equal((await pull(tls.address)).err, "");
      await host.apply({ registries: [insecure] });
      assert.deepEqual(await host.insecure(), [tls.address]);
      assert.equal((await host.sh("ls -d /etc/docker/certs.d")).out, "");
      assert.equal((await pull(tls.address)).err, "");
      await host.remove();
      assert.match((await pull(tls.address)).err, /x509|certificate/);
      assert.equal(await host.file(), undefined);
    });

    it("from insecure to a wrong CA: all as before, still trusted as insecure", async () => {
      await host.apply({ registries: [{ address: tls.address, insecure: true }] });
      const before = await host.file();
      const ca = readFileSync(join(folder, "other.crt"), "utf8");
      await host.refused({ registries: [{ ...tls, ca }] }, ["does not trust", "put back"]);
      assert.equal(await host.file(), before);
      assert.deepEqual(await host.insecure(), [tls.address]);
      await host.remove();
      assert.deepEqual(await host.insecure(), []);
    });

    it("two stacks with one CA: it stays until the last one goes", async () => {
      await host.apply({ owner: "one", registries: [tls] });
      await host.apply({ owner: "two", registries: [tls] });
      await host.remove("one");
      assert.equal((await pull(tls.address)).err, "");
      await host.remove("two");
      assert.notEqual((await pull(tls.address)).status, 0);
    });

    it("two stacks and a CA that is renewed, or insecure that becomes a CA: either goes first [8.6]", async () => {
      await host.apply({ owner: "one", registries: [{ address: tls.address, insecure: true }] });
      await host.apply({ owner: "two", registries: [{ address: tls.address, insecure: true }] });
      const report = await host.apply({ owner: "one", registries: [tls] });
      assert.match(report.warnings.join("\n"), /insecure/);
      assert.equal((await pull(tls.address)).err, "");
      await host.apply({ owner: "two", registries: [tls] });
      assert.deepEqual(await host.insecure(), []);
      assert.equal((await pull(tls.address)).err, "");
      await host.remove("one");
      await host.remove("two");
      assert.equal((await host.sh("ls -d /etc/docker/certs.d /var/lib/pi-runners")).out, "");
    });

    for (const [first, second] of [
      ["one", "two"],
      ["two", "one"],
    ] as const) {
      it(`two stacks and a CA that is renewed, ${first} first: both CAs in force until ${second} follows [8.6]`, async () => {
        const stack = (owner: string, ca: string) => host.apply({ owner, registries: [{ ...tls, ca }] });
        const authorities = () => host.ok(`ls /etc/docker/certs.d/${tls.address} | wc -l`);
        const old = readFileSync(join(folder, "other.crt"), "utf8");
        // As long as the registry has not got its new certificate, no run sees that the old CA does not fit.
        await lab.engine.run(["pause", registryContainer(lab, "tls")]);
        try {
          await stack("one", old);
          await stack("two", old);
        } finally {
          await lab.engine.run(["unpause", registryContainer(lab, "tls")]);
        }
        assert.match((await pull(tls.address)).err, /x509|certificate/);
        await stack(first, tls.ca);
        assert.equal(await authorities(), "2");
        assert.equal((await pull(tls.address)).err, "");
        await stack(second, tls.ca);
        assert.equal(await authorities(), "1");
        assert.equal((await pull(tls.address)).err, "");
        await host.remove(first);
        assert.equal((await pull(tls.address)).err, "");
        await host.remove(second);
        assert.equal((await host.sh("ls -d /etc/docker/certs.d /var/lib/pi-runners")).out, "");
      });
    }

    for (const action of ["apply", "remove"] as const) {
      it(`a CA file of ours that was changed by hand: ${action} is refused, with the ways out [8.21]`, async () => {
        await host.apply({ registries: [tls] });
        const path = await host.ok(`ls /etc/docker/certs.d/${tls.address}/pi-runners-*.crt`);
        await host.ok(`echo >> ${path}`);
        const before = await host.traces();
        const words = [path, "changed by hand", "a name of your own", "Nothing was changed"];
        await host.refused({ registries: [tls] }, words, action);
        assert.equal(await host.traces(), before);
        await host.ok(`mv ${path} $(dirname ${path})/ca.crt`);
        await host.apply({ registries: [tls] }, action);
        await host.remove();
        assert.equal(await host.ok(`ls /etc/docker/certs.d/${tls.address}`), "ca.crt");
        assert.equal((await host.sh("ls -d /var/lib/pi-runners")).out, "");
      });
    }

    it("from a right CA to a wrong one: proven wrong without the old file, which comes back [8.17]", async () => {
      await host.apply({ registries: [tls] });
      const before = await host.ok(`ls /etc/docker/certs.d/${tls.address}`);
      const ca = readFileSync(join(folder, "other.crt"), "utf8");
      await host.refused({ registries: [{ ...tls, ca }] }, ["does not trust", tls.address, "files were put back"]);
      assert.equal(await host.ok(`ls /etc/docker/certs.d/${tls.address}`), before);
      assert.equal((await pull(tls.address)).err, "");
      await host.apply({ registries: [tls] });
      await host.remove();
      assert.equal((await host.sh("ls -d /etc/docker/certs.d /var/lib/pi-runners")).out, "");
    });

    it("a CA that could not be tried and does not fit: the next run, with nothing to write, says so [8.17]", async () => {
      const ca = readFileSync(join(folder, "other.crt"), "utf8");
      const registries = [{ ...tls, ca }];
      await lab.engine.run(["pause", registryContainer(lab, "tls")]);
      try {
        assert.match((await host.apply({ registries })).warnings.join("\n"), /does not answer this node/);
      } finally {
        await lab.engine.run(["unpause", registryContainer(lab, "tls")]);
      }
      const before = await host.traces();
      await host.refused({ registries, reapply: "1" }, ["does not trust", "x509", "Nothing was changed"]);
      assert.equal(await host.traces(), before);
      await host.remove();
    });

    it("a CA for a registry that speaks plain HTTP: said so, put back [8.17]", async () => {
      const registries = [{ address: plain.address, ca: tls.ca }];
      await host.refused({ registries }, ["plain HTTP", "insecure: true", "put back"]);
      assert.equal((await host.sh("ls -d /etc/docker/certs.d /var/lib/pi-runners")).out, "");
    });

    it("kill -9 at each step of writing a CA: a rerun or remove heals", async () => {
      for (const step of ["CA temporary", "CA renamed", "CA deleted"]) {
        for (const heal of ["apply", "remove"] as const) {
          if (step === "CA deleted") {
            await host.apply({ registries: [tls] });
          }
          const action = step === "CA deleted" ? "remove" : "apply";
          await host.trust(action, { registries: [tls] }, { PI_RUNNERS_TRUST_CRASH_AT: step });
          if (heal === "apply") {
            await host.apply({ registries: [tls] });
            assert.equal((await pull(tls.address)).err, "");
          }
          await host.remove();
          assert.equal((await host.sh("ls -d /etc/docker/certs.d /var/lib/pi-runners")).out, "", `${step}, ${heal}`);
        }
      }
    });

    it("an expired CA, by the node's own clock: refused with both dates", async () => {
      const expires = Date.UTC(2020, 0, 1) / 1000;
      await host.refused({ registries: [{ ...tls, expires }] }, ["expired on 2020-01-01", "the node's clock says 20"]);
    });

    it("a clock in the past, as a Pi without network has it: refused with both dates before anything is written", async () => {
      const begins = Date.UTC(2080, 0, 1) / 1000;
      await host.refused({ registries: [{ ...tls, begins }] }, [
        "valid from 2080-01-01 on",
        "clock says 20",
        "timedatectl",
      ]);
      assert.equal((await host.sh("ls -d /etc/docker/certs.d /var/lib/pi-runners")).out, "");
    });

    it("a key instead of a CA: refused, and the key is not shown", async () => {
      const ca = readFileSync(join(folder, "ca.key"), "utf8");
      const message = await host.refused({ registries: [{ ...tls, ca }] }, ["holds a private key"]);
      assert.ok(!message.includes(ca.split("\n")[1]!));
    });

    it("a registry that is down: trusted, with a warning that no pull could be tried", async () => {
      const report = await host.apply({ registries: [{ address: "172.30.99.251:5999", insecure: true }] });
      assert.match(report.warnings.join("\n"), /172\.30\.99\.251:5999 does not answer this node/);
    });
  });

  describe("containerd on a node (certs.d): real pulls", function () {
    const certs = "/etc/containerd/certs.d";
    const fetch = (address: string) =>
      host.sh(
        `ctr -n trust-test images pull --hosts-dir ${certs} ${address}/tiny:1; s=$?; ctr -n trust-test images rm ${address}/tiny:1 >/dev/null; exit $s`,
      );
    const only = { engines: ["containerd"] };

    before(() => fill(tls.address));
    beforeEach(async () => {
      await host.reset();
      await host.ok(`rm -rf ${certs}`);
    });
    after(() => host.ok(`rm -rf ${certs}; ctr namespaces rm trust-test; true`));

    it("plain HTTP: no pull before, a pull after apply, none after remove, nothing restarted", async () => {
      const pid = await host.ok("systemctl show -p MainPID --value containerd");
      assert.notEqual((await fetch(plain.address)).status, 0);
      const report = await host.apply({ ...only, registries: [plain] });
      assert.deepEqual(
        report.engines.map(({ engine, how }) => [engine, how]),
        [["containerd", "files"]],
      );
      const pulled = await fetch(plain.address);
      assert.equal(pulled.status, 0, pulled.err);
      await host.apply({ ...only }, "remove");
      assert.notEqual((await fetch(plain.address)).status, 0);
      assert.equal((await host.sh(`ls -d ${certs} /var/lib/pi-runners`)).out, "");
      assert.equal(await host.ok("systemctl show -p MainPID --value containerd"), pid);
    });

    it("CA, and the change from insecure to CA", async () => {
      await host.apply({ ...only, registries: [{ address: tls.address, insecure: true }] });
      assert.equal((await fetch(tls.address)).status, 0);
      await host.apply({ ...only, registries: [tls] });
      const toml = (await host.file(`${certs}/${tls.address}/hosts.toml`))!;
      assert.ok(toml.includes("ca = ") && !toml.includes("skip_verify"), toml);
      const pulled = await fetch(tls.address);
      assert.equal(pulled.status, 0, pulled.err);
      await host.apply({ ...only }, "remove");
      assert.equal((await host.sh(`ls -d ${certs}`)).out, "");
    });

    it("two stacks, and a CA that is renewed, or insecure that becomes a CA: either goes first [8.6]", async () => {
      const other = readFileSync(join(folder, "other.crt"), "utf8");
      const stack = (owner: string, settings: object) =>
        host.apply({ ...only, owner, registries: [{ address: tls.address, ...settings }] });
      const toml = () => host.file(`${certs}/${tls.address}/hosts.toml`);
      await stack("one", { ca: other });
      await stack("two", { ca: other });
      await stack("one", { ca: tls.ca });
      assert.equal((await toml())!.match(/\.crt/g)!.length, 2);
      assert.equal((await fetch(tls.address)).status, 0);
      await stack("two", { ca: tls.ca });
      assert.equal((await toml())!.match(/\.crt/g)!.length, 1);
      assert.equal((await fetch(tls.address)).status, 0);
      await stack("one", { insecure: true });
      await stack("two", { insecure: true });
      const report = await stack("two", { ca: tls.ca });
      assert.match(
        report.warnings.join("\n"),
        /stays insecure for containerd, as one wants it so\. Change it there as well/,
      );
      assert.match((await toml())!, /skip_verify/);
      await stack("one", { ca: tls.ca });
      assert.ok(!(await toml())!.includes("skip_verify"));
      assert.equal((await fetch(tls.address)).status, 0);
      await host.apply({ ...only, owner: "one" }, "remove");
      assert.equal((await fetch(tls.address)).status, 0);
      await host.apply({ ...only, owner: "two" }, "remove");
      assert.equal((await host.sh(`ls -d ${certs} /var/lib/pi-runners`)).out, "");
    });

    it("an insecure owner that goes leaves the other one's CA in force [8.6]", async () => {
      await host.apply({ ...only, owner: "one", registries: [{ address: tls.address, insecure: true }] });
      await host.apply({ ...only, owner: "two", registries: [tls] });
      await host.apply({ ...only, owner: "one" }, "remove");
      assert.match((await host.file(`${certs}/${tls.address}/hosts.toml`))!, /ca = /);
      assert.equal((await fetch(tls.address)).status, 0);
      await host.apply({ ...only, owner: "two" }, "remove");
      assert.equal((await host.sh(`ls -d ${certs} /var/lib/pi-runners`)).out, "");
    });

    it("files that were changed by hand: neither overwritten nor left behind in silence [8.21]", async () => {
      await host.apply({ ...only, registries: [tls] });
      for (const name of ["hosts.toml", "pi-runners-*.crt"]) {
        const path = await host.ok(`ls ${certs}/${tls.address}/${name}`);
        await host.ok(`cp -a ${path} /root/kept; echo '# by hand' >> ${path}`);
        const edited = await host.file(path);
        await host.refused({ ...only, registries: [tls] }, [path, "was changed by hand", "Move it away, or delete it"]);
        await host.refused(only, [path, "was changed by hand"], "remove");
        assert.equal(await host.file(path), edited);
        await host.ok(`mv /root/kept ${path}`);
      }
      await host.apply({ ...only }, "remove");
      assert.equal((await host.sh(`ls -d ${certs} /var/lib/pi-runners`)).out, "");
    });

    it("config_path that went away, or containerd itself, between apply and remove: nothing of ours stays [8.14]", async () => {
      for (const named of [only, {}]) {
        await host.apply({ ...named, registries: [plain, tls] });
        await host.ok(
          "cp -a /etc/containerd/config.toml /root/kept; sed -i '/config_path/d' /etc/containerd/config.toml",
        );
        try {
          await host.apply({ ...named }, "remove");
          assert.equal((await host.sh(`ls -d ${certs} /var/lib/pi-runners`)).out, "");
        } finally {
          await host.ok("mv /root/kept /etc/containerd/config.toml");
        }
      }
    });

    it("kill -9 at each step of a change of CA: a rerun heals", async () => {
      const other = readFileSync(join(folder, "other.crt"), "utf8");
      for (const step of ["ledger", "write temporary", "write renamed", "remove deleted"]) {
        await host.apply({ ...only, registries: [{ ...tls, ca: other }] });
        await host.trust("apply", { ...only, registries: [tls] }, { PI_RUNNERS_TRUST_CRASH_AT: step });
        await host.apply({ ...only, registries: [tls] });
        assert.equal((await fetch(tls.address)).status, 0, step);
        await host.apply({ ...only }, "remove");
        assert.equal((await host.sh(`ls -d ${certs} /var/lib/pi-runners`)).out, "", step);
      }
    });

    it("a second apply writes nothing", async () => {
      await host.apply({ ...only, registries: [plain, tls] });
      const list = `find ${certs} /var/lib/pi-runners -printf '%p %C@ %i\\n' | sort`;
      const before = await host.ok(list);
      assert.equal((await host.apply({ ...only, registries: [plain, tls] })).engines[0]!.how, "none");
      assert.equal(await host.ok(list), before);
    });

    it("a hosts.toml of somebody else is left alone: refused where it says something else", async () => {
      const text = `server = "http://mirror.lan"\n`;
      await host.write(text, `${certs}/${plain.address}/hosts.toml`);
      await host.refused({ ...only, registries: [plain] }, ["written by somebody else", "hosts.toml"]);
      assert.equal(await host.file(`${certs}/${plain.address}/hosts.toml`), text);
    });

    it("one stack file setting reaches Docker and containerd of the node in one run", async () => {
      const report = await host.apply({ registries: [plain] });
      assert.deepEqual(
        report.engines.map(({ engine }) => engine),
        ["docker", "containerd"],
      );
      await host.remove();
      assert.equal((await host.sh(`ls -d ${certs} ${daemonJson}`)).out, "");
    });
  });
});
