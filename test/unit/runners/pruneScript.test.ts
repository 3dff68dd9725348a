import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { pruneScript } from "../../../components/runners/shell/pruneScript";
import { pruneDefaults } from "../../../components/runners/prune";
import type { ShellRunnerInput } from "../../../components/runners/shell/settings";
import { temporaryFolder } from "../../temporaryFolder";
import { command, run } from "./shell";

const shell = ["bash", "-eo", "pipefail"];
const [minute, day] = [60, 86_400];
const info = "info --format {{.DockerRootDir}}";
const list = "image ls --no-trunc --filter dangling=true --format {{.Repository}} {{.CreatedAt}} {{.ID}}";
const removals = (hours: number): string[] => [list, `builder prune --all --force --filter until=${hours}h`];

/** A host: its folder of a runner, a Docker that writes down what it is asked, and disks that are half full. */
class Host {
  readonly root = temporaryFolder();
  readonly builds = join(this.root, "it's a $runner");
  readonly env: Record<string, string>;
  private readonly bin = join(this.root, "bin");

  constructor(docker = "") {
    mkdirSync(this.bin);
    mkdirSync(join(this.builds, "cache"), { recursive: true });
    this.env = { PATH: `${this.bin}:${process.env["PATH"]!}`, HOME: this.root, TZ: "UTC" };
    this.docker(docker);
    this.disks(50, 50);
    // As long as a test may wait; what is asked without it is not in the list.
    this.command("timeout", `echo "$3 $4" >>'${this.root}/limits'; shift 3; exec /usr/bin/timeout -k 1 1 "$@"`);
  }

  command(name: string, script: string): void {
    command(this.bin, name, script);
  }

  /** How the stand-in answers, before it tells its data root. */
  docker(script: string): void {
    // What reads on would take the rest of the job's script, which comes by stdin.
    const note = `cat >/dev/null; echo "$*" >>'${this.root}/asked'; echo "$DOCKER_HOST" >>'${this.root}/hosts'`;
    this.command("docker", `${note}\n${script}\n[ "$1" != info ] || echo /var/lib/docker`);
  }

  /** Percent that are used of Docker's disk, and of that with the checkouts. */
  disks(docker: number, checkouts: number): void {
    const line =
      "printf 'Filesystem 1024-blocks Used Available Capacity Mounted on\\n/dev/x 100 50 50 %s%% /\\n' $used";
    this.command("df", `[ "$2" = /var/lib/docker ] && used=${docker} || used=${checkouts}; ${line}`);
  }

  script(settings: Pick<ShellRunnerInput, "docker" | "prune"> = {}): string {
    const { docker = true, prune } = settings;
    return `${pruneScript({ docker, prune }, this.builds).join("\n")}\necho the job goes on`;
  }

  /** What a job's log has of it, and that the job goes on. */
  job(settings: Pick<ShellRunnerInput, "docker" | "prune"> = {}, env: Record<string, string> = {}): string {
    const { status, output } = run(shell, this.script(settings), { ...this.env, ...env });
    assert.equal(status, 0, output);
    assert.match(output, /the job goes on\n/);
    return output.replace("the job goes on\n", "");
  }

  /** A file below the folder, last written and read so many days ago. */
  file(name: string, written: number, read = written): string {
    const path = join(this.builds, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "");
    const now = Date.now() / 1000;
    utimesSync(path, now - read * day, now - written * day);
    return path;
  }

  /** The last look was so many seconds ago. */
  looked(ago: number): void {
    this.file("pruned", ago / day);
  }

  lines(file: string): string[] {
    const path = join(this.root, file);
    return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
  }
}

/** Images that Docker calls dangling: so many old ones without a name, a new one, and an old one that was pulled by digest. */
const dangling = (old: number): string =>
  [
    ...Array.from({ length: old }, (_, index) => `<none> 2020-01-01 00:00:00 +0000 UTC sha256:old${index}`),
    `<none> ${new Date().toISOString().slice(0, 19).replace("T", " ")} +0000 UTC sha256:new`,
    "registry.lan/pinned 2020-01-01 00:00:00 +0000 UTC sha256:pinned",
  ]
    .map((line) => `echo '${line}'`)
    .join("; ");

