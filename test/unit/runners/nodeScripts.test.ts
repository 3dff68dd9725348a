import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { engineSocket } from "../../../components/runners/docker/engineSocket";
import { folderScript } from "../../../components/runners/docker/folderScript";
import { innerDaemonFiles } from "../../../components/runners/docker/innerDaemon";
import { cleanupScript } from "../../../components/runners/docker/cleanupScript";
import { asRoot } from "../../../hosts/asRoot";
import { systemId } from "../../../components/runners/identity";
import { startScript } from "../../../components/runners/docker/managerScripts";
import { drainScript } from "../../../components/runners/manager/scripts";
import { settingsOf } from "./settings";
import { command, run } from "./shell";
import { temporaryFolder } from "../../temporaryFolder";

const socket = "/var/run/docker.sock";
const folder = "/var/lib/pi-runners/ci/builder";
const apt = "/var/lib/docker";
const snap = "/var/snap/docker/common/var-lib-docker";

/** The folders of a pod, as a test has them. */
interface Pod {
  root: string;
  /** The node's folder of the runner, as the init container sees it. */
  node: string;
  snaps: string;
  files: string;
  state: string;
  config: string;
  bin: string;
}

/** A pod on a node whose Docker has its data in `dockerRoot` and these containers. */
function podOn(dockerRoot: string, containers: string[] = []): Pod {
  const root = temporaryFolder();
  const names = ["node", "snaps", "files", "state", "config", "bin", "run"] as const;
  const pod = { root, ...Object.fromEntries(names.map((name) => [name, join(root, name)])) } as Pod & { run: string };
  for (const name of names) {
    mkdirSync(pod[name]);
  }
  const list = JSON.stringify(containers.map((id) => ({ Id: id, ImageID: `sha256:${id}` })));
  command(
    pod.bin,
    "curl",
    `echo "$*" >>${root}/asked
    case "$*" in
      *docker/info*) echo '{"ID":"x","DockerRootDir":"${dockerRoot}","Driver":"overlay2"}' ;;
      *containers/json*) echo '${list}' ;;
    esac`,
  );
  command(pod.bin, "gitlab-runner", `echo "$*" >${root}/runner`);
  return pod;
}

/** Runs a script of the pod in the test's folders. */
function runIn(pod: Pod, script: string): { status: number; output: string } {
  const here = script
    .replaceAll("/node-snap", pod.snaps)
    .replaceAll(/\/node(?![-\w])/g, pod.node)
    .replaceAll("/files", pod.files)
    .replaceAll("/etc/gitlab-runner", pod.state)
    .replaceAll("/config/config.toml", `${pod.config}/config.toml`)
    .replaceAll(`ln -sf "$socket" ${socket}`, `ln -sf "$socket" ${pod.root}/run/docker.sock`);
  const env = { PATH: `${pod.bin}:${process.env["PATH"]!}`, NODE_NAME: "pi-1", RUNNER_POOL: "ci/builder" };
  return run(["sh"], here, env);
}

