import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import * as components from "../../../components/index";
import { ways } from "../../../components/runners/executors";
import { runnerVersion } from "../../../components/runners/images";
import { stageOf } from "../../stages";

const root = resolve(__dirname, "../../..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");

const withoutCode = (markdown: string): string => markdown.replace(/^ *```[^]*?^ *```/gm, "");

/** What leads to a page's headings, as GitLab makes it of their words. */
function headingsOf(markdown: string): string[] {
  const headings = [...withoutCode(markdown).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
  return headings.map((heading, index) => {
    const before = headings.slice(0, index).filter((other) => other === heading).length;
    return before === 0 ? heading : `${heading}-${before}`;
  });
}

describe("the house", () => {
  it("names one Node.js release everywhere", () => {
    const major = read(".nvmrc").trim();
    const { engines, devDependencies } = JSON.parse(read("package.json")) as {
      engines: { node: string };
      devDependencies: Record<string, string>;
    };
    const example = JSON.parse(read("examples/components/package.json")) as { engines: { node: string } };
    const lab = JSON.parse(read("lab/package.json")) as { engines: { node: string } };
    const said = {
      engines: engines.node,
      example: example.engines.node,
      lab: lab.engines.node,
      node: devDependencies["node"],
      "@types/node": devDependencies["@types/node"],
      CI: /image: node:(\d+)/.exec(read(".gitlab-ci.yml"))?.[1],
      README: /brings Node\.js (\d+)/.exec(read("README.md"))?.[1],
    };
    for (const [where, version] of Object.entries(said)) {
      assert.equal(/\d+/.exec(version ?? "")?.[0], major, where);
    }
  });

  it("names one release of Pulumi for the jobs' image and the lab, whose tests run it", () => {
    const [, release] = /pulumi\/pkg\/v3 v(\S+)/.exec(read("lab/builds/pulumi/go.mod"))!;
    assert.equal(/pulumiVersion = "v(\S+)"/.exec(read("lab/builds/builds.ts"))?.[1], release);
    assert.equal(/BASE=pulumi\/pulumi-nodejs:(\S+)/.exec(read("ci/Dockerfile"))?.[1], release);
  });

  it("names one release of gitlab-runner for the product and the lab's stacks, whose runners are built as that", () => {
    for (const file of ["Pulumi.dev.yaml", "Pulumi.ways.yaml"]) {
      const named = [...read(file).matchAll(/gitlab-runner(?:-helper)?:(\S+)/g)].map(([, release]) => release);
      assert.deepEqual([...new Set(named)], [runnerVersion], file);
    }
  });

  it("lists every word of make, and keeps the contract", () => {
    const makefile = read("Makefile");
    const phony = /^\.PHONY: (.*)$/m.exec(makefile)![1]!.split(" ");
    const listed = [...makefile.matchAll(/^([a-z-]+):.*## /gm)].map(([, word]) => word!);
    assert.deepEqual([...listed].sort(), [...phony].sort());
    const words = "up down status env job test test-long test-one check bench docs format preview new-stack";
    for (const word of words.split(" ")) {
      assert.ok(listed.includes(word), word);
    }
  });

  it("runs every test file in one part of make test", () => {
    const files = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" });
    const tests = files.filter((file) => file.endsWith(".test.ts")).map((file) => join("test", file));
    assert.deepEqual(
      tests.filter((file) => stageOf(file) === undefined),
      [],
    );
    assert.equal(stageOf("test/unit/config/config.test.ts")!.needsLab, undefined);
    assert.equal(stageOf("test/lab/stack/stack.test.ts")!.needsLab, true);
    assert.equal(stageOf("test/elsewhere/x.test.ts"), undefined);
  });

  it("has a line in the list of decisions for every record, and ten at least", () => {
    const records = readdirSync(join(root, "docs/decisions")).filter((file) => /^\d{4}-/.test(file));
    const list = read("docs/decisions/README.md");
    assert.deepEqual(
      records.filter((file) => !list.includes(`(${file})`)),
      [],
    );
    assert.ok(records.length >= 10);
  });

  it("tells of every component, and of every build mode what a job can do, in the README", () => {
    const rows = [...read("README.md").matchAll(/^\| `([\w-]+)`/gm)].map(([, first]) => first!);
    const named = Object.entries(components).filter(
      ([, value]) => typeof value === "function" && value.prototype instanceof pulumi.ComponentResource,
    );
    assert.ok(named.length >= 5);
    for (const name of [...named.map(([key]) => key), ...ways]) {
      assert.ok(rows.includes(name), name);
    }
  });

  it("leads nowhere by a broken link", () => {
    const folders = ["", ...["docs", "lab", "examples", "bench", "ci", "test"].map((folder) => `${folder}/`)];
    const pages = folders.flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: folder !== "", encoding: "utf8" })
        .filter((file) => file.endsWith(".md") && !file.includes("node_modules"))
        .map((file) => folder + file),
    );
    assert.ok(pages.length > 25);
    const broken = pages.flatMap((page) =>
      [...withoutCode(read(page)).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].flatMap(
        ([, file, heading]) => {
          const target = file === "" ? page : relative(root, resolve(root, page, "..", file!));
          const isThere = existsSync(join(root, target));
          const leads = isThere && (heading === undefined || headingsOf(read(target)).includes(heading));
          return leads ? [] : [`${page}: ${file}${heading === undefined ? "" : `#${heading}`}`];
        },
      ),
    );
    assert.deepEqual(broken, []);
  });
});