const totals = (images: number, cache: string): string => `case "$1 $2" in
  "image ls") ${dangling(images)} ;;
  "builder prune") printf 'ID\\tRECLAIMABLE\\tSIZE\\tLAST ACCESSED\\nTotal:\\t${cache}\\n' ;;
esac`;

describe("what a job removes of a host of way shell", function () {
  this.timeout(30_000);

  it("is what nobody used for a week: Docker is asked for that alone, and nothing is said where nothing was there", () => {
    const host = new Host(totals(0, "0B"));
    assert.equal(host.job(), "");
    assert.deepEqual(host.lines("asked"), [info, ...removals(168)]);
    const other = new Host();
    other.job({ prune: { olderThan: 48 } });
    assert.deepEqual(other.lines("asked"), [info, ...removals(48)]);
  });

  it("is said in one line", () => {
    const host = new Host(totals(2, "34.5kB"));
    host.file("cache/group/project/key/cache.zip", 8);
    assert.equal(
      host.job(),
      "pi-runners: removed images without a name (2), made more than 168 hours ago; " +
        "build cache (34.5kB), unused for 168 hours; files of the local cache (1), unused for 168 hours\n",
    );
    assert.deepEqual(
      host.lines("asked").filter((line) => line.startsWith("image rm")),
      ["image rm sha256:old0", "image rm sha256:old1"],
    );
    const old = new Host('[ "$1" != builder ] || echo "Total reclaimed space: 12MB"');
    assert.equal(old.job(), "pi-runners: removed build cache (12MB), unused for 168 hours\n", "as Docker 20.10 prints");
  });

  it("is what nobody used for a day, where the disk that it is on is nearly full", () => {
    const host = new Host();
    const entry = host.file("cache/p/key/cache.zip", 2);
    host.disks(86, 85);
    host.job();
    assert.deepEqual(host.lines("asked"), [info, ...removals(24)]);
    assert.ok(existsSync(entry), "that disk has room");

    const other = new Host();
    const [old, young] = [other.file("cache/p/old/cache.zip", 2), other.file("cache/p/young/cache.zip", 0.9)];
    other.disks(85, 86);
    other.job();
    assert.deepEqual(other.lines("asked"), [info, ...removals(168)]);
    assert.deepEqual([existsSync(old), existsSync(young)], [false, true]);

    const third = new Host();
    third.disks(50, 50);
    third.job({ prune: { minFree: 60 } });
    assert.deepEqual(third.lines("asked"), [info, ...removals(24)]);
  });

  it("goes by the disk with the checkouts where nobody can tell Docker's", () => {
    const host = new Host();
    host.command("df", "[ \"$2\" != /var/lib/docker ] || exit 1; printf 'Filesystem\\n/dev/x 100 90 10 90%% /\\n'");
    assert.equal(host.job(), "");
    assert.deepEqual(host.lines("asked"), [info, ...removals(24)]);
  });

  it("is Docker's only with docker: true, and nothing where it is switched off", () => {
    const host = new Host();
    const entry = host.file("cache/p/key/cache.zip", 8);
    host.job({ prune: { enabled: false } });
    assert.ok(existsSync(entry) && !existsSync(join(host.builds, "pruned")));
    host.job({ docker: false });
    assert.ok(!existsSync(entry));
    assert.deepEqual(host.lines("asked"), []);
  });

  it("is of the host's own Docker, whatever the job's variables name", () => {
    const host = new Host(`env | grep -e ^DOCKER_ -e ^BUILDX_ | grep -v -e ^DOCKER_HOST= -e ^DOCKER_CONFIG= && exit 1`);
    const variables = { DOCKER_HOST: "tcp://other:2376", DOCKER_CONTEXT: "other", DOCKER_TLS_VERIFY: "1" };
    const output = host.job({}, { ...variables, DOCKER_CONFIG: "/the/jobs", BUILDX_BUILDER: "other" });
    assert.doesNotMatch(output, /DOCKER_|BUILDX_/);
    assert.deepEqual(new Set(host.lines("hosts")), new Set(["unix:///var/run/docker.sock"]));
    const { output: after } = run(shell, `${host.script()}\necho "$DOCKER_HOST, $removed$older"`, {
      ...host.env,
      ...variables,
    });
    assert.match(after, /^tcp:\/\/other:2376, $/m, "the job's own are as they were");
  });

  it("is looked for once in a while: the time passes on, and a clock that was put back does not end it", () => {
    const host = new Host();
    const looks = (): number => host.lines("asked").filter((line) => line === info).length;
    host.job();
    host.job();
    assert.equal(looks(), 1);
    host.looked(pruneDefaults.every * minute - 30);
    host.job();
    assert.equal(looks(), 1);
    host.looked(pruneDefaults.every * minute + 30);
    host.job();
    assert.equal(looks(), 2);
    host.looked(5 * minute);
    host.job({ prune: { every: 4 } });
    assert.equal(looks(), 3);
    host.looked(-365 * day);
    host.job();
    host.job();
    assert.equal(looks(), 4);
  });

  it("is left to one of two jobs that begin at once; the other does not wait", async () => {
    const host = new Host('[ "$1" != info ] || { : >"$0.busy"; sleep 0.8; }');
    const start = (): { ended: Promise<string>; at: () => number | undefined } => {
      let end: number | undefined;
      const one = spawn("bash", shell.slice(1), { env: host.env });
      one.on("close", () => (end = Date.now()));
      one.stdin.end(host.script({ prune: { every: 1 } }));
      return { ended: text(one.stdout), at: () => end };
    };
    const first = start();
    const busy = join(host.root, "bin/docker.busy");
    for (const deadline = Date.now() + 10_000; !existsSync(busy); await new Promise((done) => setTimeout(done, 10))) {
      assert.ok(Date.now() < deadline, "the first looks");
    }
    // As if the first had been at it for long.
    host.looked(2 * minute);
    assert.match(await start().ended, /the job goes on/);
    assert.equal(first.at(), undefined, "the first is still at it");
    assert.match(await first.ended, /the job goes on/);
    assert.equal(host.lines("asked").filter((line) => line === info).length, 1);
  });

  it("does not hold a job up where Docker hangs, and says so in a line", () => {
    const host = new Host("trap '' TERM; sleep 60 & wait; wait");
    const entry = host.file("cache/p/key/cache.zip", 8);
    const began = Date.now();
    const lines = host.job().trim().split("\n");
    assert.ok(Date.now() - began < 10_000, "it is ended even if it does not want to be");
    assert.equal(lines.length, 2, lines.join("\n"));
    assert.match(
      lines[0]!,
      /^pi-runners: could not remove images without a name and build cache, .* 60 minutes: no answer from Docker within 10 seconds$/,
    );
    assert.match(lines[1]!, /^pi-runners: removed files of the local cache \(1\)/);
    assert.ok(!existsSync(entry), "the rest goes on");

    const later = new Host('[ "$1" = info ] || exec sleep 60');
    assert.match(
      later.job(),
      /^pi-runners: could not remove images without a name, .*: no answer from Docker within 10 seconds\n$/,
    );
    assert.deepEqual(later.lines("asked"), [info, removals(168)[0]], "what hangs is asked nothing more");
  });

  it("goes in the shell that gitlab-runner makes of it, whose script is a word of eval", () => {
    const host = new Host(totals(1, "0B"));
    const script = host.script();
    const env = { ...host.env, script };
    const given =
      "set -o pipefail; set -o errexit; set +o noclobber\n(trap 'exit 1' TERM; eval \"$script\") </dev/null";
    const { status, output } = run(["bash"], given, env);
    assert.equal(status, 0);
    assert.equal(
      output.split("\n").sort().join("\n").trim(),
      "pi-runners: removed images without a name (1), made more than 168 hours ago\nthe job goes on",
    );
  });

  it("is bounded, whatever is asked", () => {
    const host = new Host();
    host.file("cache/p/key/cache.zip", 8);
    host.job();
    const limits = host.lines("limits").map((line) => line.split(" "));
    const asked = limits.map(([, name]) => name);
    assert.equal(asked.filter((name) => name === "docker").length, host.lines("asked").length);
    assert.equal(asked.filter((name) => name === "find").length, 2);
    assert.ok(asked.includes("df"));
    assert.ok(
      limits.every(([seconds]) => Number(seconds) > 0 && Number(seconds) <= 30),
      limits.join("\n"),
    );
  });

  it("is no matter for the job where Docker fails, or is too old for a word, or is not there", () => {
    const failing = new Host('echo "Cannot connect to the Docker daemon. Is it running?" >&2; exit 1');
    assert.match(failing.job(), /^pi-runners: could not remove .*: Cannot connect to the Docker daemon.*\n$/);
    const old = new Host("[ \"$1\" != builder ] || { printf 'unknown flag: --x\\nSee --help.\\n' >&2; exit 125; }");
    assert.equal(
      old.job(),
      "pi-runners: could not remove build cache, the next try is in 60 minutes: unknown flag: --x See --help.\n",
    );
    const none = new Host();
    rmSync(join(none.root, "bin/docker"));
    const path = [join(none.root, "bin"), "/nowhere"].join(":");
    for (const name of ["flock", "date", "stat", "touch", "sed", "find", "bash"]) {
      none.command(name, `exec /usr/bin/${name} "$@"`);
    }
    none.command("timeout", `shift 3; PATH=${path} exec /usr/bin/timeout -k 1 1 "$@"`);
    assert.match(none.job({}, { PATH: path }), /^pi-runners: could not remove .*No such file or directory\n$/);
  });

  it("is no matter for the job where the folder, the lock or its commands are missing", () => {
    const nowhere = run(shell, `${pruneScript({ docker: true }, "/no where").join("\n")}\necho on`, new Host().env);
    assert.deepEqual(nowhere, { status: 0, output: "on\n" });
    const host = new Host();
    host.command("flock", "exit 127");
    assert.equal(host.job(), "");
    assert.deepEqual(host.lines("asked"), []);
  });

  it("of the local cache is what no job wrote or read, with what a job that was ended left of it", () => {
    const host = new Host();
    const gone = [
      host.file("cache/group/a project/key-1/cache.zip", 8),
      host.file("cache/group/a project/key-1/metadata.json", 8),
      host.file("cache/group/sub/other/ke\ny/cache.zip", 400),
      host.file("cache/group/project/archive_123", 8),
      host.file("cache/group/project/cache123", 8),
    ];
    const kept = [
      host.file("cache/group/project/new/cache.zip", 6.9),
      host.file("cache/group/project/read/cache.zip", 30, 1),
      host.file("cache/group/project/written/cache.zip", 1, 30),
      host.file("cache/group/project/archive_124", 0),
      host.file("cache/group/project/notes.txt", 400),
      host.file("builds/x/0/group/project/cache.zip", 400),
      host.file("builds/x/0/group/project/key/metadata.json", 400),
    ];
    assert.equal(host.job(), "pi-runners: removed files of the local cache (5), unused for 168 hours\n");
    assert.deepEqual(gone.filter(existsSync), []);
    assert.deepEqual(
      kept.filter((file) => !existsSync(file)),
      [],
    );
  });

  it("of folders without entries is what no job has just made", () => {
    const host = new Host();
    const [old, fresh] = [join(host.builds, "cache/p/old"), join(host.builds, "cache/p/fresh")];
    [old, fresh].forEach((folder) => mkdirSync(folder, { recursive: true }));
    const hours = Date.now() / 1000 - 2 * 3600;
    utimesSync(old, hours, hours);
    assert.equal(host.job(), "");
    assert.deepEqual([existsSync(old), existsSync(fresh)], [false, true]);
    const cache = join(host.builds, "cache");
    rmSync(join(cache, "p"), { recursive: true });
    utimesSync(cache, hours, hours);
    rmSync(join(host.builds, "pruned"));
    host.job();
    assert.ok(existsSync(cache), "itself stays");
  });
});
