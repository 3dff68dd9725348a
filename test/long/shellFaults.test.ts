/** What happens to jobs of the shell executor when GitLab, the registry, the token or the host goes away. */
import assert from "node:assert/strict";
import type { Server } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { labRunner, serveFiles, ShellHost, standInForHosts } from "../host/shell/lab";
import {
  patience,
  registryContainer,
  stopRegistries,
  testRegistries,
  trustLab,
  type TrustLab,
} from "../host/trust/lab";
import type { StandIn } from "../lab/gitlab/standIn";
import { idOf, oldImage } from "./oldImage";

describe("faults around jobs of the shell executor", function () {
  this.timeout(300_000);
  let lab: TrustLab;
  let standIn: StandIn;
  let files: { url: string; server: Server };
  let shell: ShellHost;
  let registry: string;

  before(async function () {
    this.timeout(patience);
    lab = await trustLab(1);
    const { file, sha256 } = await labRunner();
    files = await serveFiles({ "gitlab-runner": file });
    standIn = await standInForHosts();
    const { plain } = await testRegistries(lab);
    registry = plain.address;
    const common = { url: standIn.url, binary: `${files.url}/gitlab-runner`, sha256, docker: true };
    shell = new ShellHost(lab.hosts[0]!, common);
    await shell.reset();
    await lab.hosts[0]!.reset();
    await shell.host.apply({ registries: [{ ...plain, insecure: true }] });
    await shell.apply(shell.settings());
  });

  afterEach(() => standIn.lab.setFault({ mode: "up" }));

  after(async () => {
    await standIn?.stop();
    files?.server.close();
    await shell?.reset();
    await lab?.hosts[0]!.reset();
    await stopRegistries(lab);
  });

  it("GitLab gone for a while: the job goes on, its log is whole, and nothing is restarted", async () => {
    const pid = await shell.pid();
    const id = await start("outage", "for n in $(seq 30); do echo line $n; sleep 1; done");
    await standIn.lab.setFault({ mode: "down" });
    await sleep(20_000);
    await standIn.lab.setFault({ mode: "up" });
    const { status, trace } = await ended(id);
    assert.equal(status, "success", trace);
    for (let line = 1; line <= 30; line++) {
      assert.match(trace, new RegExp(`line ${line}\r?\n`));
    }
    assert.equal(await shell.pid(), pid);
    assert.equal((await ended(await start("outage", "true"))).status, "success");
  });

  it("a token that GitLab takes no more: the job that runs ends well, no other is taken, the service stays up", async () => {
    const pid = await shell.pid();
    const id = await start("revoked", "sleep 8", "echo ended");
    await standIn.lab.setFault({ mode: "refuse", only: "POST /api/v4/jobs/request" });
    assert.equal((await ended(id)).status, "success");
    const waiting = await pipeline("revoked", "true");
    await sleep(10_000);
    assert.equal(await shell.pid(), pid);
    await standIn.lab.setFault({ mode: "up" });
    await sleep(3_000);
    assert.equal((await standIn.lab.pipeline(waiting)).jobs[0]!.status, "pending");
    // After a few refusals the manager asks no more for an hour; whoever puts the token right applies the stack again.
    await shell.apply(shell.settings({ config: { log_level: "warn" } }));
    assert.equal((await ended(waiting)).status, "success");
  });

  it("the registry gone in the midst of a push: the job fails and says so, and the next one pushes", async () => {
    const container = registryContainer(lab, "plain");
    const push = [
      "head -c 80000000 /dev/urandom >much",
      "printf 'FROM scratch\\nCOPY much /\\n' >Dockerfile",
      `docker build --tag ${registry}/faults:1 .`,
      `docker push ${registry}/faults:1`,
    ];
    const id = await start("no-registry", ...push);
    const arrives = "find /data -path '*/_uploads/*' -name data -size +1M | grep -q .";
    await lab.engine.exec(container, ["timeout", "60", "sh", "-c", `until ${arrives}; do sleep 0.05; done`]);
    await lab.engine.run(["stop", "--time", "0", container]);
    const { status, trace } = await ended(id, 200_000); // docker tries again, five times, each time after longer
    await lab.engine.run(["start", container]);
    assert.equal(status, "failed", trace);
    assert.match(trace, /connection refused|connection reset|no route to host|i\/o timeout|EOF/);
    assert.equal((await ended(await start("no-registry", ...push))).status, "success");
  });

  describe("the host's Docker", () => {
    /** An image to build on, of the host's own programs. */
    const makeBase = (): Promise<string> =>
      shell.host.ok(
        "programs='/bin/sh /usr/bin/head /usr/bin/sleep'; " +
          "tar --hard-dereference -ch $programs $(ldd $programs | grep -o '/lib[^ ]*' | sort -u) 2>/dev/null | docker import - faults-base",
      );
    const build = (command: string): string[] => [
      `printf 'FROM faults-base\\nRUN ${command} # %s\\n' "$CI_JOB_ID" >Dockerfile`,
      "docker build --progress plain .",
    ];
    const builds = async (): Promise<void> => {
      const { status, trace } = await ended(await start("docker", ...build("head -c 1000000 /dev/zero >/little")));
      assert.equal(status, "success", trace);
    };

    it("killed: the job that builds fails and says so, the service stays up, and the next one builds", async () => {
      await makeBase();
      const pid = await shell.pid();
      const id = await start("docker", ...build("echo it be''gan && sleep 60"));
      await until("it builds", async () => /it began$/m.test(await traceOf(id)));
      await shell.host.ok("kill -9 $(systemctl show -p MainPID --value docker)");
      const { status, trace } = await ended(id);
      assert.equal(status, "failed", trace);
      assert.match(trace, /error reading from server|Cannot connect to the Docker daemon|EOF|closed/);
      assert.equal(await shell.pid(), pid);
      await until("Docker is back", async () => (await shell.host.sh("docker version")).status === 0);
      await builds();
      assert.equal(await shell.pid(), pid);
    });

    it("with a full disk: the build fails and says so, what it took is free again, and the next one builds", async () => {
      const stop = "systemctl stop docker.socket docker";
      const begin = "systemctl start docker.socket docker";
      await shell.host.ok(`${stop} && mount -t tmpfs -o size=300m tmpfs /var/lib/docker && ${begin}`);
      try {
        await makeBase();
        const pid = await shell.pid();
        const { status, trace } = await ended(await start("docker", ...build("head -c 900000000 /dev/zero >/much")));
        assert.equal(status, "failed", trace);
        assert.match(trace, /No space left on device/i);
        await builds();
        assert.equal(await shell.pid(), pid);
      } finally {
        await shell.host.ok(`${stop}; umount /var/lib/docker; ${begin}`);
      }
    });
  });

  describe("the disk with the checkouts is full", () => {
    const builds = (): string => `${shell.settings().builds}/builds`;

    beforeEach(async () => {
      assert.equal((await ended(await start("full", "true"))).status, "success");
      await shell.host.ok(`mount -t tmpfs -o size=100m,mode=700,uid=$(id -u gitlab-runner) tmpfs ${builds()}`);
    });
    afterEach(() => shell.host.ok(`umount -l ${builds()}`));

    it("of what a job left: it fails and says so, and the next one of its project makes room", async () => {
      const pid = await shell.pid();
      const { status, trace } = await ended(await start("full", "head -c 200M /dev/zero >fills", "echo ne''ver"));
      assert.equal(status, "failed", trace);
      assert.match(trace, /No space left on device/);
      assert.doesNotMatch(trace, /^never/m);
      const next = await ended(await start("full", "head -c 2M /dev/zero >little"));
      assert.equal(next.status, "success", next.trace);
      assert.match(next.trace, /has 0 MiB left: what earlier jobs left in this one goes/);
      assert.equal(await shell.pid(), pid);
    });

    it("of anything else: the next job says which disk of which host is full, and passes once there is room", async () => {
      await shell.host.sh(`head -c 200M /dev/zero >${builds()}/others`);
      const { status, trace } = await ended(await pipeline("full", "true"));
      assert.equal(status, "failed", trace);
      assert.match(trace, /the disk with the checkouts is full: 0 MiB are left/);
      assert.match(trace, /where: host n1, \/var\/lib\/pi-runners\/shell_builds\/\S+ \(tmpfs, mounted at \S+\)/);
      assert.match(trace, /what to do: Make room there/);
      await shell.host.ok(`rm ${builds()}/others`);
      const next = await ended(await pipeline("full", "true"));
      assert.equal(next.status, "success", next.trace);
      assert.doesNotMatch(next.trace, /the disk with the checkouts/);
    });
  });

  it("what nobody used goes when a job begins, and the job that builds beside it is none the worse", async () => {
    const { builds } = shell.settings();
    const cached =
      "job:\n  cache: [{key: old, paths: [kept]}, {key: new, paths: [kept]}]\n  script: [echo began >kept]\n";
    const zips = async (): Promise<string[]> =>
      (await shell.host.ok(`find ${builds}/cache -name cache.zip | sort`)).split("\n");
    const build = `docker build --tag ${registry}/beside:$CI_JOB_ID .`;
    const wait = "for n in $(seq 45); do sleep 1; done";
    await shell.apply(shell.settings({ concurrent: 2, prune: { every: 1, olderThan: 24 } }));
    try {
      await standIn.lab.createProject("cached", { files: { ".gitlab-ci.yml": cached } });
      const first = await ended((await standIn.lab.startPipeline("cached")).id);
      assert.equal(first.status, "success", first.trace);
      const [fresh, old, ...none] = await zips();
      assert.deepEqual(
        [/\/new[^/]*\/cache\.zip$/.test(fresh!), /\/old[^/]*\/cache\.zip$/.test(old!), none],
        [true, true, []],
      );
      const beside = await start(
        "beside",
        "printf 'FROM scratch\\nCOPY Dockerfile /\\n' >Dockerfile",
        build,
        wait,
        build,
      );
      const nameless = idOf(await shell.host.ok(oldImage("nameless")));
      const named = idOf(await shell.host.ok(oldImage("named", "old-named:1")));
      await shell.host.ok(`touch -d '2 days ago' ${old} && touch -d '2 minutes ago' ${builds}/pruned`);
      const next = await ended(await pipeline("next", "true"));
      assert.equal(next.status, "success", next.trace);
      assert.match(next.trace, /pi-runners: removed .*files of the local cache \(1\), unused for 24 hours/);
      assert.doesNotMatch(next.trace, /could not remove/);
      const images = await shell.host.ok("docker image ls --all --quiet --no-trunc");
      assert.deepEqual([images.includes(nameless), images.includes(named)], [false, true]);
      assert.deepEqual(await zips(), [fresh]);
      const { jobs } = await standIn.lab.pipeline(beside);
      assert.equal(jobs[0]!.status, "running", "it was beside it");
      const last = await ended(beside);
      assert.equal(last.status, "success", last.trace);
    } finally {
      await shell.host.sh("docker image rm old-named:1");
      await shell.apply(shell.settings());
    }
  });

  it("the host starts again during a job: nothing of the job stays, and the runner is back with the same identity", async () => {
    const seen = await managers();
    const id = await start("reboot", "echo $CI_PROJECT_DIR >left", "sleep 300");
    await lab.engine.run(["restart", lab.nodes[0]!.container]);
    await until("the host is up", async () => (await shell.host.sh("systemctl is-system-running --wait")).out !== "");
    await until("the runner is up", async () => (await shell.pid()) !== "0");
    assert.equal(await shell.host.ok("pgrep -u gitlab-runner -f 'sleep 30[0]' | wc -l"), "0");
    // A job that is aborted is told to GitLab; one that was cut off is not, and stays there until GitLab ends it.
    const [job] = (await standIn.lab.pipeline(id)).jobs;
    assert.equal(job!.status, "failed");
    assert.equal((await ended(await start("reboot", "test ! -e left"))).status, "success");
    assert.deepEqual(await managers(), seen);
  });

  /** A job with this script. */
  async function pipeline(project: string, ...script: string[]): Promise<number> {
    const lines = ["echo began", ...script].map((line) => `    - ${JSON.stringify(line)}\n`).join("");
    await standIn.lab.createProject(project, { files: { ".gitlab-ci.yml": `job:\n  script:\n${lines}` } });
    return (await standIn.lab.startPipeline(project)).id;
  }

  async function traceOf(id: number): Promise<string> {
    return standIn.lab.trace((await standIn.lab.pipeline(id)).jobs[0]!.id);
  }

  /** The same, once it runs. */
  async function start(project: string, ...script: string[]): Promise<number> {
    const id = await pipeline(project, ...script);
    await until(`${project} runs`, async () => (await traceOf(id)).includes("began"));
    return id;
  }

  async function ended(id: number, timeoutMs = 90_000): Promise<{ status: string; trace: string }> {
    const { jobs } = await standIn.lab.waitPipeline(id, { timeoutMs });
    return { status: jobs[0]!.status, trace: await standIn.lab.trace(jobs[0]!.id) };
  }

  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + 90_000; !(await holds().catch(() => false)); await sleep(500)) {
      assert.ok(Date.now() < end, `not within 90 s: ${what}`);
    }
  }

  async function managers(): Promise<string[]> {
    return (await standIn.lab.runners()).flatMap((one) => one.managers.map(({ systemId }) => systemId));
  }
});
