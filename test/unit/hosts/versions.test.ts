/** What the program on nodes does and says for single versions of Docker that the lab's nodes do not have. */
import assert from "node:assert/strict";
import { Python } from "./python";

describe("versions of Docker", () => {
  const python = new Python(__dirname);
  after(() => python.end());
  const mayReload = (version: string, mirrored: boolean, restartAllowed = false): Promise<boolean> =>
    python.call("versions", "may_reload", version, mirrored, restartAllowed);
  const warnings = async (version: string, how: string, want: object, driver = ""): Promise<string> =>
    (
      await python.call<string[]>("versions", "warnings", version, how, [{ address: "a.lan:5000", ...want }], driver)
    ).join("\n");

  it("those that forget insecure registries at a reload beside mirrors are restarted, where that is allowed, or left alone", async () => {
    for (const version of ["23.0.0", "23.0.6", "24.0.0"]) {
      assert.equal(await mayReload(version, true, true), false, version);
      assert.equal(await mayReload(version, false), true, version);
      await assert.rejects(
        mayReload(version, true),
        new RegExp(`Docker ${version} forgets insecure registries at a reload`),
      );
    }
    for (const version of ["20.10.24", "24.0.1", "26.1.5", "29.9.0"]) {
      assert.equal(await mayReload(version, true), true, version);
    }
  });

  it("with containerd's image store, before 29.5, a warning says that requests for tokens ignore trust", async () => {
    const store = "io.containerd.snapshotter.v1";
    assert.match(
      await warnings("28.5.2", "none", { insecure: true }, store),
      /ignores this trust for token requests; 29\.5\.0/,
    );
    assert.equal(await warnings("29.5.0", "none", { insecure: true }, store), "");
    assert.equal(await warnings("28.5.2", "none", { insecure: true }), "");
  });

  it("what BuildKit inside Docker learns of a change is said by version", async () => {
    assert.match(await warnings("20.10.24", "reload", { ca: "x" }), /reads CAs only when Docker starts/);
    assert.equal(await warnings("20.10.24", "restart", { ca: "x" }), "");
    assert.match(await warnings("20.10.24", "reload", { insecure: true }), /need http:\/\/a\.lan:5000 in that list/);
    assert.match(await warnings("24.0.9", "reload", { ca: "x" }), /Docker 24\.0\.9 .* has not been tried/);
    assert.match(await warnings("29.9.0", "reload", { insecure: true }), /for some minutes/);
    assert.equal(await warnings("29.9.0", "none", { insecure: true }), "", "nothing changed");
  });
});
