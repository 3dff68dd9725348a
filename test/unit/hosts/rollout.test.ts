import fc from "fast-check";
import assert from "node:assert/strict";
import { batchesOf, NotTouchedError, Rollout, rolloutErrors, type RolloutSettings } from "../../../hosts/rollout";

/** Plays a roll-out to its end: who started in which order, and who was refused. */
async function play(
  nodes: string[],
  settings: RolloutSettings,
  fails: Set<string>,
): Promise<{ started: string[]; refused: string[] }> {
  const rollout = new Rollout(nodes, settings);
  const started: string[] = [];
  const refused: string[] = [];
  await Promise.all(
    nodes.map((node) =>
      rollout.turn(node).then(
        () => {
          started.push(node);
          setImmediate(() => rollout.ended(node, fails.has(node) ? "failed" : "ok"));
        },
        (error: unknown) => {
          assert.ok(error instanceof NotTouchedError);
          refused.push(node);
        },
      ),
    ),
  );
  return { started, refused };
}

describe("roll-out", () => {
  const nodes = ["a", "b", "c", "d", "e"];

  it("canary first, then batches in order", () =>
    assert.deepEqual(batchesOf(nodes, { batchSize: 2 }), [["a"], ["b", "c"], ["d", "e"]]));

  it("canaries by name, and none", () => {
    assert.deepEqual(batchesOf(nodes, { canary: ["d"], batchSize: 3 }), [["d"], ["a", "b", "c"], ["e"]]);
    assert.deepEqual(batchesOf(nodes, { canary: 0 }), [[], nodes]);
  });

  it("a failing canary lets nobody else start, whatever maxFailures says", async () => {
    const { started, refused } = await play(nodes, { maxFailures: 5 }, new Set(["a"]));
    assert.deepEqual([started, refused.sort()], [["a"], ["b", "c", "d", "e"]]);
  });

  it("a node that never answers delays nobody, as long as failures are allowed", async () => {
    const rollout = new Rollout(nodes, { canary: 0, batchSize: 1, maxFailures: 1 });
    const started: string[] = [];
    for (const node of nodes) {
      void rollout.turn(node).then(() => {
        started.push(node);
        if (node !== "a") {
          setImmediate(() => rollout.ended(node, "ok"));
        }
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(started, nodes);
  });

  it("nodes whose engine may be restarted never work at the same time, and hold up no other", async () => {
    const alone = new Set(["b", "c", "e"]);
    const rollout = new Rollout(nodes, { canary: 0 }, alone);
    const working = new Set<string>();
    let most = 0;
    const started: string[] = [];
    await Promise.all(
      nodes.map(async (node, index) => {
        await rollout.turn(node);
        started.push(node);
        working.add(node);
        most = Math.max(most, [...working].filter((one) => alone.has(one)).length);
        await new Promise((resolve) => setTimeout(resolve, 5));
        working.delete(node);
        rollout.ended(node, index === 1 ? "failed" : "ok");
      }),
    );
    assert.equal(most, 1);
    assert.deepEqual(started, ["a", "b", "d", "c", "e"]);
  });

  it("never starts a batch after more failures than allowed, and always comes to an end", () =>
    fc.assert(
      fc.asyncProperty(
        fc.subarray(nodes),
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 0, max: 3 }),
        async (failing, canary, batchSize, maxFailures) => {
          const fails = new Set(failing);
          const { started, refused } = await play(nodes, { canary, batchSize, maxFailures }, fails);
          assert.deepEqual([...started, ...refused].sort(), nodes);
          const failed = started.filter((node) => fails.has(node) && nodes.indexOf(node) >= canary);
          assert.ok(failed.length <= maxFailures + batchSize);
          if (nodes.slice(0, canary).some((node) => fails.has(node))) {
            assert.deepEqual(started, nodes.slice(0, canary));
          }
          if (failing.length === 0) {
            assert.deepEqual(refused, []);
          }
        },
      ),
    ));

  it("wrong settings are named", () => {
    const paths = (settings: RolloutSettings): string[] =>
      rolloutErrors(nodes, settings).map((one) => one.propertyPath);
    assert.deepEqual(paths({ canary: ["a", "x"], batchSize: 0 }), ["canary[1]", "batchSize"]);
    assert.deepEqual(paths({ canary: -1, maxFailures: 1.5 }), ["canary", "maxFailures"]);
    assert.match(rolloutErrors(nodes, { canary: ["x"] })[0]!.reason, /"x" is no node; nodes are a, b, c, d, e/);
    assert.deepEqual(paths({}), []);
  });
});
