import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { layersCleanupScript } from "../../../components/runners/kubernetes/layersCleanupScript";
import {
  guardTemplate,
  layersGuardScript,
  layersSweepScript,
} from "../../../components/runners/kubernetes/layersGuard";
import { kubernetesSettings } from "./kubernetesSettings";
import { command, run } from "./shell";
import { temporaryFolder } from "../../temporaryFolder";

const buildCache = { hostFolder: "/mnt/ssd" };
const day = 86_400;

/** Holds a folder as a job does, until it is released. */
async function hold(folder: string): Promise<() => void> {
  const holder = spawn("sh", ["-c", `exec 9<${folder}; flock 9; echo; exec sleep 60`]);
  await new Promise((held) => holder.stdout.once("data", held));
  return () => void holder.kill();
}

describe("the guard of the layers that builds in pods keep", () => {
  /** Folders of layers by the days since a job used them, after one look of the guard at a disk that is so full. */
  async function look(
    ages: Record<string, number>,
    disk: { full?: number; inodes?: number; until?: string },
    locked?: string,
    change: (folder: string) => void = () => undefined,
  ) {
    const root = temporaryFolder();
    const bin = join(root, "bin");
    mkdirSync(bin);
    const { full = 50, inodes = 50, until = "nothing" } = disk;
    const folder = join(root, "pods");
    const used = `case $* in *-i*) n=${inodes} ;; *) n=${full} ;; esac; [ -e ${folder}/layers/${until} ] || [ ${until} = nothing ] || n=50`;
    command(bin, "df", `${used}; printf 'F Use%%\\n/d 1 2 3 %s%% /\\n' $n`);
    command(
      bin,
      "sleep",
      `[ $1 != 60 ] || touch ${root}/looked; [ $1 != 2 ] || exec /bin/sleep 0.1; exec /bin/sleep $1`,
    );
    for (const [name, days] of Object.entries(ages)) {
      const made = join(folder, "layers", name);
      mkdirSync(name.endsWith(".file") ? dirname(made) : made, { recursive: true, mode: 0o755 });
      if (name.endsWith(".file")) {
        writeFileSync(made, "");
      }
      const then = Date.now() / 1000 - days * day;
      utimesSync(made, then, then);
    }
    change(folder);
    const release = locked === undefined ? () => undefined : await hold(join(folder, "layers", locked));
    const env = {
      PATH: `${bin}:${process.env["PATH"]!}`,
      LAYERS_FOLDER: folder,
      LAYERS_OLDER: "168",
      LAYERS_FREE: "20",
      LAYERS_GONE: join(folder, "gone"),
    };
    mkdirSync(env.LAYERS_GONE, { recursive: true });
    const [guard, sweep] = [layersGuardScript, layersSweepScript].map((script) =>
      spawn("sh", ["-c", script], { env, detached: true, stdio: "ignore" }),
    );
    for (const deadline = Date.now() + 10_000; !existsSync(join(root, "looked")) && Date.now() < deadline;) {
      await new Promise((done) => setTimeout(done, 50));
    }
    for (const deadline = Date.now() + 10_000; readdirSync(env.LAYERS_GONE).length > 0 && Date.now() < deadline;) {
      await new Promise((done) => setTimeout(done, 50));
    }
    process.kill(-guard!.pid!, "SIGKILL");
    process.kill(-sweep!.pid!, "SIGKILL");
    release();
    const left = Object.keys(ages).filter((name) => existsSync(join(folder, "layers", name)));
    return { left, folder };
  }

  it("removes what no job used for long, never what a job has, and keeps the nodes' other users out", async () => {
    const ages = { "7/1000-1": 1, "7/1000-2": 9, "8/1000-1": 9, "9/1000-1": 9 };
    const { left, folder } = await look(ages, {}, "9/1000-1");
    assert.deepEqual(left, ["7/1000-1", "9/1000-1"]);
    assert.equal(statSync(join(folder, "layers/project-")).mode & 0o777, 0, "in the way of a job of no project");
    assert.equal(statSync(folder).mode & 0o777, 0o700, "closed to other users of the node");
    assert.equal(statSync(join(folder, "layers/7")).mode & 0o777, 0o777, "open to whatever user a job is");
    assert.deepEqual(readdirSync(join(folder, "gone")), []);
  });

  it("removes all that no job has while the disk, or its inodes, are used up, before the kubelet evicts pods", async () => {
    const ages = { "7/1000-1": 0, "7/1000-2": 1 };
    assert.deepEqual((await look(ages, { full: 81 }, "7/1000-1")).left, ["7/1000-1"]);
    assert.deepEqual((await look(ages, { inodes: 81 }, "7/1000-1")).left, ["7/1000-1"]);
    assert.deepEqual((await look(ages, { full: 80, inodes: 80 })).left, Object.keys(ages));
  });

  it("begins with the project that has most, whatever its jobs say of when they used it", async () => {
    const ages = { "7/1000-1": 5, "8/1000-1": -400, "8/1000-2": 1 };
    const much = (folder: string): void => writeFileSync(join(folder, "layers/8/1000-1/much"), Buffer.alloc(300_000));
    assert.deepEqual((await look(ages, { full: 81, until: "8/1000-1" }, undefined, much)).left, ["7/1000-1"]);
  });

  it("opens no pipe, and follows no link, that a job has put in the place of its layers", async () => {
    const swap = (folder: string): void => {
      const slot = join(folder, "layers/7/1000-1");
      rmSync(slot, { recursive: true });
      assert.equal(run(["sh"], `mkfifo '${slot}'`, { PATH: process.env["PATH"]! }).status, 0);
      symlinkSync(join(folder, "layers/8"), join(folder, "layers/7/inside"));
      symlinkSync(join(folder, "made"), join(folder, "layers/7/1000-2"));
    };
    const { left, folder } = await look({ "7/1000-1": 0, "8/1000-1": 0 }, {}, undefined, swap);
    assert.deepEqual(left, ["8/1000-1"]);
    assert.ok(!existsSync(join(folder, "made")));
    assert.deepEqual(readdirSync(join(folder, "layers/7")), []);
  });

  it("removes at once whatever else jobs put there, by any name", async () => {
    const odd = ["a.file", ".hidden", "with space", "-rf", "x\n1000-1", "1000-0", "1000-10", "broken.1.2", "1-2-3"];
    const ages = Object.fromEntries(["1000-1", ...odd].map((name) => [`7/${name}`, 0]));
    assert.deepEqual((await look(ages, {})).left, ["7/1000-1"]);
  });

  it("goes where jobs go, as root on nothing but their folder", () => {
    const config = { runners: [{ kubernetes: { node_selector: { zone: "b" } } }] };
    const tolerations = [{ key: "pi", operator: "Exists" as const }];
    const selected = kubernetesSettings({ buildCache, nodeSelector: { disk: "ssd" }, tolerations, config });
    const { spec } = guardTemplate(selected) as { spec: Record<string, any> }; // eslint-disable-line @typescript-eslint/no-explicit-any
    assert.deepEqual([spec["nodeSelector"].disk, spec["nodeSelector"].zone], ["ssd", "b"]);
    assert.deepEqual(spec["tolerations"], tolerations);
    assert.deepEqual(
      spec["volumes"].map(({ hostPath }: { hostPath: object }) => hostPath),
      [{ path: "/mnt/ssd/ci/pods", type: "DirectoryOrCreate" }],
    );
    const { securityContext } = spec["containers"][0];
    assert.equal(securityContext.allowPrivilegeEscalation, false);
    assert.deepEqual(securityContext.capabilities.drop, ["ALL"]);
  });
});

