import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

const project = join(__dirname, "../../..");

/** The first job of a component, with inputs that do not matter here. */
function scriptOf(component: string): string[] {
  const text = readFileSync(join(project, `templates/${component}.yml`), "utf8").replace(/\$\[\[.*?\]\]/g, "x");
  const [, jobs] = parseAllDocuments(text).map((document) => document.toJS() as Record<string, unknown>);
  return (Object.values(jobs!)[0] as { before_script: string[] }).before_script;
}

describe("a job about stacks", () => {
  for (const component of ["preview", "deploy", "drift"]) {
    it(`ends where its credentials cannot be made usable, and not as if there were changes: ${component}`, () => {
      const home = mkdtempSync(join(tmpdir(), "pi-runners-job-"));
      const script = [...scriptOf(component), "echo went on"].join("\n");
      const env = { PATH: process.env["PATH"], HOME: home, PI_RUNNERS_KNOWN_HOSTS: join(home, "is-missing") };
      try {
        for (const cwd of [project, home]) {
          const { status, stdout } = spawnSync("bash", ["-eo", "pipefail", "-c", script], {
            cwd,
            env,
            encoding: "utf8",
          });
          assert.equal(status, 1, stdout);
          assert.doesNotMatch(stdout, /went on/);
        }
      } finally {
        rmSync(home, { recursive: true, force: true });
      }
    });
  }
});