function prepare(pod: Pod, files: Record<string, string> = {}): string {
  spawnSync("rm", ["-rf", pod.files]);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(pod.files, path, ".."), { recursive: true });
    writeFileSync(join(pod.files, path), content);
  }
  const { status, output } = runIn(pod, folderScript(settingsOf("dood"), Object.keys(files)));
  assert.equal(status, 0, output);
  return output;
}

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe("the folder of a runner on the node", () => {
  const pem = "-----BEGIN CERTIFICATE-----\n";
  const plain = { address: "plain.lan:5000", insecure: true };

  it("is closed to the node's other users, also one that was open [8.30]", () => {
    const pod = podOn(apt);
    chmodSync(pod.node, 0o755);
    prepare(pod);
    assert.equal(modeOf(pod.node), "700");
    assert.equal(readFileSync(join(pod.state, "node-folder"), "utf8"), `${folder}\n`);
    assert.deepEqual(readdirSync(pod.snaps), []);
  });

  it("is below the snap's own data where the engine says that it is one [8.11]", () => {
    const pod = podOn(snap);
    const files = innerDaemonFiles({ registries: [plain] });
    prepare(pod, files);
    const here = join(pod.snaps, "docker/common/pi-runners/ci/builder");
    assert.equal(modeOf(here), "700");
    assert.equal(readFileSync(join(here, "docker/daemon.json"), "utf8"), files["daemon.json"]);
    const told = readFileSync(join(pod.state, "node-folder"), "utf8");
    assert.equal(told, "/var/snap/docker/common/pi-runners/ci/builder\n");
    assert.deepEqual(readdirSync(pod.node), []);
  });

  it("has files that appear, are written only when they differ, and go when the registry goes", () => {
    const pod = podOn(apt);
    const one = innerDaemonFiles({ registries: [plain, { address: "signed.lan:443", ca: pem }] });
    prepare(pod, one);
    const daemon = join(pod.node, "docker/daemon.json");
    const ca = join(pod.node, "docker/certs.d/signed.lan:443/pi-runners.crt");
    assert.equal(readFileSync(daemon, "utf8"), one["daemon.json"]);
    assert.equal(readFileSync(ca, "utf8"), pem);

    const before = statSync(daemon);
    prepare(pod, one);
    const after = statSync(daemon);
    assert.equal(after.mtimeMs, before.mtimeMs);
    assert.equal(after.ino, before.ino);

    prepare(pod, innerDaemonFiles({ registries: [plain] }));
    assert.deepEqual(readdirSync(join(pod.node, "docker/certs.d")), []);
    assert.deepEqual(readdirSync(join(pod.node, "docker")).sort(), ["certs.d", "daemon.json"]);
  });

  it("is healed of the folders that Docker makes in place of missing files, and of files in place of folders [8.7]", () => {
    const pod = podOn(apt);
    const files = innerDaemonFiles({ registries: [{ address: "signed.lan:443", ca: pem }] });
    const docker = join(pod.node, "docker");
    mkdirSync(join(docker, "daemon.json"), { recursive: true });
    writeFileSync(join(docker, "daemon.json/daemon.json"), "an older version moved its file in here");
    mkdirSync(join(docker, "certs.d/signed.lan:443/pi-runners.crt"), { recursive: true });
    mkdirSync(join(docker, ".new"));
    prepare(pod, files);
    for (const [path, content] of Object.entries(files)) {
      assert.equal(readFileSync(join(docker, path), "utf8"), content);
    }
    spawnSync("rm", ["-rf", docker]);
    writeFileSync(docker, "");
    prepare(pod, files);
    assert.equal(readFileSync(join(docker, "daemon.json"), "utf8"), files["daemon.json"]);
  });
});

