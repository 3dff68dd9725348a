import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serviceData, serviceScript } from "../../../components/runners/docker/keptData";
import { preBuildScripts } from "../../../components/runners/docker/scripts";
import { runnerErrors } from "../../../components/runners/docker/errors";
import { dockerRunnerConfig } from "../../../components/runners/docker/dockerConfig";
import { settingsOf } from "./settings";
import { command, run, shells } from "./shell";
import { temporaryFolder } from "../../temporaryFolder";

/** A slot's folder with what an earlier daemon left, and programs that stand in for those of docker:dind. */
function slot(left: string[], used = 50): { root: string; data: string; env: Record<string, string> } {
  const root = temporaryFolder();
  const data = join(root, "data");
  const bin = join(root, "bin");
  mkdirSync(bin);
  for (const path of left) {
    mkdirSync(join(data, path), { recursive: true });
  }
  command(bin, "docker", `[ -z "\${DOCKER_TLS_VERIFY:-}" ] && [ "$1" = version ] && test -e ${root}/up`);
  command(bin, "df", `printf 'Filesystem Size\\n/dev/x 100 ${used} 50 ${used}%% /\\n'`);
  // With a container's first process all others end, the one too that waits for the daemon.
  const end = "for child in $(cat /proc/$$/task/$$/children); do kill $child 2>/dev/null || :; done";
  command(bin, "dockerd-entrypoint.sh", `echo "$*" >${root}/daemon; [ ! -e ${root}/up ] || sleep 2; ${end}`);
  return { root, data, env: { PATH: `${bin}:${process.env["PATH"]!}`, DOCKER_TLS_VERIFY: "1" } };
}

const script = (data: string): string => serviceScript(true).replaceAll(serviceData, data);

describe("the layers that a job's daemon keeps", () => {
  it("are there for the next one, its volumes and networks are not", () => {
    const { root, data, env } = slot(["overlay2/layer", "buildkit", "volumes/of-a-job", "network/files"]);
    writeFileSync(join(root, "up"), "");
    const { status, output } = run(["sh"], script(data), env);
    assert.equal(status, 0, output);
    assert.equal(readFileSync(join(root, "daemon"), "utf8"), `--data-root=${data}\n`);
    assert.deepEqual(readdirSync(data).sort(), [".pi-runners.lock", "buildkit", "overlay2"]);
  });

  it("go where the last two daemons did not come up with them, or the disk is nearly full, and the log says so", () => {
    const broken = slot(["overlay2/layer", "buildkit"]);
    for (const why of ["it may be the first daemon's own fault", "its job may have been cancelled"]) {
      assert.equal(run(["sh"], script(broken.data), broken.env).output, "");
      assert.ok(existsSync(join(broken.data, "overlay2/layer")), why);
    }
    assert.match(run(["sh"], script(broken.data), broken.env).output, /the last two daemons did not come up/);
    assert.ok(!existsSync(join(broken.data, "overlay2")));
    mkdirSync(join(broken.data, "overlay2"));
    assert.equal(run(["sh"], script(broken.data), broken.env).output, "", "what comes then is counted anew");

    const full = slot(["overlay2/layer"], 93);
    assert.match(run(["sh"], script(full.data), full.env).output, /the disk is 93 % full/);
    assert.ok(!existsSync(join(full.data, "overlay2")));
  });

  it("are never had by two daemons: the second waits, and says so", async () => {
    const { root, data, env } = slot(["overlay2"]);
    const holder = spawn("sh", ["-c", `exec 9>${data}/.pi-runners.lock; flock 9; echo held; exec sleep 60`]);
    await new Promise((held) => holder.stdout.once("data", held));
    const waiter = spawn("sh", ["-c", script(data)], { env });
    let said = "";
    waiter.stderr.on("data", (piece: Buffer) => (said += piece.toString()));
    for (const deadline = Date.now() + 10_000; said === "" && Date.now() < deadline;) {
      await new Promise((done) => setTimeout(done, 50));
    }
    assert.match(said, /another Docker daemon has its data in the same folder/);
    assert.ok(!existsSync(join(root, "daemon")));
    holder.kill();
    await new Promise((done) => waiter.once("exit", done));
    assert.ok(existsSync(join(root, "daemon")), "and starts when the first has ended");
  }).timeout(15_000);

  for (const shell of shells) {
    it(`are taken over by a daemon inside the job, too, and only where the runner says where: ${shell[0]}`, () => {
      const { root, data, env } = slot(["overlay2/layer", "volumes/of-a-job"]);
      const bin = join(root, "bin");
      writeFileSync(join(root, "up"), ""); // the daemon stays: one that ends while the script waits is an error
      command(bin, "docker", `[ "$1" != version ] || test -e ${root}/daemon`);
      command(bin, "dockerd", "exit 0");
      const variables = { ...env, PI_RUNNERS_DOCKERD_LOG: join(root, "log") };
      assert.equal(run(shell, preBuildScripts["dind-job"]!, variables).status, 0);
      assert.ok(existsSync(join(data, "volumes/of-a-job")), "nothing is touched unasked");
      run(["sh"], `rm ${root}/daemon`, env);
      const { status, output } = run(shell, preBuildScripts["dind-job"]!, { ...variables, PI_RUNNERS_KEPT_DATA: data });
      assert.equal(status, 0, output);
      assert.deepEqual(readdirSync(data).sort(), [".pi-runners.lock", "overlay2"]);
    });
  }

  it("are not asked for with layerCache: false; the daemon starts as its image has it", () => {
    const { root, data, env } = slot(["overlay2"]);
    assert.equal(run(["sh"], serviceScript(false), env).status, 0);
    assert.equal(readFileSync(join(root, "daemon"), "utf8"), "\n");
    assert.deepEqual(readdirSync(data), ["overlay2"]);
  });

  it("are one volume for each project and slot, of the runner's own making; layerCache: false keeps none", () => {
    for (const [way, place] of [
      ["dind", serviceData],
      ["dind-plain", serviceData],
      ["dind-job", "/var/lib/docker"],
    ] as const) {
      const volumes = (layerCache: boolean): string[] =>
        dockerRunnerConfig(settingsOf(way, { layerCache }), "t").runners![0]!.docker!.volumes!;
      assert.ok(volumes(true).includes(place), way);
      assert.ok(!volumes(false).includes(place), way);
      const shared = { runners: [{ docker: { volumes: [`/srv/docker:${place}`] } }] };
      assert.match(runnerErrors(settingsOf(way, { config: shared }))[0]!.reason, /shared by the daemons of jobs/);
    }
  });
});

