import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { dockerVersion } from "../../../components/runners/images";
import { labDockerVersion } from "../../../lab/builds/builds";
import { engineProcesses } from "../../../lab/engine/leftovers";
import { lacksSysResource } from "../../../lab/machine/capabilities";
import { withLock } from "../../../lab/machine/locks";
import { nodes, runDir } from "../../../lab/machine/places";
import { readableLine, readableTrace, unstamped } from "../../../lab/stack/trace";

describe("lab: what it needs to know of the machine", () => {
  it("sees that CAP_SYS_RESOURCE is missing", () => {
    assert.equal(lacksSysResource("Name:\tx\nCapBnd:\t000001fffeffffff\n"), true);
    assert.equal(lacksSysResource("Name:\tx\nCapBnd:\t000001ffffffffff\n"), false);
  });
});

describe("lab: docker:dind", () => {
  it("is of the major release that runners have by default", () => {
    assert.equal(labDockerVersion.split(".")[0], dockerVersion.split(".")[0]);
  });
});

describe("lab: nodes", () => {
  it("have fixed addresses, from .11 on", () => {
    assert.deepEqual(
      nodes(2).map(({ name, address }) => [name, address]),
      [
        ["node1", "172.30.99.11"],
        ["node2", "172.30.99.12"],
      ],
    );
  });

  for (const count of [0, -1, 1.5, NaN, 1000]) {
    it(`refuses ${count} of them`, () => assert.throws(() => nodes(count), /LAB_NODES and --nodes take 1 to/));
  }
});

describe("lab: a job's trace", () => {
  const start = "section_start:1795255370:prepare_executor\r\x1b[0K";

  it("is shown without the runner's marks", () => {
    assert.equal(readableLine(`\x1b[0;m${start}\x1b[0KUsing Docker executor`, false), "Using Docker executor");
    assert.equal(
      readableLine(`section_end:1:a\r\x1b[0Ksection_start:2:b\r\x1b[0K\x1b[32;1m$ ls\x1b[0;m`, false),
      "$ ls",
    );
  });

  it("keeps its colours on a terminal", () => {
    assert.equal(readableLine("\x1b[32;1m$ ls\x1b[0;m", true), "\x1b[32;1m$ ls\x1b[0;m");
  });

  it("is the same however it is cut into pieces", () => {
    const text = `${start}first\nsecond\n`;
    for (let cut = 0; cut <= text.length; cut++) {
      let shown = "";
      const show = readableTrace({ write: (line) => (shown += line) });
      show.write(text.slice(0, cut));
      show.write(text.slice(cut));
      show.end();
      assert.equal(shown, "first\nsecond\n");
    }
  });

  it("is put together again where the runner has stamped and cut its lines", () => {
    const stamped = [
      "2026-11-21T18:46:09.726793Z 00O section_start:1795286769:prepare_executor\r\x1b[0K",
      '2026-11-21T18:46:09.726797Z 00O+\x1b[0K\x1b[36;1mPreparing the "shell" executor\x1b[0;m\x1b[0;m',
      "2026-11-21T18:46:10.000000Z 01E on stderr",
      "2026-11-21T18:46:10.000000Z 01O",
    ].join("\n");
    assert.equal(
      unstamped(stamped),
      'section_start:1795286769:prepare_executor\r\x1b[0K\x1b[0K\x1b[36;1mPreparing the "shell" executor\x1b[0;m\x1b[0;m\n' +
        "on stderr\n\n",
    );
    let shown = "";
    const show = readableTrace({ write: (line) => (shown += line) });
    show.write(stamped);
    show.end();
    assert.equal(shown, 'Preparing the "shell" executor\non stderr\n\n');
  });
});

describe("lab: what a killed engine leaves", () => {
  /** A program that looks like the lab's dockerd, by the words before it in other namespaces. */
  async function withDaemon(before: string[], work: () => void): Promise<boolean> {
    const [program = "", ...args] = [...before, "bash", "-c", `exec -a dockerd cat - ${runDir}/mark`];
    const child = spawn(program, args, { stdio: ["pipe", "ignore", "ignore"], detached: true });
    const ended = once(child, "exit");
    await Promise.race([ended, sleep(1000)]);
    const started = child.exitCode === null;
    try {
      if (started) {
        work();
      }
    } finally {
      child.stdin.end();
      await ended;
    }
    return started;
  }
  const daemons = (): number =>
    engineProcesses().filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`${runDir}/mark`)).length;

  it("is found by the lab's folder", async () => {
    assert.ok(await withDaemon([], () => assert.equal(daemons(), 1)));
  });

  it("is not that of another lab, in a container of this machine", async function () {
    const elsewhere = ["unshare", "--user", "--map-root-user", "--pid", "--fork"];
    if (!(await withDaemon(elsewhere, () => assert.equal(daemons(), 0)))) {
      this.skip(); // this machine lets nobody make namespaces
    }
  });
});

describe("lab: its lock", () => {
  const folder = mkdtempSync(join(tmpdir(), "pi-lab-lock-"));
  after(() => rmSync(folder, { recursive: true }));

  it("lets one in after the other, also after a failure", async () => {
    const file = join(folder, "one");
    let inside = 0;
    const turn = () =>
      withLock(
        file,
        () => undefined,
        async () => {
          assert.equal(++inside, 1);
          await sleep(20);
          inside--;
          throw new Error("on purpose");
        },
      );
    const results = await Promise.allSettled([turn(), turn(), turn()]);
    assert.deepEqual(
      results.map((result) => result.status === "rejected" && String(result.reason)),
      Array(3).fill("Error: on purpose"),
    );
  });

  it("is free again when its holder was killed", async () => {
    const file = join(folder, "two");
    const holder = `require("./lab/machine/locks").withLock(${JSON.stringify(file)}, () => {}, async () => { console.log("in"); setInterval(() => {}, 1000); await new Promise(() => {}); })`;
    const child = spawn(process.execPath, ["--import", "tsx", "-e", holder], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await withLock(
      file,
      () => undefined,
      async () => undefined,
    );
  }).timeout(20_000);
});

describe("lab: its SSH keys", () => {
  const folder = mkdtempSync(join(tmpdir(), "pi-lab-keys-"));
  after(() => rmSync(folder, { recursive: true }));

  it("are all known, and one key logs in everywhere, where several processes bring up nodes at the same moment", async () => {
    const numbers = [101, 102, 103, 104, 105];
    const env = { ...process.env, XDG_STATE_HOME: folder, XDG_CACHE_HOME: folder };
    const bringUp = async (number: number): Promise<unknown> => {
      const program = `require("./lab/cluster/hostKeys").sshKeys([require("./lab/machine/places").node(${number})])`;
      const child = spawn(process.execPath, ["--import", "tsx", "-e", program], {
        stdio: ["ignore", "inherit", "inherit"],
        env,
      });
      return (await once(child, "close"))[0];
    };
    assert.deepEqual(await Promise.all(numbers.map(bringUp)), [0, 0, 0, 0, 0]);
    const lab = join(folder, "pi-runners/lab");
    const known = readFileSync(join(lab, "known_hosts"), "utf8").trim().split("\n");
    assert.deepEqual(
      known.map((line) => line.split(" ")[0]!.split(",")[1]).sort(),
      numbers.map((number) => `node${number}`),
    );
    const login = readFileSync(join(lab, "id_ed25519.pub"), "utf8");
    for (const number of numbers) {
      assert.equal(readFileSync(join(lab, `nodes/node${number}/authorized_keys`), "utf8"), login);
    }
  }).timeout(60_000);
});
