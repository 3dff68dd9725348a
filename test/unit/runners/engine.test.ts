import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { runnerErrors } from "../../../components/runners/docker/errors";
import { engineScript } from "../../../components/runners/docker/engineScript";
import { innerDaemonData, podTemplate } from "../../../components/runners/docker/pod";
import { settingsOf } from "./settings";
import { command } from "./shell";
import { temporaryFolder } from "../../temporaryFolder";

interface Pod {
  spec: {
    terminationGracePeriodSeconds: number;
    initContainers: {
      name: string;
      restartPolicy?: string;
      env: { name: string; value?: string }[];
      startupProbe: { terminationGracePeriodSeconds: number };
      livenessProbe: { terminationGracePeriodSeconds: number };
    }[];
    volumes: { name: string; hostPath?: { path: string } }[];
  };
}

const podOf = (different: Parameters<typeof settingsOf>[1] = {}): Pod =>
  podTemplate(settingsOf("dind-resident", different)) as unknown as Pod;

describe("the pod of a runner with an engine of its own", () => {
  it("has nothing of the node's Docker, and its data in a folder of the runner's own", () => {
    const paths = podOf().spec.volumes.flatMap(({ hostPath }) => hostPath?.path ?? []);
    assert.ok(paths.every((path) => path.startsWith("/var/lib/pi-runners/ci/builder") || path === "/var/snap"));
    assert.ok(paths.includes("/var/lib/pi-runners/ci/builder/engine"));
    const elsewhere = podOf({ engineFolder: "/mnt/ssd" }).spec.volumes.find(({ name }) => name === "engine");
    assert.equal(elsewhere!.hostPath!.path, "/mnt/ssd/ci/builder/engine");
  });

  it("starts the engine before the manager and ends it after, with time for both", () => {
    const { initContainers, terminationGracePeriodSeconds } = podOf({ drainTimeout: 600 }).spec;
    assert.equal(initContainers.at(-1)!.name, "engine");
    assert.equal(initContainers.at(-1)!.restartPolicy, "Always");
    assert.ok(terminationGracePeriodSeconds >= 600 + 30 + 15 + 20);
    for (const probe of ["livenessProbe", "startupProbe"] as const) {
      const grace = initContainers.at(-1)![probe].terminationGracePeriodSeconds;
      assert.ok(grace <= 30, `one that hangs is not waited for as a drain is: ${probe}`);
    }
  });

  it("stays as it is when registries change, which a running engine takes over, and rolls when the MTU does", () => {
    const before = JSON.stringify(podOf());
    const registries = [
      { address: "plain.lan", insecure: true },
      { address: "signed.lan", ca: "-----BEGIN" },
    ];
    assert.equal(JSON.stringify(podOf({ registries })), before);
    assert.notEqual(JSON.stringify(podOf({ mtu: 1400 })), before);
    assert.match(
      innerDaemonData(settingsOf("dind-resident", { registries }))["paths"]!,
      /^file-\d certs\.d\/signed\.lan\//m,
    );
  });

  it("refuses a folder where it would meet another engine, and jobs in its own", () => {
    const refused = (different: Parameters<typeof settingsOf>[1]): string[] =>
      runnerErrors(settingsOf("dind-resident", different)).map(({ propertyPath }) => propertyPath);
    assert.deepEqual(refused({ engineFolder: "/var/lib/docker" }), ["engineFolder"]);
    assert.deepEqual(refused({ engineFolder: "/var/lib/docker-on-ssd" }), []);
    const volumes = ["/var/lib/docker:/var/lib/docker", "/srv/data:/var/lib/docker"];
    assert.deepEqual(refused({ config: { runners: [{ docker: { volumes: [volumes[0]!] } }] } }), [
      "config.runners[0].docker.volumes[0]",
    ]);
    assert.deepEqual(refused({ config: { runners: [{ docker: { volumes: [volumes[1]!] } }] } }), []);
  });

  it("refuses the socket of the node's Docker, and other ways refuse the engine's settings", () => {
    const paths = (way: "dood" | "dind-resident", different: object): string[] =>
      runnerErrors(settingsOf(way, different)).map(({ propertyPath }) => propertyPath);
    assert.deepEqual(paths("dind-resident", { dockerSocket: "/run/other/docker.sock" }), ["dockerSocket"]);
    assert.deepEqual(paths("dind-resident", {}), []);
    assert.deepEqual(paths("dood", { engineFolder: "/mnt/ssd", engineResources: { limits: { memory: "1Gi" } } }), [
      "engineFolder",
      "engineResources",
    ]);
    assert.deepEqual(paths("dind-resident", { engineResources: { requests: { memory: "9Gi" } } }), []);
    assert.deepEqual(
      paths("dind-resident", { engineResources: { requests: { memory: "9Gi" }, limits: { memory: "1Gi" } } }),
      ["engineResources.requests.memory"],
    );
  });
});