describe("the MTU of what a daemon beside or inside a job makes", () => {
  const opts = "--mtu=1400 --default-network-opt=bridge=com.docker.network.driver.mtu=1400";
  for (const [mtu, settings, knows, flags] of [
    ["1400", "", true, opts],
    ["1400", "", false, "--mtu=1400"],
    ["1400", '{"mtu": 1300}', true, ""],
    ["1500", "", true, ""],
    ["65535", "", true, ""],
    [undefined, "", true, ""],
  ] as const) {
    for (const shell of shells) {
      it(`is that of its container where that is ${mtu ?? "unknown"}, daemon.json says ${settings || "nothing"}, ${shell[0]}`, () => {
        const { root, env } = slot([]);
        const bin = join(root, "bin");
        command(
          bin,
          "dockerd",
          `case "$*" in *--help*) echo x ${knows ? "--default-network-opt" : ""};; *) echo "$*" >${root}/daemon;; esac`,
        );
        command(bin, "docker", `[ "$1" != version ] || test -e ${root}/daemon`);
        command(
          bin,
          "dockerd-entrypoint.sh",
          `[ "\${1:-}" = dockerd ] || { echo "$*" >${root}/daemon; exit; }; shift; echo "$*" >${root}/daemon; exec sleep 5`,
        );
        const here = (text: string): string =>
          text
            .replaceAll("/sys/class/net/eth0/mtu", join(root, "mtu"))
            .replaceAll("/etc/docker/daemon.json", join(root, "json"));
        if (mtu !== undefined) {
          writeFileSync(join(root, "mtu"), `${mtu}\n`);
        }
        writeFileSync(join(root, "json"), settings);
        const started = (): string =>
          readFileSync(join(root, "daemon"), "utf8")
            .replace(/--host=\S+/, "")
            .trim();
        assert.equal(run(["sh"], here(serviceScript(false)), env).status, 0);
        assert.equal(started(), flags);
        run(["sh"], `rm ${root}/daemon`, env);
        const { status, output } = run(shell, here(preBuildScripts["dind-job"]!), {
          ...env,
          PI_RUNNERS_DOCKERD_LOG: join(root, "log"),
        });
        assert.equal(status, 0, output);
        assert.equal(started(), flags);
      });
    }
  }
});
