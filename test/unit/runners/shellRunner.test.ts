import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "smol-toml";
import { checkShellRunner } from "../../../components/runners/shell/errors";
import { risk } from "../../../components/runners/shell/risk";
import { shellRunnerSettings, type ShellRunnerInput } from "../../../components/runners/shell/settings";
import { shellHostSettings } from "../../../components/runners/shell/shellProgram";
import { unitText } from "../../../components/runners/shell/unit";
import { ca } from "../config/stackFile";

const sum = "0123456789abcdef".repeat(4);
const least: ShellRunnerInput = { name: "pi", way: "shell", url: "https://gitlab.lan" };

/** For every setting a value that is not its default; the compiler asks for one that is missing. */
const others: { [K in keyof ShellRunnerInput]-?: NonNullable<ShellRunnerInput[K]> } = {
  name: "another",
  way: "shell",
  url: "https://gitlab.example",
  serverCa: ca,
  concurrent: 3,
  checkInterval: 9,
  metricsPort: 9300,
  drainTimeout: 60,
  packageVersion: "19.4.0-1",
  binary: "https://example.org/gitlab-runner",
  sha256: sum,
  user: "builder",
  docker: true,
  prune: { every: 30 },
  proxy: { http: "http://proxy.lan:3128" },
  config: { log_level: "debug" },
};

const settingsOf = (more: Partial<ShellRunnerInput> = {}) => shellRunnerSettings.parse({ ...least, ...more });
const onHost = (more: Partial<ShellRunnerInput> = {}) => shellHostSettings(settingsOf(more), "glrt-t", "n1", "o");
const fileOf = (name: string, more: Partial<ShellRunnerInput> = {}): string =>
  onHost(more).files.find(({ path }) => path.endsWith(`/${name}`))!.text;

function errorsOf(more: Partial<ShellRunnerInput>): string {
  const { errors } = checkShellRunner({ ...least, ...more });
  return errors.map(({ propertyPath, reason }) => `${propertyPath}: ${reason}`).join("\n");
}

