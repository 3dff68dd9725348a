/** A folder for one run of the bench, gone at its end. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { whenDone } from "./stops";

let root: string | undefined;

/** A new folder with this name, below the run's own. */
export function scratch(name: string): string {
  root ??= makeRoot();
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

function makeRoot(): string {
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-bench-"));
  whenDone(folder, () => Promise.resolve(rmSync(folder, { recursive: true, force: true })));
  return folder;
}