/** The folders of an engine's container, as a test has them, and programs that stand in for Docker's. */
class Engine {
  public readonly root = temporaryFolder();
  private readonly started: ChildProcess[] = [];

  public constructor(files: Record<string, string>) {
    for (const folder of ["bin", "data", "docker-socket", "etc", "files"]) {
      mkdirSync(join(this.root, folder));
    }
    this.settings(files);
    const { root } = this;
    command(
      join(root, "bin"),
      "docker",
      `echo "$*" >>${root}/asked
      case "$*" in *version) test -e ${root}/up && ls ${root}/docker-socket/*.sock >/dev/null 2>&1;; *" ps "*) cat ${root}/runners 2>/dev/null;; esac`,
    );
    command(
      join(root, "bin"),
      "dockerd-entrypoint.sh",
      `[ "$2" != --help ] || exit 0
      echo "$*" >>${root}/daemon; : >${root}/docker-socket/starting.sock
      trap 'echo reloaded >>${root}/daemon' HUP; trap 'exit 0' TERM
      while :; do sleep 0.1; done`,
    );
    command(join(root, "bin"), "dockerd", "exit 0");
  }

  /** The ConfigMap as kubelet puts it: a link to a folder, which is exchanged. */
  public settings(files: Record<string, string>): void {
    const folder = join(this.root, "files", `..${Date.now()}`);
    mkdirSync(folder);
    for (const [key, content] of Object.entries(files)) {
      writeFileSync(join(folder, key), content);
      spawnSync("ln", ["-sfn", `..data/${key}`, join(this.root, "files", key)]);
    }
    symlinkSync(folder, join(this.root, "files/..new"));
    renameSync(join(this.root, "files/..new"), join(this.root, "files/..data"));
  }

  public start(change = (script: string) => script): { said: () => string; kill: () => void } {
    const { root } = this;
    const script = change(engineScript)
      .replaceAll("/var/lib/docker", `${root}/data`)
      .replaceAll("/docker-socket", `${root}/docker-socket`)
      .replaceAll("/etc/docker", `${root}/etc`)
      .replaceAll("/files", `${root}/files`)
      .replaceAll("kill -HUP 1", "kill -HUP $$$$")
      .replaceAll("/sys/fs/cgroup", `${root}/no-cgroup`);
    const env = { PATH: `${root}/bin:${process.env["PATH"]!}` };
    const shell = spawn("sh", ["-c", script], { env, detached: true });
    let said = "";
    shell.stderr.on("data", (piece: Buffer) => (said += piece.toString()));
    this.started.push(shell);
    return { said: () => said, kill: () => void process.kill(-shell.pid!, "SIGKILL") };
  }

  public read(file: string): string {
    return existsSync(join(this.root, file)) ? readFileSync(join(this.root, file), "utf8") : "";
  }

  public end(): void {
    for (const { pid, exitCode, signalCode } of this.started) {
      if (exitCode === null && signalCode === null) {
        process.kill(-pid!, "SIGKILL");
      }
    }
    rmSync(this.root, { recursive: true, force: true });
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 60_000; !holds(); await new Promise((done) => setTimeout(done, 50))) {
    assert.ok(Date.now() < deadline, `not within 60 s: ${what}`);
  }
}