describe("a runner with the shell executor", () => {
  // What only goes together with another setting.
  const beside: Partial<Record<keyof ShellRunnerInput, Partial<ShellRunnerInput>>> = {
    binary: { sha256: "f".repeat(64) },
    sha256: { binary: "https://example.org/other" },
  };
  for (const key of (Object.keys(others) as (keyof ShellRunnerInput)[]).filter((one) => one !== "way")) {
    it(`uses ${key}`, () => {
      const with_ = { ...beside[key], [key]: others[key] };
      const without = key === "sha256" ? { ...beside[key], sha256: "f".repeat(64) } : {};
      assert.notDeepEqual(onHost(with_), onHost(without));
    });
  }

  it("has its token in config.toml alone, which only root may read", () => {
    const { files, unit, ...rest } = onHost();
    const holding = files.filter(({ text }) => text.includes("glrt-t"));
    assert.deepEqual(
      holding.map(({ path, mode }) => [path, mode]),
      [["/etc/pi-runners/pi/config.toml", "600"]],
    );
    assert.ok(!JSON.stringify([unit, rest]).includes("glrt-t"));
  });

  it("has a folder and logins for each slot, and one identity for each host", () => {
    const config = parse(fileOf("config.toml")) as { runners: Record<string, unknown>[]; listen_address?: string };
    assert.equal(config.runners[0]!["executor"], "shell");
    assert.equal(config.runners[0]!["builds_dir"], "/var/lib/pi-runners/shell_builds/pi/gitlab-runner/builds");
    assert.ok((config.runners[0]!["environment"] as string[])[0]!.startsWith("DOCKER_CONFIG=$CI_PROJECT_DIR.tmp/"));
    // It is a flag of the service, as it needs a restart.
    assert.equal(config.listen_address, undefined);
    assert.match(fileOf(".runner_system_id"), /^r_[0-9a-f]{12}$/);
    assert.notEqual(
      shellHostSettings(settingsOf(), "glrt-t", "n2", "o").files.map(({ text }) => text)[0],
      fileOf(".runner_system_id"),
    );
  });

  it("runs scripts of `config` after its own", () => {
    const config = { runners: [{ pre_get_sources_script: "echo mine", pre_build_script: "echo mine" }] };
    const [runner] = (parse(fileOf("config.toml", { config })) as { runners: Record<string, string>[] }).runners;
    assert.match(runner!["pre_get_sources_script"]!, /unused for long[^]*room for the checkout[^]*\necho mine$/);
    assert.match(runner!["pre_build_script"]!, /pi-runners-docker[^]*\necho mine$/);
  });

  it("removes what nobody used, unless it is switched off, below its own folder", () => {
    const script = (prune?: ShellRunnerInput["prune"]): string =>
      (parse(fileOf("config.toml", { prune })) as { runners: Record<string, string>[] }).runners[0]![
        "pre_get_sources_script"
      ]!;
    assert.ok(script().includes(`builds='${onHost().builds}' `));
    assert.doesNotMatch(script({ enabled: false }), /unused/);
    assert.match(script({ olderThan: 30 }), /echo 24; else echo 30;/);
  });

  it("has an identity with a random id of its own, and a host that has one keeps it", () => {
    const identity = (salt?: string) => {
      const { files } = shellHostSettings(settingsOf(), "glrt-t", "n1", "o", undefined, salt);
      return files.find(({ path }) => path.endsWith("/.runner_system_id"))!;
    };
    assert.equal(new Set([undefined, "1", "2"].map((salt) => identity(salt).text)).size, 3);
    assert.deepEqual(
      onHost().files.map(({ path, keep }) => [path.split("/").at(-1), keep]),
      [
        [".runner_system_id", true],
        ["config.toml", undefined],
      ],
    );
  });

  it("restarts for a program, a port or a user, and for nothing else", () => {
    const marked = (more: Partial<ShellRunnerInput>): boolean => onHost(more).start !== onHost().start;
    assert.ok(marked({ metricsPort: 9300 }) && marked({ user: "builder" }) && marked({ packageVersion: "1" }));
    assert.ok(marked({ binary: "https://example.org/r", sha256: sum }));
    assert.ok(!marked({ concurrent: 9 }) && !marked({ drainTimeout: 60 }) && !marked({ docker: true }));
    assert.ok(!marked({ config: { log_level: "debug" } }) && !marked({ prune: { enabled: false } }));
  });

  it("has a service that drains, and whose jobs are not stopped with it", () => {
    const unit = unitText(settingsOf({ drainTimeout: 600 }));
    assert.match(unit, /^KillMode=mixed$/m);
    assert.match(unit, /^KillSignal=SIGQUIT$/m);
    assert.match(unit, /^TimeoutStopSec=690$/m);
    assert.match(unit, /^Restart=always$/m);
    assert.match(unit, /^ExecStart=.* --listen-address 127\.0\.0\.1:9252$/m);
  });

  it("has shell lines in its unit that a shell takes", () => {
    const scripts = [...unitText(settingsOf()).matchAll(/^Exec\w+=\/bin\/sh -c '(.*)'$/gm)].map(([, text]) => text!);
    assert.equal(scripts.length, 2);
    for (const script of scripts) {
      const ended = spawnSync("sh", ["-n", "-c", script.replaceAll("$$", "$").replaceAll("%%", "%")], {
        encoding: "utf8",
      });
      assert.equal(ended.stderr, "", script);
    }
  });

  it("says of its jobs what they can do", () => {
    assert.equal(risk({ docker: false }).level, "host-user");
    assert.equal(risk({ docker: true }).level, "node-root");
  });

  it("refuses what cannot be, with what would be right", () => {
    assert.equal(errorsOf({}), "");
    assert.match(errorsOf({ binary: "https://example.org/r" }), /^sha256: is missing; .*checksum/);
    assert.match(errorsOf({ sha256: sum }), /^sha256: belongs to a binary/);
    assert.match(errorsOf({ binary: "https://example.org/r", sha256: "abc" }), /^sha256: "abc" is no SHA-256/);
    assert.match(errorsOf({ binary: "ftp://example.org/r", sha256: sum }), /^binary: .*neither http/);
    assert.match(errorsOf({ binary: "/nowhere/gitlab-runner" }), /^binary: \/nowhere\/gitlab-runner is no file/);
    assert.match(errorsOf({ binary: "https://e.org/r", sha256: sum, packageVersion: "1" }), /^packageVersion: belongs/);
    assert.match(
      errorsOf({ prune: { image: "docker:cli" } as object }),
      /^prune\.image: no such key; known here: enabled,/,
    );
    assert.match(errorsOf({ prune: { olderThan: 1 } }), /^prune\.olderThan: must be at least 24/);
    assert.match(errorsOf({ user: "root" }), /^user: jobs of root own the host/);
    assert.match(errorsOf({ user: "a b" }), /^user: "a b" is no user name/);
    assert.match(errorsOf({ name: "Pi" }), /^name: "Pi" is no DNS label/);
    assert.match(errorsOf({ config: { user: "me" } }), /^config\.user: has a setting of its own/);
    assert.match(errorsOf({ config: { runners: [{ builds_dir: "/b" }] } }), /^config\.runners\[0\]\.builds_dir: /);
    assert.match(errorsOf({ config: { runners: [{ docker: {} }] } }), /^config\.runners\[0\]\.docker: is for another/);
  });

  it("takes the checksum of a file on this machine from the file", () => {
    const folder = mkdtempSync(join(tmpdir(), "pi-runners-test-"));
    try {
      writeFileSync(join(folder, "runner"), "abc");
      const { binary } = onHost({ binary: join(folder, "runner") });
      assert.equal(binary!.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
      assert.equal(binary!.path, "/usr/local/lib/pi-runners/gitlab-runner-ba7816bf8f01cfea");
      assert.equal(binary!.url, undefined);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
