/** Disks that builds fill: that of the node's Docker, and that of a resident engine. Both are file systems of their own here. */
import assert from "node:assert/strict";
import { runnerVersion } from "../../components/runners/images";
import { onNode } from "../lab/stack/lab";
import { dockerWays, EngineStack, only, runJob, type Ended, type RunnerEntry } from "./engineStack";

const filling = "FROM registry.lab:5000/base:1\nRUN head -c 5000000000 /dev/zero >/much\n";
/** What is said is another layer, so that no cache has it. */
const little = (said: string): Record<string, string> => ({
  Dockerfile: `FROM registry.lab:5000/base:1\nRUN echo ${said} && head -c 3000000 /dev/zero >/little\n`,
});
const projectOf = (runner: string): string => `${runner}-project`;
const build = ["docker build --progress plain ."];

/** A build that takes more than there is fails and says so; what it took is free again for the next job. */
async function buildsAgain(runner: string): Promise<void> {
  const { status, trace } = await runJob(runner, projectOf(runner), build, { Dockerfile: filling });
  assert.equal(status, "failed", trace);
  assert.match(trace, /no space left on device/i);
  const next = await runJob(runner, projectOf(runner), build, little("after a build"));
  assert.equal(next.status, "success", next.trace);
}

/** A job that leaves a volume as large as what there is. */
const leaves = (runner: string): Promise<Ended> =>
  runJob(runner, projectOf(runner), [
    "docker pull -q registry.lab:5000/base:1",
    "docker run --rm -v hog:/hog --entrypoint sh registry.lab:5000/base:1 -c 'cat /dev/zero >/hog/much'",
  ]);
const next = (runner: string): Promise<Ended> => runJob(runner, projectOf(runner), build, little("after a volume"));

/** What a job left in a daemon that the next one has as well is in its way, which says so, until it is removed. */
async function inTheWay(runner: string, full: () => Promise<string>, remove: () => Promise<unknown>): Promise<void> {
  const { status, trace } = await leaves(runner);
  assert.equal(status, "failed", trace);
  assert.match(trace, /no space left on device/i);
  const disk = await full();
  const { status: then, trace: said } = await next(runner);
  assert.equal(then, "failed", `${disk}\n${said}`);
  assert.match(said, /no space left on device/i);
  await remove();
  const { status: atLast, trace: now } = await next(runner);
  assert.equal(atLast, "success", now);
}

describe("the disk of the node's Docker is full", function () {
  this.timeout(900_000);
  const ways = ["dood", "dind", "dind-job", "dind-plain"] as const;
  const nameOf = (way: string): string => `full-${way}`;
  const runners: RunnerEntry[] = ways.map((way) => ({ name: nameOf(way), ...dockerWays[way], ...only(2) }));
  const images = ["docker:cli", "docker:dind", `gitlab-runner-helper:${runnerVersion}`].map((one) => `pi-lab/${one}`);
  const [saved, disk] = ["/var/lib/kubelet/pi-images.tar", "/var/lib/kubelet/pi-docker.disk"];
  let stack: EngineStack;

  before(async () => {
    await onNode(2, `docker save ${images.join(" ")} -o ${saved}`);
    // No tmpfs: what a daemon wrote there would count as its memory, which has a limit.
    await onNode(2, `truncate --size 2200M ${disk} && mkfs.ext4 -q -m 0 ${disk}`);
    await onNode(2, "for i in $(seq 0 31); do test -e /dev/loop$i || mknod /dev/loop$i b 7 $i; done");
    await onNode(2, "systemctl stop docker.socket docker");
    await onNode(2, `mount -o loop ${disk} /var/lib/docker && systemctl start docker.socket docker`);
    await onNode(2, `docker load --quiet --input ${saved}`);
    stack = await EngineStack.of("full-node", runners);
    await stack.up(runners);
  });
  after(async () => {
    await stack?.destroy();
    await onNode(2, `systemctl stop docker.socket docker; umount /var/lib/docker; rm -f ${saved} ${disk}`);
    await onNode(2, "systemctl start docker.socket docker");
  });

  const free = (): Promise<string> => onNode(2, "df -Pm /var/lib/docker | tail -n 1");
  const ofJobs = (): Promise<string> => onNode(2, "docker ps -aq --filter label=com.gitlab.gitlab-runner.job.id");

  for (const way of ways) {
    it(`${way}: a build that fills it fails and says so, and the next job builds`, async () => {
      await buildsAgain(nameOf(way));
      assert.equal(await ofJobs(), "");
    });
  }

  for (const way of ["dind", "dind-job", "dind-plain"]) {
    it(`${way}: what a job left there goes with the next one, which passes`, async () => {
      const { status, trace } = await leaves(nameOf(way));
      assert.equal(status, "failed", trace);
      assert.match(trace, /no space left on device/i);
      const full = await free();
      const { status: then, trace: said } = await next(nameOf(way));
      assert.equal(then, "success", `${full}\n${said}`);
      assert.equal(await ofJobs(), "");
    });
  }

  it("dood: what a job left there keeps the next one from building, which says so, until there is room", async () => {
    await inTheWay(nameOf("dood"), free, () => onNode(2, "docker volume rm hog"));
    assert.equal(await ofJobs(), "");
  });
});

describe("the disk of a resident engine is full", function () {
  this.timeout(600_000);
  const name = "full-engine";
  const folder = "/var/lib/kubelet/pi-full";
  const full: RunnerEntry[] = [{ name, ...dockerWays["dind-resident"], engineFolder: folder, ...only(2) }];
  let stack: EngineStack;

  before(async () => {
    await onNode(2, `mkdir -p ${folder} && mount -t tmpfs -o size=2000m tmpfs ${folder}`);
    stack = await EngineStack.of("full", full);
    await stack.up(full);
  });
  after(async () => {
    await stack?.destroy();
    await onNode(2, `umount ${folder} && rmdir ${folder}`);
  });

  it("the job fails and says so; what its build took is free again, and the next job passes", async () => {
    const first = await runJob(name, "full", ["docker pull -q registry.lab:5000/base:1"]);
    assert.equal(first.status, "success", first.trace);
    await buildsAgain(name);
  });

  it("what a job left there keeps the next one from building, which says so, until a job removes it", async () => {
    const free = () => onNode(2, `df -Pm ${folder} | tail -n 1`);
    await inTheWay(name, free, async () => {
      const { status, trace } = await runJob(name, projectOf(name), ["docker volume rm hog"]);
      assert.equal(status, "success", trace);
    });
  });
});
