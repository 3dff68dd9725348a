/** Layers that the daemon of a job leaves to the next one of its project, and to nobody else. */
import assert from "node:assert/strict";
import { build, cachedSteps, dockerWays, endOf, EngineStack, only, startJobs, type RunnerEntry } from "./engineStack";

const ways = ["dind", "dind-job", "dind-plain"] as const;
const nameOf = (way: string): string => `kept-${way}`;
const runners: RunnerEntry[] = ways.map((way) => ({
  name: nameOf(way),
  ...dockerWays[way],
  concurrent: 2,
  ...only(1),
}));

/** A daemon keeps its id with its layers, so it tells one volume from another. */
const tellId = "docker info --format 'daemon={{.ID}}'";
const idOf = (trace: string): string => /daemon=([\w:-]{8,})/.exec(trace)?.[1] ?? `none in ${trace}`;

describe("layers that the daemon of a job keeps", function () {
  this.timeout(600_000);
  let stack: EngineStack;

  before(async () => {
    stack = await EngineStack.of("kept", runners);
    await stack.up(runners);
  });
  after(() => stack?.destroy());

  for (const way of ways) {
    const runner = nameOf(way);
    const idsOf = async (project: string, jobs: string[]): Promise<string[]> => {
      const script = [tellId, "sleep 20"];
      const ended = await endOf(await startJobs(runner, project, Object.fromEntries(jobs.map((job) => [job, script]))));
      for (const { status, trace } of ended) {
        assert.equal(status, "success", trace);
      }
      return ended.map(({ trace }) => idOf(trace));
    };

    it(`${way}: a second build pulls no layer`, async () => {
      const cold = await build(runner, `${way}-one`, "one");
      assert.equal(cold.status, "success", cold.trace);
      assert.ok(cold.pulled > 0, "the registry's log shows what a cold daemon pulls");
      const warm = await build(runner, `${way}-one`, "two");
      assert.equal(warm.status, "success", warm.trace);
      assert.equal(warm.pulled, 0);
      assert.ok(cachedSteps(warm.trace) >= 1, warm.trace);
    });

    it(`${way}: jobs at the same time have a daemon each with layers of its own, and other projects others`, async () => {
      const atOnce = await idsOf(`${way}-one`, ["a", "b"]);
      assert.equal(new Set(atOnce).size, 2, atOnce.join(" "));
      const [again] = await idsOf(`${way}-one`, ["a"]);
      assert.ok(atOnce.includes(again!), `${again} is one of ${atOnce.join(" ")}`);
      const [other] = await idsOf(`${way}-two`, ["a"]);
      assert.ok(!atOnce.includes(other!), `${other} is none of ${atOnce.join(" ")}`);
      const cold = await build(runner, `${way}-two`, "one");
      assert.ok(cold.pulled > 0, "another project finds none of the layers");
    });
  }
});
