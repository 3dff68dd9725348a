import assert from "node:assert/strict";
import { cpSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkout, environment, run, up } from "./lab";

/** A checkout of the same files in a place of its own, as a CI job has one. */
async function anotherCheckout(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-checkout-"));
  const listed = await run("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
  assert.equal(listed.code, 0, listed.output);
  for (const file of listed.output.split("\0").filter((name) => name !== "" && !name.startsWith("test/"))) {
    cpSync(join(checkout, file), join(folder, file));
  }
  symlinkSync(join(checkout, "node_modules"), join(folder, "node_modules"));
  symlinkSync(realpathSync(join(checkout, ".lab")), join(folder, ".lab"));
  return folder;
}

describe("a deployed stack, from another checkout", () => {
  it("is previewed with no change: nothing in the state says where the first one lies", async () => {
    await up();
    const elsewhere = await anotherCheckout();
    try {
      const { execa } = await import("execa"); // cannot be required: some of its dependencies are ESM only
      // KUBECONFIG, too, lies elsewhere in every CI job.
      const env = { ...(await environment()), KUBECONFIG: join(elsewhere, ".lab/kubeconfig") };
      const args = ["preview", "--non-interactive", "--diff", "--stack", "dev", "--expect-no-changes"];
      const { exitCode, all } = await execa("pulumi", args, { cwd: elsewhere, env, all: true, reject: false });
      assert.equal(exitCode, 0, all);
      const state = await run("pulumi", ["stack", "export", "--stack", "dev"], await environment());
      assert.equal(state.code, 0, state.output);
      assert.ok(!state.output.includes(checkout), "the state names the checkout's folder");
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });
});
