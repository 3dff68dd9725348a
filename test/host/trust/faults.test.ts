import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { trustCommand, trustInput } from "../../../components/registryTrust/trustProgram";
import { plain, type Ended, Host } from "./host";
import { hostOf, patience, trustLab, type TrustLab } from "./lab";

const other = { address: "localhost:5050", insecure: true } as const;
const text = '{\n  "debug": false\n}\n';
const home = "/var/lib/pi-runners/trust";

let lab: TrustLab;
let host: Host;

describe("registry trust: faults", () => {
  before(async function () {
    this.timeout(patience);
    lab = await trustLab(1);
    host = lab.hosts[0]!;
  });

  /** The file is the old one, one of ours, or the new one; and whole in any case. */
  async function wholeFile(): Promise<void> {
    const now = await host.file();
    const settings = JSON.parse(now ?? "null") as Record<string, unknown> | null;
    assert.equal(settings?.debug, false, `the foreign key is lost: ${now}`);
  }

  describe("Docker on a node: killed at every step (kill -9)", function () {
    beforeEach(async () => {
      await host.reset();
      await host.write(text);
    });
    after(() => host.reset());

    const apply = [
      "ledger temporary",
      "ledger renamed",
      "ledger",
      "write temporary",
      "write renamed",
      "reloaded",
      "proven",
    ];
    for (const step of apply) {
      it(`while applying, at "${step}": the file is whole, the next apply heals, remove gives back every byte`, async () => {
        const killed = await host.trust("apply", { registries: [plain] }, { PI_RUNNERS_TRUST_CRASH_AT: step });
        assert.notEqual(killed.status, 0, "the run was not killed");
        assert.equal(killed.out, "");
        await wholeFile();
        await host.apply({ registries: [plain] });
        assert.deepEqual(await host.insecure(), [plain.address]);
        await host.remove();
        await untouched();
      });

      it(`while applying, at "${step}": remove alone heals too`, async () => {
        await host.trust("apply", { registries: [plain] }, { PI_RUNNERS_TRUST_CRASH_AT: step });
        await host.remove();
        await untouched();
      });
    }

    const remove = ["empty temporary", "empty renamed", "reloaded", "proven", "write temporary", "write renamed"];
    for (const step of remove) {
      it(`while removing, at "${step}": the file is whole, the next remove heals`, async () => {
        await host.apply({ registries: [plain] });
        const killed = await host.trust("remove", {}, { PI_RUNNERS_TRUST_CRASH_AT: step });
        assert.notEqual(killed.status, 0, "the run was not killed");
        await wholeFile();
        await host.remove();
        await untouched();
      });

      it(`while removing, at "${step}": another stack's apply heals`, async () => {
        await host.apply({ registries: [plain] });
        await host.trust("remove", {}, { PI_RUNNERS_TRUST_CRASH_AT: step });
        await host.apply({ owner: "two", registries: [other] });
        assert.ok((await host.insecure()).includes(other.address));
        await host.remove("one");
        await host.remove("two");
        await untouched();
      });
    }

    async function untouched(): Promise<void> {
      assert.equal(await host.file(), text);
      assert.deepEqual(await host.insecure(), []);
      assert.equal(
        (await host.sh("ls -A /var/lib/pi-runners /etc/docker | grep -v -e key.json -e registry")).out.match(
          /tmp|json$/m,
        )?.[0],
        "json",
      );
      assert.equal((await host.sh(`ls -d ${home}`)).out, "");
    }
  });

  describe("Docker on a node: hosts that are not as they should be", function () {
    beforeEach(() => host.reset());
    afterEach(() =>
      host.ok("umount -q /data-of-test /etc/docker /var/lib/pi-runners /run/systemd/container 2>/dev/null; true"),
    );
    after(() => host.reset());

    it("no space: refused before anything is written", async () => {
      await small(
        "/etc/docker",
        "for i in 1 2 3 4; do dd if=/dev/zero of=/etc/docker/fill$i bs=1k 2>/dev/null; sync; done; true",
      );
      await host.refused({ registries: [plain] }, ["no space is left", "Nothing was changed"]);
      assert.equal(await host.file(), undefined);
      assert.deepEqual(await host.insecure(), []);
    });

    it("space runs out in the middle of a write: the old file stays, nothing of ours is left", async () => {
      await small("/etc/docker", "true");
      await host.write(text);
      const paused = await whilePaused("ledger", { registries: [plain] }, () =>
        host.ok("for i in 1 2 3 4; do dd if=/dev/zero of=/etc/docker/fill$i bs=1k 2>/dev/null; sync; done; true"),
      );
      assert.equal(paused.status, 1);
      assert.match(paused.err, /No space left on device/);
      assert.equal(await host.file(), text);
      assert.equal(await host.ok("ls -A /etc/docker | grep -c tmp; true"), "0");
      assert.deepEqual(await host.insecure(), []);
      assert.equal((await host.sh(`ls -d ${home}`)).out, "");
    });

    it("read-only file system: refused", async () => {
      await host.write(text);
      await host.ok("mount --bind /etc/docker /etc/docker && mount -o remount,ro,bind /etc/docker");
      await host.refused({ registries: [plain] }, ["read-only"]);
      await host.ok("umount /etc/docker");
      assert.equal(await host.file(), text);
    });

    it("a ledger whose copy of the settings does not fit its own digest is not put back: the user's keys stay [8.22]", async () => {
      await host.write(text);
      await host.apply({ registries: [plain] });
      await damage("d['before']['base64'] = base64.b64encode(b'{\"lost\": true}').decode()");
      await host.remove();
      assert.deepEqual(JSON.parse((await host.file())!), { debug: false });
      assert.deepEqual(await host.insecure(), []);
      assert.equal((await host.sh(`ls -d ${home}`)).out, "");
    });

    const shapes: [string, string][] = [
      ["a list", "d = []"],
      ["owners that are a list", "d['owners'] = []"],
      ["an owner without entries", "d['owners'] = {'one': {}}"],
      ["entries that are numbers", "d['owners'] = {'one': {'entries': [1], 'files': []}}"],
      ["no list of what was added", "d.pop('added')"],
      ["what was added is a text", "d['added'] = 'registry.lab:5000'"],
      ["files that are texts", "d['files'] = {'/etc/passwd': 'x'}"],
      ["a copy without its digest", "d['before'] = {'base64': ''}"],
      ["another path", "d['path'] = '/etc/passwd'"],
      ["a version to come", "d['version'] = 2"],
    ];
    for (const [what, change] of shapes) {
      it(`a ledger of the wrong shape (${what}): refused before anything is touched, naming it [8.22]`, async () => {
        await host.write(text);
        await host.apply({ registries: [plain] });
        await damage(change);
        const before = await host.traces();
        for (const action of ["apply", "remove"] as const) {
          const message = await host.refused({ registries: [other] }, ["step ledger", `${home}/docker-`], action);
          assert.match(message, /Nothing was changed/);
        }
        assert.equal(await host.traces(), before);
      });
    }

    /** Changes the ledger as a hand or a bad card would. */
    async function damage(change: string): Promise<void> {
      const program = `import base64, glob, json
path = glob.glob("${home}/docker-*.json")[0]
d = json.load(open(path))
${change}
json.dump(d, open(path, "w"))
`;
      await host.ok("python3 -", program);
    }

    it("settings on a tmpfs: refused, as they would not survive a reboot", async () => {
      await host.ok("mount -t tmpfs tmpfs /etc/docker");
      await host.refused({ registries: [plain] }, ["tmpfs", "would not survive"]);
    });

    it("overlay root, as raspi-config makes it: refused", async () => {
      // The node's own root is an overlay already; only the note that it is a container has to go.
      await host.ok("mount --bind /dev/null /run/systemd/container");
      await host.refused({ registries: [plain] }, ["overlay", "raspi-config", "would not survive"]);
      assert.equal(await host.file(), undefined);
    });

    it("lock held by another run: waits, and works once it is free", async () => {
      await host.ok(`mkdir -p ${home}`);
      const holder = host.sh(`flock ${home}/lock sleep 3`);
      await sleep(300);
      const started = Date.now();
      await host.apply({ registries: [plain] });
      assert.ok(Date.now() - started > 1500, "it did not wait");
      await holder;
    });

    it("a hand edit in the middle of apply is kept, and the entry is there too", async () => {
      await host.write(text);
      for (const step of ["ledger", "write temporary"]) {
        const ended = await whilePaused(step, { registries: [plain] }, () =>
          host.write(`{"debug": false, "max-concurrent-uploads": 4, "labels": ["step=${step.length}"]}`),
        );
        assert.equal(ended.status, 0, ended.err);
        const settings = JSON.parse((await host.file())!) as Record<string, unknown>;
        assert.equal(settings["max-concurrent-uploads"], 4);
        assert.deepEqual(settings["insecure-registries"], [plain.address]);
        await host.remove();
        assert.equal(JSON.parse((await host.file())!)["insecure-registries"], undefined);
      }
    });

    it("a hand edit between the two steps of remove is kept", async () => {
      await host.write(text);
      await host.apply({ registries: [plain] });
      const ended = await whilePaused(
        "reloaded",
        {},
        async () => host.write((await host.file())!.replace("false", 'false, "max-concurrent-uploads": 4')),
        "remove",
      );
      assert.equal(ended.status, 0, ended.err);
      assert.deepEqual(JSON.parse((await host.file())!), { debug: false, "max-concurrent-uploads": 4 });
      assert.deepEqual(await host.insecure(), []);
    });

    it("the engine stops in the middle of apply: settings put back, engine started again", async () => {
      await host.write(text);
      host.restartNeeded = true;
      const ended = await whilePaused("write renamed", { registries: [plain] }, () =>
        host.ok(
          "systemctl kill -s KILL docker.service; systemctl mask --runtime docker.service; sleep 1; systemctl unmask --runtime docker.service; true",
        ),
      );
      assert.equal(ended.status, 1, ended.out);
      assert.match(ended.err, /put back/);
      assert.equal(await host.file(), text);
      assert.equal(await host.ok("systemctl is-active docker.service"), "active");
    });

    it("sshd gone half-way: the run ends its work by itself", async () => {
      await host.write(text);
      // Not this owner's first run: that one takes back what it did when nobody hears of it.
      await host.apply({ registries: [other], engines: ["docker"] });
      await host.ok(`rm -f /data-of-test-pause`);
      const env = { PI_RUNNERS_TRUST_PAUSE_AT: "write renamed", PI_RUNNERS_TRUST_PAUSE_FILE: "/data-of-test-pause" };
      const assignments = Object.entries(env)
        .map(([key, value]) => `${key}='${value}'`)
        .join(" ");
      const run = overSsh(`${assignments} ${trustCommand("apply").replace(/^exec /, "")}`);
      await until(async () => (await host.sh("test -e /data-of-test-pause")).status === 0);
      await host.ok("pkill -KILL -x 'sshd(-session)?'; true"); // sessions have a program of their own from OpenSSH 9.8 on
      assert.notEqual((await run).status, 0, "the connection was not cut");
      await host.ok("systemctl restart ssh.service; rm /data-of-test-pause");
      await until(async () => (await host.insecure()).includes(plain.address));
      await until(async () => (await host.sh(`flock -n ${home}/lock true`)).status === 0);
      assert.equal((await host.apply({ registries: [plain], engines: ["docker"] })).engines[0]!.how, "none");
    });

    it("power cut of the whole node in the middle: old or new file, and a rerun heals", async () => {
      await host.write(text);
      const env = { PI_RUNNERS_TRUST_PAUSE_AT: "write renamed", PI_RUNNERS_TRUST_PAUSE_FILE: "/data-of-test-pause" };
      const run = host.trust("apply", { registries: [plain] }, env);
      await until(async () => (await host.sh("test -e /data-of-test-pause")).status === 0);
      await lab.engine.run(["kill", "-s", "KILL", lab.nodes[0]!.container]);
      await run;
      await lab.engine.run(["start", lab.nodes[0]!.container]);
      await until(async () => (await host.sh("timeout 2 docker info")).status === 0, 60);
      await wholeFile();
      await host.ok("rm -f /data-of-test-pause");
      await host.apply({ registries: [plain] });
      assert.deepEqual(await host.insecure(), [plain.address]);
      await host.remove();
      assert.equal(await host.file(), text);
    });

    it("no python3: said in three parts, nothing touched", async () => {
      await host.ok("mv /usr/bin/python3 /usr/bin/python3.away");
      try {
        await host.refused({ registries: [plain] }, ["python3 is missing", "apt-get install"]);
      } finally {
        await host.ok("mv /usr/bin/python3.away /usr/bin/python3");
      }
      assert.equal(await host.file(), undefined);
    });

    it("half a python3 (python3-minimal): said in three parts, nothing touched", async () => {
      const json = await host.ok("python3 -c 'import json, os; print(os.path.dirname(json.__file__))'");
      await host.ok(`mv ${json} ${json}.away`);
      try {
        const { status, err } = await host.trust("apply", { registries: [plain] });
        assert.equal(status, 1);
        assert.match(
          err,
          /python3 is incomplete .*json.*\n {2}where: .*\n {2}state: Nothing was changed\.\n {2}what to do: /,
        );
      } finally {
        await host.ok(`mv ${json}.away ${json}`);
      }
      assert.equal(await host.file(), undefined);
    });

    it("a user with sudo and no password: works as root does", async () => {
      const ended = await as("pi", "");
      assert.equal(ended.status, 0, ended.err);
      assert.deepEqual(await host.insecure(), [plain.address]);
    });

    const wrong: [string, string, string, RegExp][] = [
      ["sudo asks, and no password was given", "piask", "", /^sudo asks for a password\.\n/],
      ["a wrong sudo password", "piask", "Wr0ng-Secret", /^sudo does not accept the password\.\n/],
      ["a user who may not use sudo", "daemon", "Wr0ng-Secret", /^sudo does not accept the password\.\n/],
    ];
    for (const [what, user, password, message] of wrong) {
      it(`${what}: said in three parts, nothing touched, no password shown`, async () => {
        const before = await host.traces();
        const ended = await as(user, password);
        assert.equal(ended.status, 1);
        assert.match(ended.err, message);
        assert.match(ended.err, /\n {2}where: node n1, step start\n {2}state: Nothing was changed\.\n {2}what to do: /);
        assert.ok(!(ended.out + ended.err).includes("Wr0ng-Secret"));
        assert.equal(await host.traces(), before);
      });
    }

    it("no sudo for a user who is not root: said in three parts", async () => {
      await host.ok("mv /usr/bin/sudo /usr/bin/sudo.away");
      try {
        assert.match(
          (await as("pi", "")).err,
          /^sudo is missing, and the user is not root\.\n {2}where: [^]*what to do: /,
        );
      } finally {
        await host.ok("mv /usr/bin/sudo.away /usr/bin/sudo");
      }
    });

    /** A run by another user than root, as it is after a login by SSH. */
    function as(user: string, password: string): Promise<Ended> {
      const session = hostOf(lab.engine, lab.nodes[0]!.container, user);
      return session.trust("apply", { registries: [plain] }, {}, password);
    }

    it("no container engine: said in three parts", async () => {
      await host.ok(
        "systemctl stop docker.socket docker.service containerd; mkdir -p /data-of-test; mv /lib/systemd/system/docker.service /lib/systemd/system/containerd.service /etc/init.d/docker /data-of-test; systemctl daemon-reload",
      );
      try {
        await host.refused({ registries: [plain] }, ["no container engine", "installDocker"]);
      } finally {
        await host.ok(
          "mv /data-of-test/docker /etc/init.d/; mv /data-of-test/*.service /lib/systemd/system/; systemctl daemon-reload; systemctl start containerd docker.socket docker",
        );
      }
    });

    it("Docker from apt and from snap at once on one socket: refused, both named", async () => {
      // A stand-in for the snap: a unit of its name; snapd does not run here.
      await host.write("[Service]\nExecStart=/bin/sleep 1000\n", "/etc/systemd/system/snap.docker.dockerd.service");
      await host.ok("systemctl daemon-reload; systemctl start snap.docker.dockerd.service");
      try {
        await host.refused({ registries: [plain] }, ["docker.service and snap.docker.dockerd.service"]);
      } finally {
        await host.ok(
          "systemctl stop snap.docker.dockerd.service; rm /etc/systemd/system/snap.docker.dockerd.service; systemctl daemon-reload",
        );
      }
    });

    it("daemons of jobs on the node (DinD) are not mistaken for its engine", async () => {
      const [pid, reloads] = [await host.pid(), await host.reloads()];
      await host.ok(
        "mkdir -p /data-of-test; (setsid dockerd -H unix:///data-of-test/d.sock --data-root /data-of-test/d --exec-root /data-of-test/e " +
          "-p /data-of-test/d.pid --bridge none --iptables=false --config-file /data-of-test/none.json </dev/null >/data-of-test/log 2>&1 &) ; " +
          "echo '{}' > /data-of-test/none.json; for i in $(seq 50); do test -S /data-of-test/d.sock && break; sleep 0.2; done",
      );
      try {
        const report = await host.apply({ registries: [plain] });
        assert.deepEqual(
          report.engines.filter(({ engine }) => engine === "docker").map(({ unit }) => unit),
          ["docker.service"],
        );
        assert.equal(await host.pid(), pid);
        assert.equal(await host.reloads(), reloads + 1);
        assert.equal(await host.file("/data-of-test/none.json"), "{}\n");
      } finally {
        await host.ok("kill $(cat /data-of-test/d.pid); sleep 1; true");
      }
    });

    it("the report tells what the node is", async () => {
      const { facts } = await host.apply({ registries: [plain] });
      assert.equal(facts.architecture, await host.ok("uname -m"));
      assert.equal(typeof facts.memoryCgroup, "boolean");
      assert.match(String(facts.iptables), /^iptables v/);
      assert.match(String(facts.python), /^3\.\d+/);
      assert.ok(Number(facts.freeMiB) > 0);
      assert.match(String(facts.clock), /^20\d\d-/);
    });

    /** A small ext4 of its own at a path, on a loop device, as an SD card's partition is one. */
    async function small(path: string, then: string): Promise<void> {
      await host.ok(
        "mkdir -p /data-of-test && truncate -s 4M /data-of-test/disk && mkfs.ext4 -q -m 0 -O ^has_journal /data-of-test/disk && " +
          `(test -e /dev/loop-control || mknod /dev/loop-control c 10 237); for i in $(seq 0 15); do test -e /dev/loop$i || mknod /dev/loop$i b 7 $i; done; ` +
          `mount -o loop /data-of-test/disk ${path} && ${then}`,
      );
    }

    /** Does something while a run waits at a step. */
    async function whilePaused(
      step: string,
      settings: Parameters<Host["trust"]>[1],
      work: () => Promise<unknown>,
      action: "apply" | "remove" = "apply",
    ): Promise<{ status: number | null; out: string; err: string }> {
      const env = { PI_RUNNERS_TRUST_PAUSE_AT: step, PI_RUNNERS_TRUST_PAUSE_FILE: "/data-of-test-pause" };
      await host.ok("rm -f /data-of-test-pause");
      const run = host.trust(action, settings, env);
      let done = false;
      void run.then(() => (done = true));
      const arrived = async (): Promise<boolean> => (await host.sh("test -e /data-of-test-pause")).status === 0;
      await until(async () => done || (await arrived()));
      assert.ok(await arrived(), `the run never came to ${step}: ${JSON.stringify(done ? await run : "")}`);
      await work();
      // From now on it runs through: the pause happens at every visit of the step, so the file is kept away.
      while (!done) {
        await host.ok("rm -f /data-of-test-pause");
        await sleep(30);
      }
      return run;
    }

    function overSsh(command: string): Promise<{ status: number | null; out: string; err: string }> {
      const { privateKeyFile, knownHostsFile } = lab.ssh;
      const login = ["-i", privateKeyFile, "-o", `UserKnownHostsFile=${knownHostsFile}`, "-o", "BatchMode=yes"];
      const input = trustInput({ node: "n1", owner: "one", registries: [plain], engines: ["docker"] });
      return new Host(["ssh", ...login, `root@${lab.nodes[0]!.address}`]).run([command], input);
    }
  });

  async function until(check: () => Promise<boolean>, seconds = 20): Promise<void> {
    const end = Date.now() + seconds * 1000;
    while (!(await check())) {
      assert.ok(Date.now() < end, `not within ${seconds} s`);
      await sleep(100);
    }
  }
});
