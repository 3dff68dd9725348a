/** GitLab Runner's own images, where this machine can pull them; the lab builds its own otherwise. */
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../engine/engine";
import { imageFiles } from "../machine/places";
import { has } from "./debian";

type Say = (line: string) => void;

const aDay = 24 * 3600 * 1000;

/** Notes for a day that an image cannot be pulled, so that not every `up` waits for a registry that is out of reach. */
const unreachable = (official: string): string => join(imageFiles, `unreachable-${official.replaceAll(/[/:]/g, "-")}`);

/** Whether the official image is there under the lab's name for it. */
export async function pulled(engine: Engine, official: string, alias: string, say: Say): Promise<boolean> {
  const note = unreachable(official);
  if (!(await has(engine, official))) {
    if (existsSync(note) && Date.now() - statSync(note).mtimeMs < aDay) {
      return false;
    }
    say(`trying to pull ${official}`);
    if (!(await engine.attempt(["pull", "--quiet", official], { timeout: 300_000 })).ok) {
      mkdirSync(imageFiles, { recursive: true });
      writeFileSync(note, "This image could not be pulled; tried again a day later.\n");
      return false;
    }
  }
  rmSync(note, { force: true });
  await engine.run(["tag", official, alias]);
  return true;
}

/** One line for people: which of the two the lab uses. */
export const sourceOf = (official: string): string =>
  existsSync(unreachable(official))
    ? "built from its module, some features left out (lab/README.md)"
    : `official, ${official}`;
