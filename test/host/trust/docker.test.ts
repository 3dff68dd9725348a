import assert from "node:assert/strict";
import { daemonJson, plain, type Host } from "./host";
import { patience, trustLab } from "./lab";

let host: Host;
const other = { address: "localhost:5050", insecure: true } as const;
const network = { address: "192.168.77.0/24", insecure: true } as const;

const listOf = (text: string | undefined): string[] =>
  (JSON.parse(text ?? "{}") as { "insecure-registries"?: string[] })["insecure-registries"] ?? [];

describe("registry trust: Docker", () => {
  before(async function () {
    this.timeout(patience);
    [host] = (await trustLab(1)).hosts as [Host];
  });

  describe("Docker on a node: settings that others wrote", function () {
    beforeEach(() => host.reset());
    after(() => host.reset());

    it("missing file: made, proven by the engine, and gone again after remove", async () => {
      const pid = await host.pid();
      const report = await host.apply({ registries: [plain] });
      assert.equal(report.engines[0]!.how, "reload");
      assert.deepEqual(listOf(await host.file()), [plain.address]);
      assert.deepEqual(await host.insecure(), [plain.address]);
      await host.remove();
      assert.equal(await host.file(), undefined);
      assert.deepEqual(await host.insecure(), []);
      assert.equal(await host.pid(), pid);
      assert.equal((await host.sh("ls -d /var/lib/pi-runners")).out, "", "the ledger goes with its last entry");
    });

    for (const blank of ["", "\n\u000c \u00a0\n"]) {
      it(`file of white space only (${JSON.stringify(blank)}): taken for no settings; after remove Docker can start with it [8.8] [8.15]`, async () => {
        await host.write(blank);
        await host.apply({ registries: [plain] });
        assert.deepEqual(await host.insecure(), [plain.address]);
        await host.remove();
        const reads = await host.readsEmptyFiles();
        assert.equal(await host.file(), reads ? blank : "{}\n");
        assert.deepEqual(await host.insecure(), []);
        await host.starts();
      });
    }

    it("a list that is null: refused, nothing written [8.8]", async () => {
      await host.write('{"insecure-registries": null}');
      const before = await host.traces();
      await host.refused({ registries: [plain] }, ["is null, not a list", daemonJson, "Nothing was changed"]);
      assert.equal(await host.traces(), before);
    });

    for (const [what, command] of [
      ["a FIFO", "mkfifo"],
      ["a folder", "mkdir"],
    ]) {
      it(`${what} in place of the file: refused at once [8.8]`, async () => {
        await host.ok(`rm -f ${daemonJson}; ${command} ${daemonJson}`);
        const began = Date.now();
        await host.refused({ registries: [plain] }, ["is not a regular file", daemonJson, "Nothing was changed"]);
        assert.ok(Date.now() - began < 30_000, "it waited");
        assert.deepEqual(await host.insecure(), []);
      });
    }

    it("no /etc/docker: made, and gone again after remove [8.8]", async () => {
      await host.ok("mv /etc/docker /etc/docker.away");
      try {
        await host.apply({ registries: [plain] });
        assert.deepEqual(await host.insecure(), [plain.address]);
        await host.remove();
        assert.equal((await host.sh("ls -d /etc/docker")).out, "");
        assert.deepEqual(await host.insecure(), []);
      } finally {
        await host.ok("rm -rf /etc/docker; mv /etc/docker.away /etc/docker");
      }
    });

    it("/etc/docker gone when the stack goes: the engine is told all the same, nothing is left [8.23]", async () => {
      await host.apply({ registries: [plain] });
      await host.ok("mv /etc/docker /etc/docker.away");
      try {
        await host.remove();
        assert.deepEqual(await host.insecure(), []);
        assert.equal((await host.sh("ls -d /etc/docker /var/lib/pi-runners")).out, "");
      } finally {
        await host.ok("rm -rf /etc/docker; mv /etc/docker.away /etc/docker");
      }
    });

    it("the file deleted by hand after apply: remove leaves none, Docker starts again [8.15]", async () => {
      await host.apply({ registries: [plain] });
      await host.ok(`rm ${daemonJson}`);
      await host.remove();
      assert.equal(await host.file(), undefined);
      assert.deepEqual(await host.insecure(), []);
      assert.equal((await host.sh("ls -d /var/lib/pi-runners")).out, "");
      await host.starts();
    });

    it("the file emptied by hand after apply: remove leaves one that Docker can read, or none [8.15]", async () => {
      await host.write('{"debug": false}');
      await host.apply({ registries: [plain] });
      await host.write("");
      await host.remove();
      assert.deepEqual(await host.insecure(), []);
      await host.starts();
    });

    const spelled: [string, string[]][] = [
      ["our entry a second time", [plain.address]],
      ["our entry with a scheme", [`http://${plain.address}`]],
    ];
    for (const [what, added] of spelled) {
      it(`${what}, by hand: it stays, ours and the ledger go, a later run leaves it alone [8.19]`, async () => {
        await host.write('{"insecure-registries": ["hand.lan:1"]}');
        await host.apply({ registries: [plain] });
        await host.write(JSON.stringify({ "insecure-registries": ["hand.lan:1", plain.address, ...added] }));
        await host.remove();
        assert.deepEqual(listOf(await host.file()), ["hand.lan:1", ...added]);
        assert.equal((await host.sh("ls -d /var/lib/pi-runners")).out, "");
        await host.apply({ registries: [plain] });
        await host.remove();
        assert.deepEqual(listOf(await host.file()), ["hand.lan:1", ...added]);
        assert.deepEqual(await host.insecure(), ["hand.lan:1", plain.address]);
      });
    }

    it("our entry with a trailing slash, by hand: named at apply before anything is written; remove takes ours [8.19]", async () => {
      await host.apply({ registries: [plain] });
      const edited = JSON.stringify({ "insecure-registries": [plain.address, `${plain.address}/`] });
      await host.write(edited);
      await host.refused({ registries: [plain, other] }, [`${plain.address}/`, "Nothing was changed"]);
      assert.equal(await host.file(), edited);
      const report = await host.remove();
      assert.match(report.warnings.join("\n"), /registry\.lab:5000\/ under insecure-registries/);
      assert.deepEqual(listOf(await host.file()), [`${plain.address}/`]);
      assert.deepEqual(await host.insecure(), []);
      assert.equal((await host.sh("ls -d /var/lib/pi-runners")).out, "");
    });

    const networks: [string, string[], string | undefined][] = [
      ["one network in two spellings, in one stack", ["192.168.77.0/24", "192.168.77.7/24"], undefined],
      ["one network, and by the user in another spelling", ["192.168.77.0/24"], "192.168.77.7/24"],
      ["the loopback network", ["127.0.0.0/8"], undefined],
    ];
    for (const [what, addresses, byHand] of networks) {
      it(`${what}: applied once, and taken away again [8.18]`, async () => {
        const before = byHand === undefined ? undefined : JSON.stringify({ "insecure-registries": [byHand] });
        if (before !== undefined) {
          await host.write(before);
        }
        const registries = addresses.map((address) => ({ address, insecure: true }) as const);
        const report = await host.apply({ registries });
        assert.deepEqual(report.engines[0]!.trusted, addresses);
        assert.equal(listOf(await host.file()).length, 1);
        assert.equal((await host.apply({ registries })).engines[0]!.how, "none");
        await host.remove();
        assert.equal(await host.file(), before);
        assert.deepEqual(await host.insecure(), byHand === undefined ? [] : [network.address]);
        assert.equal((await host.sh("ls -d /var/lib/pi-runners")).out, "");
      });
    }

    it("one network in two spellings, in two stacks: it goes with the last one [8.18]", async () => {
      await host.apply({ owner: "one", registries: [network] });
      await host.apply({ owner: "two", registries: [{ address: "192.168.77.7/24", insecure: true }] });
      await host.remove("one");
      assert.deepEqual(await host.insecure(), [network.address]);
      await host.remove("two");
      assert.deepEqual(await host.insecure(), []);
      assert.equal(await host.file(), undefined);
    });

    const broken: [string, string, string[]][] = [
      ["bad JSON", '{"debug": true,}', ["not valid JSON"]],
      ["trailing garbage", '{"debug": false} # mine', ["text after the end"]],
      ["duplicate keys", '{"debug": false, "debug": true}', ["is there twice"]],
      ["duplicate keys further down", '{"log-opts": {"max-size": "1m", "max-size": "2m"}}', ["is there twice"]],
      ["top-level array", '["registry.lab:5000"]', ["the top level is a list"]],
      ["key is a string", '{"insecure-registries": "registry.lab:5000"}', ["not a list"]],
      ["key holds a number", '{"insecure-registries": [5000]}', ["not a string"]],
      ["NaN", '{"max-concurrent-downloads": NaN}', ["NaN"]],
      ["not UTF-8", "\u0000", ["not valid JSON"]],
      ["nested without end", "[".repeat(100000), ["nested too deeply"]],
    ];
    for (const [name, text, words] of broken) {
      it(`${name}: refused, nothing written, engine not told`, async () => {
        await host.write(text);
        const [before, reloads] = [await host.traces(), await host.reloads()];
        await host.refused({ registries: [plain] }, [...words, daemonJson, "Nothing was changed"]);
        assert.equal(await host.traces(), before);
        assert.equal(await host.reloads(), reloads);
      });
    }

    it("BOM: kept by Docker 23 and later, which read it; refused before, nothing written", async () => {
      const text = '\ufeff{"debug": false}';
      await host.write(text);
      const version = await host.ok("docker version --format '{{.Server.Version}}'");
      if (Number.parseInt(version, 10) < 23) {
        await host.refused({ registries: [plain] }, ["byte order mark", daemonJson, "Nothing was changed"]);
      } else {
        await host.apply({ registries: [plain] });
        assert.ok((await host.file())!.startsWith("\ufeff"));
        assert.deepEqual(await host.insecure(), [plain.address]);
        await host.remove();
      }
      assert.equal(await host.file(), text);
    });

    it("foreign keys, big integers, order, indentation and line ends are kept; remove gives back every byte", async () => {
      const text =
        '{\r\n\t"log-opts" : {"max-size":"10m", "tag":"\\u00e9\\/x"},\r\n\t"labels": ["n=12345678901234567890"],\r\n' +
        '\t"insecure-registries": [\r\n\t\t"hand.lan:1"\r\n\t],\r\n\t"max-concurrent-downloads":3\r\n}\r\n\r\n';
      await host.write(text);
      await host.apply({ registries: [plain] });
      const changed = (await host.file())!;
      assert.equal(changed.replace(',\r\n\t\t"registry.lab:5000"', ""), text);
      assert.deepEqual(await host.insecure(), ["hand.lan:1", plain.address]);
      await host.remove();
      assert.equal(await host.file(), text);
      assert.deepEqual(await host.insecure(), ["hand.lan:1"]);
    });

    it("mode, owner and extended attributes are kept", async () => {
      await host.write('{"debug": false}');
      await host.ok(`chmod 640 ${daemonJson}; chgrp daemon ${daemonJson}`);
      const status = await host.ok(`stat -c '%a %U %G' ${daemonJson}`);
      await host.apply({ registries: [plain] });
      assert.equal(await host.ok(`stat -c '%a %U %G' ${daemonJson}`), status);
    });

    it("an entry that is there by hand stays when the stack goes", async () => {
      await host.write('{"insecure-registries": ["registry.lab:5000"]}');
      await host.ok("systemctl reload docker; sleep 1");
      const before = await host.file();
      const reloads = await host.reloads();
      const report = await host.apply({ registries: [plain] });
      assert.equal(report.engines[0]!.how, "none");
      assert.equal(await host.reloads(), reloads);
      await host.remove();
      assert.equal(await host.file(), before);
      assert.deepEqual(await host.insecure(), [plain.address]);
    });

    it("an entry in the file that the engine has not read yet is brought to it", async () => {
      await host.write('{"insecure-registries": ["registry.lab:5000"]}');
      const report = await host.apply({ registries: [plain] });
      assert.equal(report.engines[0]!.how, "reload");
      assert.deepEqual(await host.insecure(), [plain.address]);
    });

    it("a hand edit made after apply survives remove", async () => {
      await host.write('{"debug": false}');
      await host.apply({ registries: [plain] });
      await host.write((await host.file())!.replace('"debug": false', '"debug": false, "max-concurrent-uploads": 2'));
      await host.remove();
      assert.equal(await host.file(), '{"debug": false, "max-concurrent-uploads": 2}');
      assert.deepEqual(await host.insecure(), []);
    });

    it("an entry added by hand to our list survives remove", async () => {
      await host.apply({ registries: [plain] });
      await host.write((await host.file())!.replace('"registry.lab:5000"', '"registry.lab:5000", "hand.lan:1"'));
      await host.remove();
      assert.deepEqual(listOf(await host.file()), ["hand.lan:1"]);
      assert.deepEqual(await host.insecure(), ["hand.lan:1"]);
    });

    it("an entry removed by hand comes back with the next apply", async () => {
      await host.apply({ registries: [plain] });
      await host.write("{}");
      await host.apply({ registries: [plain] });
      assert.deepEqual(listOf(await host.file()), [plain.address]);
      await host.remove();
      assert.equal(await host.file(), undefined);
      assert.deepEqual(await host.insecure(), []);
    });

    it("symbolic link: followed, and still a link afterwards", async () => {
      await host.write('{"debug": false}', "/data-of-test/docker.json");
      await host.ok(`ln -s /data-of-test/docker.json ${daemonJson}`);
      await host.apply({ registries: [plain] });
      assert.equal(await host.ok(`readlink ${daemonJson}`), "/data-of-test/docker.json");
      assert.deepEqual(listOf(await host.file("/data-of-test/docker.json")), [plain.address]);
      await host.remove();
      assert.equal(await host.file("/data-of-test/docker.json"), '{"debug": false}');
      assert.equal(await host.ok(`readlink ${daemonJson}`), "/data-of-test/docker.json");
    });

    it("dangling symbolic link: refused, as its disk may not be mounted", async () => {
      await host.ok(`ln -s /data-of-test/nowhere.json ${daemonJson}`);
      await host.refused({ registries: [plain] }, ["/data-of-test/nowhere.json", "does not exist"]);
      assert.equal(await host.ok(`readlink ${daemonJson}`), "/data-of-test/nowhere.json");
    });

    it("hard link: refused", async () => {
      await host.write("{}");
      await host.ok(`mkdir -p /data-of-test && ln ${daemonJson} /etc/docker/.daemon.json.link`);
      await host.refused({ registries: [plain] }, ["2 hard links"]);
    });

    it("the file is a mount point: refused", async () => {
      await host.write("{}");
      await host.write("{}", "/data-of-test/docker.json");
      await host.ok(`mount --bind /data-of-test/docker.json ${daemonJson}`);
      await host.refused({ registries: [plain] }, ["is a mount point"]);
      assert.equal(await host.file(), "{}");
    });

    it("an immutable file: refused with the cure, engine untouched [8.23]", async function () {
      await host.write("{}");
      if ((await host.sh(`chattr +i ${daemonJson}`)).status !== 0) {
        this.skip();
      }
      await host.refused({ registries: [plain] }, ["not permitted", "chattr -i", "Nothing was changed"]);
      assert.equal(await host.file(), "{}");
      assert.deepEqual(await host.insecure(), []);
    });

    for (const [place, name] of [
      [daemonJson, "the file"],
      ["/etc/docker", "its folder"],
    ]) {
      it(`${name} immutable when the stack goes: named before anything is touched, with the cure [8.23]`, async function () {
        await host.apply({ registries: [plain] });
        if ((await host.sh(`chattr +i ${place}`)).status !== 0) {
          this.skip();
        }
        try {
          const [before, reloads] = [await host.traces(), await host.reloads()];
          await host.refused({}, [`${place} is immutable`, `chattr -i ${place}`, "Nothing was changed"], "remove");
          assert.equal(await host.traces(), before);
          assert.equal(await host.reloads(), reloads);
        } finally {
          await host.ok(`chattr -i ${place}`);
        }
        await host.remove();
        assert.deepEqual(await host.insecure(), []);
      });
    }
  });

  describe("Docker on a node: several registries, stacks and kinds", function () {
    beforeEach(() => host.reset());
    after(() => host.reset());

    it("a second apply writes nothing and sends no HUP", async () => {
      await host.apply({ registries: [plain, network] });
      const [before, reloads] = [await host.traces(), await host.reloads()];
      const report = await host.apply({ registries: [plain, network] });
      assert.equal(report.engines[0]!.how, "none");
      assert.equal(await host.traces(), before);
      assert.equal(await host.reloads(), reloads);
    });

    it("what BuildKit inside this Docker does not notice of it is told, when it matters [8.13]", async () => {
      const modern = await host.readsEmptyFiles();
      const first = (await host.apply({ registries: [plain] })).warnings.join("\n");
      if (modern) {
        assert.match(first, /BuildKit inside Docker keeps what it knows of a registry, for each repository/);
        assert.doesNotMatch(first, /restart/);
        assert.doesNotMatch((await host.apply({ registries: [plain] })).warnings.join("\n"), /BuildKit/);
      } else {
        assert.match(first, /does not take insecure-registries, not even by a restart: .* http:\/\/registry\.lab:5000/);
      }
    });

    it("networks are proven in the form in which the engine keeps them", async () => {
      await host.apply({ registries: [{ address: "192.168.77.9/24", insecure: true }] });
      assert.deepEqual(await host.insecure(), [network.address]);
      await host.remove();
      assert.deepEqual(await host.insecure(), []);
    });

    it("two stacks with one entry: it stays until the last one goes", async () => {
      await host.apply({ owner: "one", registries: [plain] });
      await host.apply({ owner: "two", registries: [plain, other] });
      await host.remove("one");
      assert.deepEqual(await host.insecure(), [other.address, plain.address]);
      await host.remove("two");
      assert.deepEqual(await host.insecure(), []);
      assert.equal(await host.file(), undefined);
    });

    it("a registry dropped from the stack goes from the engine, the other stays", async () => {
      await host.apply({ registries: [plain, other] });
      await host.apply({ registries: [other] });
      assert.deepEqual(await host.insecure(), [other.address]);
    });

    it("two stacks applied at the same moment: both are there", async () => {
      await Promise.all([
        host.apply({ owner: "one", registries: [plain] }),
        host.apply({ owner: "two", registries: [other] }),
        host.apply({ owner: "three", registries: [network] }),
      ]);
      assert.deepEqual(await host.insecure(), [network.address, other.address, plain.address]);
      await Promise.all([host.remove("one"), host.remove("two"), host.remove("three")]);
      assert.deepEqual(await host.insecure(), []);
      assert.equal(await host.file(), undefined);
      assert.equal((await host.sh("ls -d /var/lib/pi-runners")).out, "");
    });

    it("removing twice, or what was never applied, changes nothing", async () => {
      const before = await host.traces();
      assert.equal((await host.remove()).engines[0]!.how, "none");
      assert.equal(await host.traces(), before);
    });

    it("looking only (probe) tells what would change, and changes nothing", async () => {
      const before = await host.traces();
      const report = await host.apply({ registries: [plain] }, "probe");
      assert.deepEqual(report.engines[0]!.differs, [`+ ${daemonJson}: ${plain.address}`]);
      assert.equal(await host.traces(), before);
      await host.apply({ registries: [plain] });
      assert.deepEqual((await host.apply({ registries: [plain] }, "probe")).engines[0]!.differs, []);
    });

    it("containers keep running: same processes through apply and remove", async function () {
      await host.ok(
        "docker image inspect pi-lab-test-sleep >/dev/null 2>&1 || tar -ch /usr/bin/sleep " +
          "$(ldd /usr/bin/sleep | grep -o '/[^ ]*') 2>/dev/null | docker import - pi-lab-test-sleep",
      );
      await host.ok("docker rm -f sleeper1 sleeper2 >/dev/null 2>&1; true");
      await host.ok(
        "for i in 1 2; do docker run -d --network none --name sleeper$i pi-lab-test-sleep /usr/bin/sleep 600; done",
      );
      const pids = "docker inspect -f '{{.State.Pid}} {{.State.StartedAt}} {{.RestartCount}}' sleeper1 sleeper2";
      try {
        const before = await host.ok(pids);
        await host.apply({ registries: [plain, other] });
        await host.remove();
        assert.equal(await host.ok(pids), before);
      } finally {
        await host.ok("docker rm -f sleeper1 sleeper2; docker rmi pi-lab-test-sleep");
      }
    });
  });

  describe("Docker on a node: an engine that does not follow", function () {
    beforeEach(() => host.reset());
    after(async () => {
      host.restartNeeded = true;
      await host.reset();
    });

    it("stopped Docker stays stopped, and trusts once it is started", async () => {
      await host.ok("systemctl stop docker.service docker.socket");
      const report = await host.apply({ registries: [plain] });
      assert.equal(report.engines[0]!.version, "stopped");
      assert.match(report.warnings.join("\n"), /stopped and stays so/);
      assert.equal((await host.sh("systemctl is-active docker.service")).out.trim(), "inactive");
      await host.ok("systemctl start docker.socket docker.service");
      assert.deepEqual(await host.insecure(), [plain.address]);
    });

    it("stopped Docker with a listening socket is not woken", async () => {
      await host.ok("systemctl stop docker.service; systemctl start docker.socket");
      await host.apply({ registries: [plain] });
      assert.equal((await host.sh("systemctl is-active docker.service")).out.trim(), "inactive");
    });

    const refusedByDocker: [string, string, string][] = [
      ["an unknown key", '{"no-such-setting": 1}', "no-such-setting"],
      ["a value that Docker does not take", '{"labels": ["none"]}', "bad attribute format: none"],
      ["a setting that is a flag too", '{"hosts": ["unix:///run/other.sock"]}', "hosts"],
    ];
    for (const [what, text, word] of refusedByDocker) {
      for (const allowRestart of [false, true]) {
        it(`${what}, pending by somebody else: refused before anything is touched, ${allowRestart ? "and not restarted" : "no restart advised"} [8.16]`, async () => {
          await host.write(text);
          const [pid, before, reloads] = [await host.pid(), await host.traces(), await host.reloads()];
          const message = await host.refused({ registries: [plain], allowRestart }, [
            "step validate",
            word,
            "Nothing was",
          ]);
          assert.doesNotMatch(message, /allowRestart|FAILED/);
          assert.equal(await host.traces(), before);
          assert.equal(await host.reloads(), reloads);
          assert.equal(await host.pid(), pid);
          assert.deepEqual(await host.insecure(), []);
        });
      }
    }

    it("where only a restart helps, an edit that nobody has tried yet is not restarted into [8.16]", async () => {
      await standIn("pass");
      await host.write('{"storage-driver": "no-such-driver"}');
      const pid = await host.pid();
      const message = await host.refused({ registries: [plain], allowRestart: true }, ["not restarted", "put back"]);
      assert.doesNotMatch(message, /set allowRestart/);
      assert.equal(await host.pid(), pid);
      assert.equal(await host.file(), '{"storage-driver": "no-such-driver"}');
    });

    it("a pending authorization plugin, which would end the engine: refused, engine alive", async () => {
      await host.write('{"authorization-plugins": ["nobody"]}');
      const [pid, reloads] = [await host.pid(), await host.reloads()];
      await host.refused({ registries: [plain] }, ["authorization-plugins", "nobody", "pending edits"]);
      assert.equal(await host.pid(), pid);
      assert.equal(await host.reloads(), reloads);
      await host.insecure();
    });

    it("harmless pending edits are applied with a warning that names them", async () => {
      await host.write('{"debug": true, "registry-mirrors": ["http://mirror.lan:1"]}');
      const report = await host.apply({ registries: [plain] });
      assert.match(report.warnings.join("\n"), /debug, registry-mirrors/);
    });

    it("a flag that conflicts is named, and nothing is written", async () => {
      await flags("--insecure-registry flagged.lan:5000");
      await host.refused({ registries: [plain] }, ["--insecure-registry", "step flags"]);
      assert.equal(await host.file(), undefined);
    });

    it("a registry that is already trusted by a flag needs nothing", async () => {
      await flags("--insecure-registry registry.lab:5000");
      assert.equal((await host.apply({ registries: [plain] })).engines[0]!.how, "none");
      assert.equal(await host.file(), undefined);
    });

    it("another settings file, named by a flag, is found and used", async () => {
      await host.write('{"debug": false}', "/data-of-test/docker.json");
      await flags("--config-file=/data-of-test/docker.json");
      const report = await host.apply({ registries: [plain] });
      assert.equal(report.engines[0]!.config, "/data-of-test/docker.json");
      assert.deepEqual(listOf(await host.file("/data-of-test/docker.json")), [plain.address]);
      assert.equal(await host.file(), undefined);
      await host.remove();
      assert.equal(await host.file("/data-of-test/docker.json"), '{"debug": false}');
    });

    it("a settings file that the engine no longer reads is cleaned as well", async () => {
      await host.write('{"debug": false}', "/data-of-test/docker.json");
      await flags("--config-file=/data-of-test/docker.json");
      await host.apply({ registries: [plain] });
      await flags("");
      await host.apply({ registries: [plain] });
      assert.equal(await host.file("/data-of-test/docker.json"), '{"debug": false}');
      assert.deepEqual(await host.insecure(), [plain.address]);
      await host.remove();
      assert.equal((await host.sh("ls -d /var/lib/pi-runners")).out, "");
    });

    it("another socket, named in the settings: found, as the engine listens on it [8.9]", async () => {
      const text = '{"hosts": ["unix:///run/other-docker.sock"]}';
      await host.write(text);
      await unit(
        "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd --containerd=/run/containerd/containerd.sock\n",
        "unix:///run/other-docker.sock",
      );
      const report = await host.apply({ registries: [plain] });
      assert.equal(report.engines[0]!.how, "reload");
      const shown = await host.ok("docker -H unix:///run/other-docker.sock info -f '{{json .RegistryConfig}}'");
      assert.ok(shown.includes(plain.address), shown);
      await host.remove();
      assert.equal(await host.file(), text);
    });

    it("masked while it runs: still ours to clean, and proven so [8.21]", async () => {
      await host.apply({ registries: [plain] });
      await host.ok("systemctl mask --runtime docker.service");
      try {
        const report = await host.remove();
        assert.equal(report.engines[0]!.how, "reload");
        assert.deepEqual(await host.insecure(), []);
        assert.equal(await host.file(), undefined);
      } finally {
        await host.ok("systemctl unmask --runtime docker.service");
      }
    });

    it("stopped and masked: the file is cleaned, so that it trusts nothing once it is back [8.21]", async () => {
      await host.apply({ registries: [plain] });
      host.restartNeeded = true;
      await host.ok("systemctl stop docker.service docker.socket; systemctl mask --runtime docker.service");
      try {
        await host.remove();
        assert.equal(await host.file(), undefined);
        assert.equal((await host.sh("ls -d /var/lib/pi-runners")).out, "");
      } finally {
        await host.ok("systemctl unmask --runtime docker.service");
      }
    });

    it("an engine that dies on reload: settings put back, engine started again", async () => {
      await host.write('{"debug": false}');
      await standIn("child.kill(); os._exit(1)");
      await host.refused({ registries: [plain] }, ["ended when it was told to reload", "put back", "runs again"]);
      assert.equal(await host.file(), '{"debug": false}');
      assert.equal(await host.ok("systemctl is-active docker.service"), "active");
    });

    it("where a reload does not help, a restart does, but only when it is allowed", async () => {
      await standIn("pass");
      await host.refused({ registries: [plain] }, ["allowRestart", "put back"]);
      assert.equal(await host.file(), undefined);
      const report = await host.apply({ registries: [plain], allowRestart: true });
      assert.equal(report.engines[0]!.how, "restart");
      assert.deepEqual(await host.insecure(), [plain.address]);
    });

    /** A stand-in for a daemon with a fault: the real one behind a process that treats SIGHUP in its own way. */
    async function standIn(onHangup: string): Promise<void> {
      const wrapper = `import os, signal, subprocess, sys
child = subprocess.Popen(["/usr/sbin/dockerd"] + sys.argv[1:])
def hangup(*_):
    ${onHangup}
signal.signal(signal.SIGHUP, hangup)
signal.signal(signal.SIGTERM, lambda *_: child.terminate())
sys.exit(child.wait())
`;
      await host.write(wrapper, "/data-of-test/dockerd.py");
      await unit(
        "[Service]\nType=simple\nRestart=no\nKillMode=control-group\nTimeoutStopSec=10\nExecStart=\n" +
          "ExecStart=/usr/bin/python3 /data-of-test/dockerd.py -H unix:///var/run/docker.sock\n",
      );
    }

    async function flags(text: string): Promise<void> {
      await unit(
        `[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock ${text}\n`,
      );
    }

    async function unit(text: string, socket = "unix:///var/run/docker.sock"): Promise<void> {
      host.restartNeeded = true;
      await host.write(text, "/etc/systemd/system/docker.service.d/test.conf");
      await host.ok(
        "systemctl daemon-reload; systemctl reset-failed docker.service docker.socket; systemctl restart docker.service; for i in $(seq 100); do timeout 2 docker -H " +
          socket +
          " info >/dev/null 2>&1 && exit 0; sleep 0.2; done; exit 1",
      );
    }
  });
});
