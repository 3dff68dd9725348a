import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { preBuildScripts } from "../../../components/runners/docker/scripts";
import { command, run, shells } from "./shell";
import { temporaryFolder } from "../../temporaryFolder";

/** A `docker version` that fails for the first questions; it counts them in a file. */
function slowDocker(folder: string, failures: number): void {
  const count = join(folder, "count");
  writeFileSync(count, "0");
  command(
    folder,
    "docker",
    `n=$(cat ${count}); echo $((n + 1)) >${count}; [ "$n" -ge ${failures} ] || { echo "Cannot connect to the daemon" >&2; exit 1; }`,
  );
}

/** The script with another time limit. */
function within(script: string, seconds: number): string {
  const shorter = script.replaceAll("120", String(seconds));
  assert.notEqual(shorter, script);
  return shorter;
}

for (const shell of shells) {
  describe(`pre_build_script in ${shell[0]}`, () => {
    it("goes on as soon as the service's daemon answers", () => {
      const folder = temporaryFolder();
      slowDocker(folder, 3);
      const env = { PATH: `${folder}:${process.env["PATH"]}`, DOCKER_HOST: "tcp://docker:2376" };
      const { status, output } = run(shell, `${preBuildScripts.dind}\necho the job`, env);
      assert.equal(output, "the job\n");
      assert.equal(status, 0);
      // Three times in vain, once with success, and once for what earlier jobs left.
      assert.equal(readFileSync(join(folder, "count"), "utf8").trim(), "5");
    });

    it("gives up in time, fails the job, and says why", () => {
      const folder = temporaryFolder();
      slowDocker(folder, 1e6);
      const env = { PATH: `${folder}:${process.env["PATH"]}`, DOCKER_HOST: "tcp://docker:2376" };
      const { status, output } = run(shell, `${within(preBuildScripts.dind!, 1)}\necho the job`, env);
      assert.equal(status, 1);
      assert.match(output, /did not answer within 1 s/);
      assert.match(output, /tcp:\/\/docker:2376; the last answer was: Cannot connect to the daemon/);
      assert.doesNotMatch(output, /the job\n/);
    });

    it("waits for nothing in a job whose image has no docker", () => {
      const folder = temporaryFolder();
      const shellPath = temporaryFolder();
      command(shellPath, "date", "exit 1");
      const { status, output } = run([`/bin/${shell[0]}`], `${preBuildScripts.dind}\necho the job`, { PATH: folder });
      assert.equal(output, "the job\n");
      assert.equal(status, 0);
    });

    for (const [way, host] of [
      ["dind", "tcp://nas.lan:2376"],
      ["dind-plain", "tcp://docker.lan:2375"],
      ["dind", "ssh://pi@nas.lan"],
      ["dind-job", "tcp://nas.lan:2376"],
      ["dind-job", "unix:///run/host/docker.sock"],
    ] as const) {
      it(`removes nothing from another Docker, which a job's variables name: ${way}, ${host}`, () => {
        const folder = temporaryFolder();
        command(folder, "docker", `echo "$*" >>${folder}/asked; case $1 in ps) echo theirs;; esac`);
        command(folder, "dockerd", `echo started >>${folder}/asked; exec sleep 5`);
        const env = { PATH: `${folder}:${process.env["PATH"]}`, DOCKER_HOST: host };
        const { status, output } = run(shell, `: >${folder}/asked\n${preBuildScripts[way]}\necho the job`, env);
        assert.deepEqual([status, output], [0, "the job\n"]);
        assert.ok(["", "version\n"].includes(readFileSync(join(folder, "asked"), "utf8")));
      });
    }

    it("asks the daemon that it starts inside the job, whatever context the job's variables name", () => {
      const folder = temporaryFolder();
      command(folder, "docker", `echo "$DOCKER_HOST \${DOCKER_CONTEXT:-} $*" >>${folder}/asked; test -e ${folder}/up`);
      command(folder, "dockerd", `: >${folder}/up; exec sleep 5`);
      const env = {
        PATH: `${folder}:${process.env["PATH"]}`,
        PI_RUNNERS_DOCKERD_LOG: join(folder, "log"),
        DOCKER_CONTEXT: "nas",
      };
      assert.equal(run(shell, `${preBuildScripts["dind-job"]}\necho "$DOCKER_CONTEXT"`, env).output, "nas\n");
      const asked = readFileSync(join(folder, "asked"), "utf8").trim().split("\n");
      assert.ok(
        asked.every((line) => line.startsWith("unix:///var/run/docker.sock  ")),
        asked.join(),
      );
    });

    it("starts a daemon inside the job and waits for it", () => {
      const folder = temporaryFolder();
      slowDocker(folder, 3);
      command(folder, "dockerd", `echo "$@" >${folder}/arguments; exec sleep 5`);
      const env = { PATH: `${folder}:${process.env["PATH"]}`, PI_RUNNERS_DOCKERD_LOG: join(folder, "log") };
      const { status, output } = run(shell, `${preBuildScripts["dind-job"]}\necho the job`, env);
      assert.equal(output, "the job\n");
      assert.equal(status, 0);
      assert.equal(readFileSync(join(folder, "arguments"), "utf8"), "--host=unix:///var/run/docker.sock\n");
    });

    it("shows the daemon's log when it dies, without waiting for the time limit", () => {
      const folder = temporaryFolder();
      slowDocker(folder, 1e6);
      command(folder, "dockerd", 'echo "failed to mount overlay: operation not permitted" >&2; exit 1');
      const env = { PATH: `${folder}:${process.env["PATH"]}`, PI_RUNNERS_DOCKERD_LOG: join(folder, "log") };
      const { status, output } = run(shell, `${preBuildScripts["dind-job"]}\necho the job`, env);
      assert.equal(status, 1);
      assert.match(output, /stopped while starting/);
      assert.match(output, /failed to mount overlay/);
    });

    it("says what is missing when the job's image has no dockerd", () => {
      const folder = temporaryFolder();
      slowDocker(folder, 1e6);
      const env = { PATH: `${folder}:/nowhere` };
      command(folder, "cat", 'exec /bin/cat "$@"');
      const { status, output } = run([`/bin/${shell[0]}`], `${preBuildScripts["dind-job"]}\necho the job`, env);
      assert.equal(status, 1);
      assert.match(output, /has no dockerd[\s\S]*docker:dind/);
    });
  });
}

it("no script sleeps for a fixed time before it looks", () => {
  for (const script of Object.values(preBuildScripts)) {
    assert.doesNotMatch(script ?? "", /sleep ([2-9]|\d\d)/);
  }
});
