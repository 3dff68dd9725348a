import assert from "node:assert/strict";
import { Python } from "./python";

const python = new Python(__dirname);
after(() => python.end());

const play = (name: string, ...args: unknown[]) => python.call<Record<string, unknown>>("trustRuns", name, ...args);

describe("a run of the trust program (with stand-ins for engines)", () => {
  for (const broken of ["find", "reconcile"]) {
    it(`an engine in which the stack has nothing does not stop its removal (${broken}), and is named [8.21]`, async () => {
      const { status, done, error, ledger } = await play("removal_beside", broken, "ask the engine");
      assert.deepEqual({ status, done, ledger }, { status: 0, done: [["r:1"], []], ledger: [] });
      assert.match(String(error), /^warning: .*bad (cannot be found out|does not answer)/);
    });
  }

  it("one that holds something of ours though the ledger was lost does stop it [8.21]", async () => {
    const { status, done } = await play("removal_beside", "reconcile", "preflight");
    assert.deepEqual({ status, done }, { status: 1, done: [["r:1"]] });
  });

  it("an engine in which the stack has something does stop it [8.21]", async () => {
    const { status, error } = await play("removal_of_broken");
    assert.equal(status, 1);
    assert.match(String(error), /bad does not answer/);
  });

  it("a first apply that nobody hears of is taken back before a second one can find it done [8.20]", async () => {
    assert.deepEqual(await play("second_run"), { status: 1, seen: ["waits"], ledger: [], done: [["r:1"], []] });
  });

  it("names that are in no encoding do not end it", async () => {
    assert.equal(await play("strange_names"), true);
  });

  it("containerd is not told of a CA file that somebody has deleted; another stack's registry is pulled on", async () => {
    assert.deepEqual(await play("lost_authority"), { lost: false, there: [true] });
  });

  it("k3s is not restarted with an edit of somebody else that it would not start with [8.16]", async () => {
    for (const [theirs, wrong] of [
      ["mirrors:\n  docker.io:\n    endpoint: https://m:5000\n", "mirrors > docker.io > endpoint"],
      ["configs:\n  h:1:\n    auth: secret\n", "configs > h:1 > auth"],
      ["mirrors:\n  docker.io:\n    endpoint:\n      - a: b\n", "mirrors > docker.io > endpoint > 1"],
    ]) {
      assert.deepEqual(await play("restart_of_k3s", theirs), {
        restarts: 0,
        same: true,
        error: `k3s.service would not start again: ${wrong} of FOLDER/registries.yaml has another shape than it takes`,
      });
    }
  });

  it("k3s is restarted with what it takes: no values, keys that it does not know, rewrites", async () => {
    for (const theirs of [
      "mirrors:\nconfigs: null\n",
      "more: [1]\nmirrors:\n  docker.io:\n    rewrite: {a: b}\n    endpoint: [x]\n",
      "configs:\n  h:1:\n    auth:\n      password: 5\n    tls:\n      insecure_skip_verify: yes\n    new:\n      a: b\n",
    ]) {
      assert.deepEqual(await play("restart_of_k3s", theirs), { restarts: 1 });
    }
  });

  it("Docker told to read another settings file keeps its CA files, and loses them with the stack [8.9]", async () => {
    assert.deepEqual(await play("ca_of_moved_docker"), { there: 1, records: 1, after: [] });
  });
});
