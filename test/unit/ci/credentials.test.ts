import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseAllDocuments } from "yaml";

const project = join(__dirname, "../../..");

/** The first job of a component, with inputs that do not matter here. */
function scriptOf(component: string): string[] {
  const text = readFileSync(join(project, `templates/${component}.yml`), "utf8").replace(/\$\[\[.*?\]\]/g, "x");
  const [, jobs] = parseAllDocuments(text).map((document) => document.toJS() as Record<string, unknown>);
  return (Object.values(jobs!)[0] as { before_script: string[] }).before_script;
}

/** What GitLab gives a job on a host that others share, and a place for all that the job leaves. */
function sharedHost(): { root: string; home: string; files: string; env: Record<string, string | undefined> } {
  const root = mkdtempSync(join(tmpdir(), "pi-runners-job-"));
  // The files of variables are beside the checkout.
  const [home, files] = [join(root, "home of o'brien"), join(root, "check out.tmp")];
  [home, files].forEach((folder) => mkdirSync(folder));
  const env = {
    PATH: process.env["PATH"],
    HOME: home,
    CI_PROJECT_DIR: join(root, "check out"),
    CI_SHARED_ENVIRONMENT: "true",
    CI_JOB_TIMEOUT: "3600",
  };
  return { root, home, files, env };
}

function job(env: Record<string, string | undefined>, shell: string, ...lines: string[]) {
  const script = [...scriptOf("preview"), ...lines].join("\n");
  return spawnSync(shell, ["-ec", script], { cwd: project, env, encoding: "utf8" });
}

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map(({ name }) => name);

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
    ["a key with the line ends of Windows", true],
    ["a key with a passphrase", false],
    ["a key that is none", false],
  ] as const) {
    for (const shell of ["bash", "dash"]) {
      it(`leaves nothing on a host that other jobs share, neither in the user's home: ${key}, ${shell}`, async () => {
        const { root, home, files, env } = sharedHost();
        try {
          const file = join(files, "PI_RUNNERS_SSH_KEY");
          const passphrase = key.endsWith("passphrase") ? "a passphrase" : "";
          spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", passphrase, "-f", file]);
          rmSync(`${file}.pub`);
          if (key.endsWith("Windows")) {
            writeFileSync(file, readFileSync(file, "utf8").trimEnd().replaceAll("\n", "\r\n"));
          } else if (key.endsWith("none")) {
            writeFileSync(file, "no key");
          }
          writeFileSync(join(files, "KUBECONFIG"), "a token");
          writeFileSync(join(files, "PI_RUNNERS_KNOWN_HOSTS"), "pi1 ssh-ed25519 AAAA\n");
          const given = Object.fromEntries(readdirSync(files).map((name) => [name, join(files, name)]));
          const more = { ...given, PULUMI_ACCESS_TOKEN: "pul-token", SSH_AUTH_SOCK: "/an/agent/of/the/host" };
          const lines = [
            "echo $SSH_AUTH_SOCK",
            'ssh-add -l; [ ! -e "$PI_RUNNERS_SSH_KEY" ] || echo the key is there',
            'cat "$KUBECONFIG"; touch "$PULUMI_CREDENTIALS_PATH/credentials.json"; exit 2',
          ];
          const { status, stdout, stderr } = job({ ...env, ...more }, shell, ...lines);
          assert.equal(status, goes ? 2 : 1, stderr);
          assert.match(stdout, goes ? /^\/\S+\n256 SHA256:\S+ .*\na token$/ : /^$/);
          assert.match(stderr, goes ? /^$/ : /PI_RUNNERS_SSH_KEY holds no private key that can be used/);
          assert.deepEqual(filesBelow(home), []);
          // The agent takes its socket away once it has got the signal.
          const socket = stdout.split("\n", 1)[0]!;
          for (let tries = 0; goes && existsSync(socket) && tries < 20; tries++) {
            await sleep(100);
          }
          assert.equal(goes && existsSync(socket), false, "the agent has ended");
          const stays = goes ? [] : ["PI_RUNNERS_SSH_KEY"]; // which GitLab removes, as ever when a script fails
          assert.deepEqual(filesBelow(files), [...stays, "PI_RUNNERS_KNOWN_HOSTS"].sort());
        } finally {
          rmSync(root, { recursive: true, force: true });
        }
      });
    }
  }

  for (const name of ["PI_RUNNERS_SSH_KEY", "KUBECONFIG", "PI_RUNNERS_KNOWN_HOSTS"]) {
    it(`says that ${name} is to be a file where it is a plain variable, and not what is in it`, () => {
      const { root, env } = sharedHost();
      try {
        const text =
          "apiVersion: v1\n-----BEGIN OPENSSH PRIVATE KEY-----\nthe-key\n-----END OPENSSH PRIVATE KEY-----\n";
        const { status, stdout, stderr } = job({ ...env, [name]: text }, "bash");
        assert.equal(status, 1);
        assert.equal(stdout, "");
        assert.match(stderr, new RegExp(`^${name} .*: make it a variable of type file\\.\\n$`));
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    });
  }

  for (const shell of ["bash", "dash"]) {
    it(`leaves nothing where it is cancelled, of a list of kubeconfigs, and keeps what is not GitLab's: ${shell}`, () => {
      const { root, files, env } = sharedHost();
      try {
        const own = join(root, "own");
        const listed = [join(files, "A"), "/is/missing", join(files, "B"), own];
        [listed[0]!, listed[2]!, own].forEach((file) => writeFileSync(file, "a token"));
        const more = { KUBECONFIG: listed.join(":"), CI_JOB_TIMEOUT: "0" };
        const { status, stderr } = job({ ...env, ...more }, shell, "kill $$; sleep 1");
        assert.notEqual(status, 0, stderr);
        assert.deepEqual(filesBelow(files), []);
        assert.equal(existsSync(own), true);
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    });
  }

  it("gives its key to no other agent where its own does not start", () => {
    const { root, files, env } = sharedHost();
    try {
      const programs = join(root, "programs");
      mkdirSync(programs);
      writeFileSync(join(programs, "ssh-agent"), "#!/bin/sh\nexit 3\n", { mode: 0o755 });
      writeFileSync(join(programs, "ssh-add"), `#!/bin/sh\ntouch '${root}/added'\n`, { mode: 0o755 });
      writeFileSync(join(files, "key"), "a key");
      const PATH = `${programs}:${env["PATH"]}`;
      const more = { PI_RUNNERS_SSH_KEY: join(files, "key"), SSH_AUTH_SOCK: "/another", SSH_AGENT_PID: "1" };
      const { status, stdout } = job({ ...env, ...more, PATH }, "bash", "echo went on");
      assert.equal(status, 1);
      assert.equal(stdout, "");
      assert.equal(existsSync(join(root, "added")), false);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});
