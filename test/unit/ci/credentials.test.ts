import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

  for (const [key, goes] of [
    ["a key", true],
    ["a key that is refused", false],
  ] as const) {
    it(`leaves nothing on a host that other jobs share, neither in the user's home: ${key}`, () => {
      const root = mkdtempSync(join(tmpdir(), "pi-runners-job-"));
      const [home, scratch, file] = [join(root, "home"), join(root, "scratch of jobs"), join(root, "key")];
      try {
        [home, scratch].forEach((folder) => mkdirSync(folder));
        spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
        if (!goes) {
          writeFileSync(file, "no key", { mode: 0o600 });
        }
        writeFileSync(join(root, "known"), "pi1 ssh-ed25519 AAAA\n");
        const env = {
          PATH: process.env["PATH"],
          HOME: home,
          TMPDIR: scratch,
          CI_SHARED_ENVIRONMENT: "true",
          PULUMI_ACCESS_TOKEN: "pul-token",
          SSH_AUTH_SOCK: "/an/agent/of/the/host",
          PI_RUNNERS_SSH_KEY: file,
          PI_RUNNERS_KNOWN_HOSTS: join(root, "known"),
        };
        const script = [...scriptOf("preview"), "ssh-add -l; ls $PULUMI_CREDENTIALS_PATH; exit 2"].join("\n");
        const job = spawnSync("bash", ["-eo", "pipefail", "-c", script], { cwd: project, env, encoding: "utf8" });
        assert.equal(job.status, goes ? 2 : 1, job.stderr);
        assert.match(job.stdout, goes ? /^256 SHA256:\S+ .*\n$/ : /^$/);
        assert.deepEqual(readdirSync(home), []);
        // The agent takes its socket away once it has got the signal.
        spawnSync("sh", ["-c", 'for i in 1 2 3 4 5 6 7 8 9; do [ "$(ls -A "$0")" ] && sleep 0.2; done', scratch]);
        assert.deepEqual(readdirSync(scratch), []);
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    });
  }
});
