import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

const root = resolve(__dirname, "../../..");

interface Package {
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

interface LockFile {
  packages: Record<string, Package & { dev?: boolean; link?: boolean; resolved?: string }>;
}

interface Cruise {
  summary: { violations: { from: string; to: string; rule: { name: string } }[] };
}

function read<T>(file: string): T {
  return JSON.parse(readFileSync(join(root, file), "utf8")) as T;
}

/** A small project with the rooms of ours: what .dependency-cruiser.cjs says of these files. */
function violations(files: Record<string, string | object>): string[] {
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-imports-"));
  try {
    for (const [file, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), typeof content === "string" ? content : JSON.stringify(content));
    }
    const config = join(root, ".dependency-cruiser.cjs");
    const { stdout, stderr } = spawnSync(
      join(root, "node_modules/.bin/depcruise"),
      ["--config", config, "--output-type", "json", "components", "lab"],
      { cwd: folder, encoding: "utf8" },
    );
    assert.ok(stdout.startsWith("{"), stderr);
    const { summary } = JSON.parse(stdout) as Cruise;
    return summary.violations.map(({ from, to, rule }) => `${from} ${to.split("/")[1] ?? to} ${rule.name}`).sort();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("dependencies", () => {
  const product = read<Package>("package.json");
  const lab = read<Package>("lab/package.json");
  const lock = read<LockFile>("package-lock.json");

  it("of the lab are none of those who only deploy", () => {
    const ofProduct = Object.keys(product.dependencies!);
    const onlyLab = Object.keys(lab.devDependencies!).filter((name) => !ofProduct.includes(name));
    assert.equal(lab.dependencies, undefined, "npm ci --omit=dev would install them");
    assert.ok(onlyLab.includes("fastify"));
    // What a library of those who deploy needs itself is theirs too.
    const deployed = Object.values(lock.packages).filter(({ dev }) => dev !== true);
    const needed = new Set(deployed.flatMap(({ dependencies = {} }) => Object.keys(dependencies)));
    for (const name of onlyLab.filter((one) => !needed.has(one))) {
      assert.equal(lock.packages[`node_modules/${name}`]?.dev, true, name);
    }
  });

  it("are in the lock file as both packages name them, in one range each, and no place to get them from", () => {
    const named = { ...product.dependencies, ...product.devDependencies };
    for (const [name, range] of Object.entries(lab.devDependencies!)) {
      assert.equal(named[name] ?? range, range, `${name}: package.json and lab/package.json differ`);
    }
    assert.deepEqual(lock.packages["lab"]!.devDependencies, lab.devDependencies);
    const elsewhere = Object.values(lock.packages).filter(({ link, resolved }) => !link && resolved !== undefined);
    assert.deepEqual(elsewhere, [], "resolved names where one machine got it; leave it to the user's npm");
  });

  it("are refused where they are used and not named", function () {
    this.timeout(60_000); // it starts a program that loads TypeScript
    const library = (name: string): Record<string, string | object> => ({
      [`node_modules/${name}/package.json`]: { name, version: "1.0.0", main: "index.js" },
      [`node_modules/${name}/index.js`]: "",
    });
    const found = violations({
      "package.json": { name: "product", dependencies: { deployed: "1" }, devDependencies: { tool: "1" } },
      "lab/package.json": { name: "lab", devDependencies: { only: "1", tool: "1" } },
      "tsconfig.json": { compilerOptions: { module: "nodenext", moduleResolution: "nodenext" } },
      ...library("deployed"),
      ...library("tool"),
      ...library("only"),
      "components/good.ts": 'import "deployed"; import "node:fs";',
      "components/lab.ts": 'import "only";',
      "components/tool.ts": 'import type { Tool } from "tool"; export type { Tool };',
      "components/missing.ts": 'import "nowhere";',
      "lab/good.ts": 'import "only"; import "../components/good"; require.resolve("tool");',
      "lab/product.ts": 'import "deployed";',
      "lab/resolved.ts": 'require.resolve("deployed");',
    });
    assert.deepEqual(found, [
      "components/lab.ts only not-in-package-json",
      "components/missing.ts nowhere not-in-package-json",
      "components/tool.ts tool deployed-without-it",
      "lab/product.ts deployed not-in-package-json",
      "lab/resolved.ts deployed not-in-package-json",
    ]);
  });
});