describe("the start of a runner manager", () => {
  const config = `[[runners]]\n  builds_dir = "${folder}/builds"\n`;

  function start(pod: Pod, dockerSocket = socket): string {
    prepare(pod);
    writeFileSync(join(pod.config, "config.toml"), config);
    const { status, output } = runIn(pod, startScript(dockerSocket, folder));
    assert.equal(status, 0, output);
    assert.match(readFileSync(join(pod.root, "runner"), "utf8"), /^run --config \S+\/config\.toml/);
    return output;
  }

  it("leaves config.toml in the Secret, where a change of it is seen", () => {
    const pod = podOn(apt);
    start(pod);
    writeFileSync(join(pod.config, "config.toml"), "changed");
    assert.equal(readFileSync(join(pod.state, "config.toml"), "utf8"), "changed");
  });

  it("names the folder that the snap sees, also after a change of the Secret [8.11]", async () => {
    const pod = podOn(snap);
    start(pod);
    const file = join(pod.state, "config.toml");
    assert.equal(readFileSync(file, "utf8"), config.replace("/var/lib/", "/var/snap/docker/common/"));
    assert.equal(modeOf(file), "600");
    writeFileSync(join(pod.config, "config.toml"), `concurrent = 2\n${config}`);
    const deadline = Date.now() + 15_000;
    while (!readFileSync(file, "utf8").startsWith("concurrent")) {
      assert.ok(Date.now() < deadline, "config.toml is still the old one");
      await new Promise((done) => setTimeout(done, 200));
    }
    assert.match(readFileSync(file, "utf8"), /"\/var\/snap\/docker\/common\/pi-runners\/ci\/builder\/builds"/);
    spawnSync("rm", ["-rf", pod.root]);
  }).timeout(30_000);

  it("removes the containers that carry its own system id, and asks for no others [8.26]", () => {
    const ids = ["a", "b"].map((letter) => letter.repeat(64));
    const pod = podOn(apt, ids);
    start(pod);
    const id = readFileSync(join(pod.state, ".runner_system_id"), "utf8");
    const asked = readFileSync(join(pod.root, "asked"), "utf8");
    const lists = asked.split("\n").filter((line) => /containers\/json|networks\/prune/.test(line));
    assert.equal(lists.length, 3, "again after the kill, as a manager that was still ending removes its own");
    for (const line of lists) {
      assert.ok(line.includes(`{"label":["com.gitlab.gitlab-runner.runner.system_id=${id}"]}`), line);
    }
    assert.deepEqual(
      [...asked.matchAll(/-X DELETE --max-time 20 http:\/\/docker\/containers\/(\w{64})\?force=1&v=1$/gm)].map(
        ([, one]) => one,
      ),
      ids,
    );
    const kills = [...asked.matchAll(/^.*-X (POST|DELETE) .*$/gm)].map(([line]) => /(kill|force=1)/.exec(line)?.[0]);
    assert.deepEqual(
      kills.slice(0, 4),
      ["kill", "kill", "force=1", "force=1"],
      "whoever waits for one sees how it ended",
    );
  }).timeout(15_000);

  it("removes whatever is in an engine of the runner's own: what its jobs have started carries no mark", () => {
    const ids = ["a".repeat(64)];
    const pod = podOn(apt, ids);
    start(pod, engineSocket);
    const asked = readFileSync(join(pod.root, "asked"), "utf8");
    const lists = asked.split("\n").filter((line) => /containers\/json|networks\/prune/.test(line));
    assert.deepEqual([...new Set(lists.map((line) => /filters=\S+/.exec(line)?.[0]))], ["filters={}"]);
    assert.match(asked, new RegExp(`-X DELETE --max-time 20 http://docker/containers/${ids[0]}\\?force=1&v=1$`, "m"));
  }).timeout(15_000);

  it("works with an image that has no curl, and says what it cannot do then", () => {
    const pod = podOn(apt);
    const tools = "sh cat sha256sum cut grep ln mkdir chmod dirname cp mv rm cmp sed".split(" ");
    spawnSync("rm", [join(pod.bin, "curl")]);
    for (const tool of tools) {
      const { stdout } = spawnSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" });
      spawnSync("ln", ["-s", stdout.trim(), join(pod.bin, tool)]);
    }
    const path = process.env["PATH"]!;
    process.env["PATH"] = pod.bin;
    try {
      assert.match(runIn(pod, folderScript(settingsOf("dood"), [])).output, /has no curl/);
    } finally {
      process.env["PATH"] = path;
    }
    assert.equal(readFileSync(join(pod.state, "node-folder"), "utf8"), `${folder}\n`);
  });

  it("says which socket it waits for, and ends at once when it is told to", async () => {
    const pod = podOn(apt);
    command(pod.bin, "curl", "echo curl: no such socket >&2; exit 7");
    const script = folderScript(settingsOf("dood"), []);
    const shell = spawn("sh", ["-c", script], { env: { PATH: `${pod.bin}:${process.env["PATH"]!}` } });
    let output = "";
    shell.stderr.on("data", (piece: Buffer) => (output += piece.toString()));
    await new Promise((done) => setTimeout(done, 1500));
    const ended = new Promise((done) => shell.once("exit", done));
    shell.kill("SIGQUIT");
    await ended;
    assert.match(output, /does not answer at \/var\/run\/docker\.sock: curl: no such socket\. Waiting/);
    assert.equal(output.match(/Waiting/g)!.length, 1, "said once");
  });
});

describe("the drain of a runner manager", () => {
  /** Runs the hook against a process of the test's own, and gives the signals that this got, with their seconds. */
  async function drain(seconds: number, onSignal: string): Promise<string[]> {
    const root = temporaryFolder();
    const log = join(root, "signals");
    const body = `trap 'echo QUIT >>${log}; ${onSignal}' QUIT; trap 'echo TERM >>${log}; exit 0' TERM; echo up >>${log}; while :; do sleep 0.1; done`;
    const runner = spawn("sh", ["-c", body], { stdio: "ignore" });
    while (!existsSync(log)) {
      await new Promise((done) => setTimeout(done, 50));
    }
    const script = drainScript(seconds)
      .replaceAll(/(kill -\w+) 1/g, `$1 ${runner.pid}`)
      .replaceAll("/proc/1/", "/dev/null/");
    const hook = spawn("sh", ["-c", script], { stdio: "ignore" });
    await new Promise((done) => hook.once("exit", done));
    return readFileSync(log, "utf8").trim().split("\n").slice(1);
  }

  it("waits for jobs, and ends with the last of them [8.26]", async () => {
    assert.deepEqual(await drain(60, "sleep 1; exit 0"), ["QUIT"]);
  });

  it("has jobs aborted that do not end in time, rather than leaving them to SIGKILL [8.26]", async () => {
    assert.deepEqual(await drain(2, ":"), ["QUIT", "TERM"]);
  }).timeout(15_000);
});