describe("the start of an engine", function () {
  this.timeout(200_000);
  const dataOf = (registries: { address: string; insecure?: boolean; ca?: string }[]): Record<string, string> =>
    innerDaemonData(settingsOf("dind-resident", { registries }));
  let engine: Engine;
  beforeEach(() => (engine = new Engine(dataOf([{ address: "signed.lan:443", ca: "one" }]))));
  afterEach(() => engine.end());

  it("brings its files, and starts the daemon where nobody asks it yet", async () => {
    engine.start();
    await until("the daemon is started", () => engine.read("daemon") !== "");
    assert.match(engine.read("daemon"), /^dockerd --host=unix:\/\/\S+\/starting\.sock\b/);
    assert.equal(engine.read("etc/certs.d/signed.lan:443/pi-runners.crt"), "one\n");
    assert.deepEqual((JSON.parse(engine.read("etc/daemon.json")) as object)["insecure-registries" as never], []);
    assert.ok(!existsSync(join(engine.root, "docker-socket/docker.sock")));
  });

  it("removes what jobs left in an earlier life, and only then opens the socket for jobs", async () => {
    mkdirSync(join(engine.root, "data/containers/abc"), { recursive: true });
    mkdirSync(join(engine.root, "data/containers/def"), { recursive: true });
    // A job of which the runner does not find its own container again would have ended well.
    mkdirSync(join(engine.root, "data/containers/of-the-runner"), { recursive: true });
    writeFileSync(join(engine.root, "runners"), "of-the-runner\n");
    engine.start();
    await until("the daemon is asked", () => engine.read("asked") !== "");
    assert.ok(!existsSync(join(engine.root, "docker-socket/docker.sock")));
    writeFileSync(join(engine.root, "up"), "");
    await until("the socket is open", () => existsSync(join(engine.root, "docker-socket/docker.sock")));
    const ours = "com.gitlab.gitlab-runner.runner.system_id";
    const asked = engine
      .read("asked")
      .replaceAll(/^--host \S+ /gm, "")
      .split("\n");
    assert.deepEqual(asked.slice(-4), [
      `ps --all --quiet --no-trunc --filter label=${ours}`,
      "rm --force --volumes abc def",
      `network prune --force --filter label!=${ours}`,
      "",
    ]);
  });

  it("removes the runner's own where they lie about later, but none that runs", async () => {
    mkdirSync(join(engine.root, "data/containers/of-the-runner"), { recursive: true });
    writeFileSync(join(engine.root, "runners"), "of-the-runner\n");
    writeFileSync(join(engine.root, "up"), "");
    engine.start((script) => script.replace("-ne 300 ]", "-ne 1 ]"));
    await until("they are removed", () => / rm --volumes of-the-runner\n$/.test(engine.read("asked")));
    assert.doesNotMatch(engine.read("asked"), /--force --volumes/);
  });

  it("does not say that it has read what it could not write, and tries again", async () => {
    writeFileSync(join(engine.root, "up"), "");
    const { said } = engine.start();
    await until("the socket is open", () => existsSync(join(engine.root, "docker-socket/docker.sock")));
    // A disk that is full, as root has it: the new file cannot take the place of the old one.
    const inTheWay = join(engine.root, "etc/daemon.json.new");
    mkdirSync(inTheWay);
    engine.settings(dataOf([{ address: "plain.lan", insecure: true }]));
    await until("it has tried", () => readdirSync(inTheWay).length > 0);
    assert.doesNotMatch(engine.read("etc/daemon.json"), /plain\.lan/);
    assert.doesNotMatch(said(), /reads them again/);
    rmSync(inTheWay, { recursive: true });
    await until("the daemon is told", () => engine.read("daemon").includes("reloaded"));
  });

  it("removes nothing that may be the runner's, where Docker does not say what is", async () => {
    mkdirSync(join(engine.root, "data/containers/abc"), { recursive: true });
    writeFileSync(join(engine.root, "up"), "");
    engine.start();
    await until("the socket is open", () => existsSync(join(engine.root, "docker-socket/docker.sock")));
    assert.doesNotMatch(engine.read("asked"), / rm /);
  });

  it("waits, and says so, while another daemon has its data in the same folder; a killed one is no hindrance", async () => {
    const first = engine.start();
    await until("the first runs", () => engine.read("daemon") !== "");
    const second = engine.start();
    await until("the second says why it waits", () => /another Docker daemon has its data/.test(second.said()));
    assert.equal(engine.read("daemon").match(/^dockerd/gm)!.length, 1);
    first.kill();
    await until("the second runs", () => engine.read("daemon").match(/^dockerd/gm)!.length === 2);
    assert.match(second.said(), /has ended; starting/);
  });

  it("has the daemon read its files again when they change, and takes away those of registries that are gone", async () => {
    writeFileSync(join(engine.root, "up"), "");
    engine.start();
    await until("the socket is open", () => existsSync(join(engine.root, "docker-socket/docker.sock")));
    engine.settings(dataOf([{ address: "plain.lan", insecure: true }]));
    await until("the daemon is told", () => engine.read("daemon").includes("reloaded"));
    assert.match(engine.read("etc/daemon.json"), /plain\.lan/);
    assert.ok(!existsSync(join(engine.root, "etc/certs.d/signed.lan:443/pi-runners.crt")));
  });
});
