/** Folders of tests that need no other end than that of the run. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const made: string[] = [];

/** A new folder, gone when the process of the tests ends. */
export function temporaryFolder(): string {
  if (made.length === 0) {
    process.once("exit", () => made.forEach((folder) => rmSync(folder, { recursive: true, force: true })));
  }
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-test-"));
  made.push(folder);
  return folder;
}
