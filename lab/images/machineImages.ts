/**
 * Images of the lab in the machine's own Docker. `down` leaves none of them there: it puts them into the cache, from which
 * the next `up` takes them back. (In the lab's own Docker they stay where they are: all its data is cache.)
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../engine/engine";
import { imageFiles, label } from "../machine/places";

type Say = (line: string) => void;

const prefix = "machine-";

/** References of the lab's images, with their ids. */
async function references(engine: Engine): Promise<string[]> {
  const format = "{{.Repository}}:{{.Tag}} {{.ID}}";
  const listed = await engine.run(["image", "ls", "--no-trunc", "--filter", "reference=pi-lab/*", "--format", format]);
  return listed.split("\n").filter(Boolean).sort();
}

export async function stowImages(engine: Engine, say: Say): Promise<void> {
  const listed = await references(engine);
  const names = listed.map((line) => line.split(" ")[0] ?? "");
  if (names.length > 0) {
    const key = createHash("sha256").update(listed.join("\n")).digest("hex").slice(0, 12);
    await save(engine, join(imageFiles, `${prefix}${key}.tar`), names, say);
    await engine.attempt(["image", "rm", "--force", ...names]);
  }
  await engine.attempt(["image", "prune", "--force", "--filter", `label=${label}`]);
}

async function save(engine: Engine, file: string, names: string[], say: Say): Promise<void> {
  if (existsSync(file)) {
    return;
  }
  say(`keeping ${names.length} images in the cache`);
  mkdirSync(imageFiles, { recursive: true });
  for (const old of stowed()) {
    rmSync(old);
  }
  await engine.run(["save", "--output", `${file}.part`, ...names]);
  renameSync(`${file}.part`, file);
}

const stowed = (): string[] =>
  existsSync(imageFiles)
    ? readdirSync(imageFiles)
        .filter((name) => name.startsWith(prefix))
        .map((name) => join(imageFiles, name))
    : [];

/** Takes back what the last `down` put away, where the machine's Docker has no image of the lab. */
export async function unstowImages(engine: Engine, say: Say): Promise<void> {
  const file = stowed().find((name) => name.endsWith(".tar"));
  if (engine.own || !file || (await references(engine)).length > 0) {
    return;
  }
  say("loading images from the cache");
  await engine.attempt(["load", "--quiet", "--input", file]);
}
