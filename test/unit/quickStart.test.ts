import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(__dirname, "../..");

describe("quickStart", () => {
  it("lets an error in a TypeScript program name its own line, under Pulumi's hooks", () => {
    const folder = mkdtempSync(join(tmpdir(), "pi-runners-start-"));
    try {
      const program = join(folder, "index.ts");
      writeFileSync(
        program,
        'interface A {\n  a: number;\n}\n\nconst a: A = { a: 1 };\nthrow new Error("no" + a.a);\n',
      );
      const start = [
        'require("source-map-support/register")',
        `require(${JSON.stringify(join(root, "quickStart.cjs"))})`,
        'require("tsx/cjs")',
        `require(${JSON.stringify(program)})`,
      ].join(";");
      const { stderr } = spawnSync(process.execPath, ["-e", start], { cwd: root, encoding: "utf8" });
      assert.match(stderr, /index\.ts:6:7/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("has a job's preview started without Pulumi's library, which takes longer to load than all else", () => {
    const start = 'require("tsx/cjs"); require("./ci/preview.ts"); console.log(Object.keys(require.cache).join("\\n"))';
    const { stdout, stderr } = spawnSync(process.execPath, ["-e", start], { cwd: root, encoding: "utf8" });
    assert.match(stdout, /ci\/preview\.ts/, stderr);
    assert.doesNotMatch(stdout, /node_modules\/@(pulumi|kubernetes)\//);
  });
});