describe("what removes the layers that builds in pods kept", () => {
  const made = (): string => {
    const root = temporaryFolder();
    mkdirSync(join(root, "ci/pods/layers/7/1000-1/store"), { recursive: true });
    mkdirSync(join(root, "ci/pods/gone"));
    return root;
  };
  const script = (root: string, patience: number): string =>
    layersCleanupScript("ci", "pods", root, patience)
      .replace("sleep 200", ":")
      // A job's or a guard's folder is at its root, which it has no other of here.
      .replace("/root/folder", "/cwd/.")
      .replace("+ 60))\nwhile guarded", "+ 1))\nwhile guarded");
  const env = { PATH: process.env["PATH"]! };

  it("removes all of the runner's folder, and nothing else", () => {
    const root = made();
    mkdirSync(join(root, "ci/others"));
    assert.equal(run(["sh"], script(root, 5), env).status, 0);
    assert.deepEqual([readdirSync(root), readdirSync(join(root, "ci"))], [["ci"], ["others"]]);
    assert.equal(run(["sh"], script(root, 5), env).status, 0, "a node that has none of it");
  });

  it("waits for a build that has its layers, and says who has them when it waited long enough", async () => {
    const root = made();
    const slot = join(root, "ci/pods/layers/7/1000-1");
    const release = await hold(slot);
    const { status, output } = run(["sh"], script(root, 2), env);
    assert.equal(status, 1);
    assert.match(output, /still has its layers in .*7\/1000-1: they stay/);
    assert.ok(existsSync(join(slot, "store")));
    setTimeout(release, 1000);
    const waiting = spawn("sh", ["-c", script(root, 10)], { env });
    assert.equal(await new Promise((done) => waiting.once("exit", done)), 0);
    assert.deepEqual(readdirSync(root), []);
  }).timeout(15_000);

  it("leaves them where a guard still looks after them", () => {
    const root = made();
    const claims = { ...env, PI_RUNNERS_LAYERS_OF: `${root}/ci/pods` };
    const guard = spawn("sleep", ["60"], { env: claims, cwd: `${root}/ci/pods` });
    const { status, output } = run(["sh"], script(root, 5), env);
    guard.kill();
    assert.equal(status, 0);
    assert.match(output, /still keeps layers here/);
    assert.ok(existsSync(join(root, "ci/pods/layers/7/1000-1")));
  });

  it("takes no job for the guard, whatever that says of itself", () => {
    const root = made();
    const job = spawn("sleep", ["60"], { env: { ...env, PI_RUNNERS_LAYERS_OF: `${root}/ci/pods` }, cwd: root });
    const { status } = run(["sh"], script(root, 5), env);
    job.kill();
    assert.equal(status, 0);
    assert.deepEqual(readdirSync(root), []);
  });

  it("makes nothing where a link leads that a job has put there, and waits for no pipe", () => {
    const root = made();
    symlinkSync(join(root, "made"), join(root, "ci/pods/layers/7/1000-2"));
    assert.equal(run(["sh"], `mkfifo '${root}/ci/pods/layers/7/1000-3'`, env).status, 0);
    assert.equal(run(["sh"], script(root, 5), env).status, 0);
    assert.deepEqual(readdirSync(root), []);
  });
});