describe("what removes a runner's traces from a node", () => {
  const id = systemId("pi-1", "ci/builder");

  /** A node with the runner's folder and another's, and commands that note what they are asked. */
  function nodeWith(dockerState: string): { root: string; clean: () => { status: number; output: string } } {
    const root = temporaryFolder();
    for (const path of ["bin", "proc/7", "lib/ci/builder/builds", "lib/ci/other", "lib/trust"]) {
      mkdirSync(join(root, path), { recursive: true });
    }
    writeFileSync(join(root, "lib/ci/builder/system-id"), id);
    writeFileSync(join(root, "proc/7/environ"), "HOME=/\0RUNNER_POOL=ci/other\0");
    command(join(root, "bin"), "systemctl", `echo ${dockerState}; echo inactive`);
    command(
      join(root, "bin"),
      "docker",
      `echo "$*" >>${root}/asked; case "$1" in ps) echo c1;; volume) echo v1;; esac`,
    );
    const script = cleanupScript("ci", "builder")
      .replaceAll("/var/lib/pi-runners", join(root, "lib"))
      .replaceAll("/var/snap", join(root, "snap"))
      .replaceAll("/proc/", `${root}/proc/`)
      .replace("PATH=", `PATH=${root}/bin:`);
    const env = { PATH: process.env["PATH"]! };
    return { root, clean: () => run(["sh"], asRoot("n1", script), env) };
  }

  const asked = (root: string): string[] =>
    existsSync(join(root, "asked")) ? readFileSync(join(root, "asked"), "utf8").trim().split("\n") : [];

  it("takes its folder, its containers and its volumes, and nothing of others [8.32]", () => {
    const { root, clean } = nodeWith("active");
    const { status, output } = clean();
    assert.equal(status, 0, output);
    assert.deepEqual(readdirSync(join(root, "lib")).sort(), ["ci", "trust"]);
    assert.deepEqual(readdirSync(join(root, "lib/ci")), ["other"]);
    const label = `--filter label=com.gitlab.gitlab-runner.runner.system_id=${id}`;
    assert.deepEqual(asked(root), [`ps -aq ${label}`, "rm -f -v c1", `volume ls -q ${label}`, "volume rm -f v1"]);
  });

  it("wakes no Docker, and leaves no empty folder behind [8.32]", () => {
    const { root, clean } = nodeWith("inactive");
    spawnSync("rm", ["-rf", join(root, "lib/trust"), join(root, "lib/ci/other")]);
    assert.equal(clean().status, 0);
    assert.deepEqual(asked(root), []);
    assert.equal(existsSync(join(root, "lib")), false);
  });

  it("says so when the node's Docker hangs, and keeps what tells whose the volumes are [8.32]", () => {
    const { root, clean } = nodeWith("active");
    command(join(root, "bin"), "docker", "exec sleep 600");
    command(join(root, "bin"), "timeout", 'shift 3; exec /usr/bin/timeout 1 "$@"');
    const { status, output } = clean();
    assert.equal(status, 1, output);
    assert.match(output, /does not answer[^]*retain: true/);
    assert.ok(existsSync(join(root, "lib/ci/builder/system-id")));
  });

  it("leaves a runner alone that is still there [8.32]", () => {
    const { root, clean } = nodeWith("active");
    writeFileSync(join(root, "proc/7/environ"), "HOME=/\0RUNNER_POOL=ci/builder\0");
    const { status, output } = clean();
    assert.equal(status, 0);
    assert.match(output, /ci\/builder still runs here/);
    assert.ok(existsSync(join(root, "lib/ci/builder/builds")));
    assert.deepEqual(asked(root), []);
  });
});
