/** A checkout apart from the one that tests and benches run in, for stacks of their own whose files Pulumi writes. */
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProjectInput } from "../gitlab/client";
import { checkout, stateLink } from "../machine/places";
import { run } from "../machine/processes";

/** Paths of what is in git, or would be with the next commit; not the tests. */
async function listed(): Promise<string[]> {
  const output = await run("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], { cwd: checkout });
  return output.split("\0").filter((path) => path !== "" && !path.startsWith("test/"));
}

/** Makes one; it has the libraries and the lab of this one. The function that it comes with removes it. */
export async function ownCheckout(): Promise<{ folder: string; remove: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-checkout-"));
  for (const file of await listed()) {
    cpSync(join(checkout, file), join(folder, file));
  }
  symlinkSync(join(checkout, "node_modules"), join(folder, "node_modules"));
  symlinkSync(realpathSync(stateLink), join(folder, ".lab"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** What a project at the stand-in holds that users would have made of this one; its stack files are left out. */
export async function projectFiles(): Promise<ProjectInput["files"]> {
  const wanted = (await listed()).filter((path) => !/^(lab|bench|docs|examples)\/|^Pulumi\.\w+\.yaml$/.test(path));
  return Object.fromEntries(
    wanted.map((path) => [
      path,
      { content: readFileSync(join(checkout, path)).toString("base64"), encoding: "base64" },
    ]),
  );
}
