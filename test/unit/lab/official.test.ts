/** Which images of GitLab Runner the lab takes, by an engine that only says what it is asked for. */
import assert from "node:assert/strict";
import { rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../../../lab/engine/engine";
import { pulled, sourceOf } from "../../../lab/images/official";
import { imageFiles } from "../../../lab/machine/places";

const official = `tried.invalid/runner-${process.pid}:1`;
const note = join(imageFiles, `unreachable-${official.replaceAll(/[/:]/g, "-")}`);

/** An engine that has the image, or can pull it, or neither. */
function engineWith(has: boolean, canPull: boolean): { engine: Engine; asked: string[] } {
  const asked: string[] = [];
  const attempt = (args: string[]): Promise<{ ok: boolean; stdout: string; stderr: string }> => {
    const ok = args[0] === "pull" ? canPull : has;
    asked.push(args[0]!);
    return Promise.resolve({ ok, stdout: "", stderr: "" });
  };
  const run = (args: string[]): Promise<string> => {
    asked.push(args.join(" "));
    return Promise.resolve("");
  };
  return { engine: { attempt, run } as unknown as Engine, asked };
}

const take = (engine: Engine): Promise<boolean> => pulled(engine, official, "lab/runner:1", () => undefined);

describe("the runner's own images", () => {
  afterEach(() => rmSync(note, { force: true }));

  it("are taken where they can be pulled, and the lab says so", async () => {
    const { engine, asked } = engineWith(false, true);
    assert.equal(await take(engine), true);
    assert.deepEqual(asked.slice(-2), ["pull", `tag ${official} lab/runner:1`]);
    assert.equal(sourceOf(official), `official, ${official}`);
  });

  it("are not asked for again for a day where they cannot, and the lab says what it has instead", async () => {
    const first = engineWith(false, false);
    assert.equal(await take(first.engine), false);
    assert.match(sourceOf(official), /^built from its module, some features left out/);
    const next = engineWith(false, true);
    assert.equal(await take(next.engine), false);
    assert.ok(!next.asked.includes("pull"));
    const before = new Date(Date.now() - 25 * 3600 * 1000);
    utimesSync(note, before, before);
    assert.equal(await take(next.engine), true, "a day later");
  });

  it("are taken at once where somebody has brought them to the engine meanwhile", async () => {
    assert.equal(await take(engineWith(false, false).engine), false);
    assert.equal(await take(engineWith(true, false).engine), true);
    assert.match(sourceOf(official), /^official/);
  });
});
