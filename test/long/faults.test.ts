/**
 * What happens to a job, to its containers and to the next job when something breaks while it runs: by each way that uses
 * Docker, all at once. docs/ways.md has the table. Outages last a minute here, where people may have ten.
 */
import assert from "node:assert/strict";
import { eventually, gitlab, onNode, run, environment } from "../lab/stack/lab";
import {
  endOf,
  engineFolder,
  EngineStack,
  onServer,
  only,
  printed,
  resident,
  runJob,
  startJobs,
  type Ended,
  type RunnerEntry,
} from "./engineStack";

const namespace = "faulty";
const names = ["faulty-dood", "faulty-dind", "faulty-engine"] as const;
type Name = (typeof names)[number];
const ofWay: Record<Name, Record<string, unknown> & { way: string }> = {
  "faulty-dood": { way: "dood" },
  "faulty-dind": { way: "dind" },
  "faulty-engine": resident,
};
const runners: RunnerEntry[] = names.map((name) => ({ name, ...ofWay[name], ...only(1) }));
const outage = 60;

const began = "now it began";
/** A job that lasts, with a container of its own making. */
const lasting = (seconds: number): string[] => [
  "docker run -d --name child-$CI_JOB_ID --entrypoint sleep registry.lab:5000/base:1 900",
  "echo now it be''gan",
  `sleep ${seconds}`,
  "docker rm -f child-$CI_JOB_ID",
];

describe("faults while jobs run", function () {
  this.timeout(900_000);
  let stack: EngineStack;

  before(async () => {
    stack = await EngineStack.of(namespace, runners);
    await stack.up(runners);
  });
  after(async () => {
    await stack?.destroy();
    await onNode(1, "docker ps -aq --filter name=child- | xargs -r docker rm -f");
  });

  /** Starts a job on each runner, and waits until each is in the midst of its script. Gives the pipelines. */
  async function jobs(script: string[]): Promise<Map<Name, number>> {
    const started = new Map<Name, number>();
    for (const name of names) {
      started.set(name, await startJobs(name, `${name}-long`, { job: script }));
    }
    await Promise.all([...started.values()].map((pipeline) => printed(pipeline, began)));
    return started;
  }

  const ends = async (started: Map<Name, number>, seconds: number): Promise<Ended[]> =>
    Promise.all([...started.values()].map(async (pipeline) => (await endOf(pipeline, seconds))[0]!));

  const ids = async (): Promise<string[]> =>
    Promise.all(names.map((name) => onNode(1, `cat /var/lib/pi-runners/${namespace}/${name}/system-id`)));

  /** The next job of each runner passes, by the same identity, and finds no container of those before. */
  async function nextJobsPass(before: string[], dead: Map<Name, number>): Promise<void> {
    for (const [index, name] of names.entries()) {
      const { status, trace, job } = await runJob(name, `${name}-next`, [
        `docker ps -a --format 'sees {{.Label "com.gitlab.gitlab-runner.job.id"}}.'`,
      ]);
      assert.equal(status, "success", `${name}: ${trace}`);
      assert.equal(job.runner!.systemId, before[index]);
      const { id } = (await gitlab.pipeline(dead.get(name)!)).jobs[0]!;
      assert.doesNotMatch(trace, new RegExp(`sees ${id}\\.`), `${name} left containers`);
      const left = await onNode(1, `docker ps -aq --filter label=com.gitlab.gitlab-runner.job.id=${id}`);
      assert.equal(left, "", `${name} left containers on the node's Docker`);
    }
  }

  const pidOf = (name: string): string =>
    `for p in $(pgrep -x gitlab-runner); do tr '\\0' '\\n' </proc/$p/environ | grep -qx RUNNER_POOL=${namespace}/${name} && echo $p; done`;

  it("managers are killed: GitLab hears no more of the job, the next manager removes its containers", async () => {
    const before = await ids();
    const started = await jobs(lasting(900));
    for (const name of names) {
      await onNode(1, `kill -9 $(${pidOf(name)})`);
    }
    await nextJobsPass(before, started);
    for (const pipeline of started.values()) {
      assert.equal((await gitlab.pipeline(pipeline)).status, "running", "until GitLab's own time limit");
      await gitlab.cancelPipeline(pipeline);
    }
  });

  it("the node's Docker is restarted: its jobs fail, those of a resident engine go on", async () => {
    const before = await ids();
    const started = await jobs(lasting(45));
    await onNode(1, "systemctl restart docker");
    const [dood, dind, engine] = await ends(started, 240);
    assert.deepEqual([dood!.status, dind!.status, engine!.status], ["failed", "failed", "success"]);
    await nextJobsPass(before, started);
  });

  it(`the API server is gone for ${outage} s: jobs go on, and end well`, async () => {
    const before = await ids();
    const started = await jobs(lasting(30));
    await onServer("systemctl stop lab-apiserver");
    try {
      await new Promise((done) => setTimeout(done, outage * 1000));
      for (const { status, trace } of await ends(started, 5)) {
        assert.equal(status, "success", trace);
      }
    } finally {
      await onServer("systemctl start lab-apiserver");
    }
    await eventually("the API server answers", 120, () => stack.pods(names[0]).catch(() => undefined));
    await nextJobsPass(before, started);
  });

  it(`GitLab is gone for ${outage} s, while jobs end: it hears of them afterwards, and they end well`, async () => {
    const before = await ids();
    const started = await jobs(lasting(20));
    await gitlab.setFault({ mode: "down" });
    await new Promise((done) => setTimeout(done, outage * 1000));
    await gitlab.setFault({ mode: "up" });
    for (const { status, trace } of await ends(started, 240)) {
      assert.equal(status, "success", trace);
    }
    await nextJobsPass(before, started);
  });

  it("the registry is gone during a push: the job fails and says so, the next one pushes", async () => {
    const before = await ids();
    const push = (content: string): string[] => [
      `printf 'FROM registry.lab:5000/base:1\\nRUN head -c 20000000 /dev/urandom >/${content}\\n' >Dockerfile`,
      "docker build -t registry.lab:5000/lab/$CI_PROJECT_NAME:$CI_JOB_ID .",
      "echo now it be''gan",
      `for i in $(seq 15); do sleep 1; done`,
      "docker push registry.lab:5000/lab/$CI_PROJECT_NAME:$CI_JOB_ID",
    ];
    const started = await jobs(push("one"));
    await onServer("systemctl stop lab-registry");
    try {
      for (const { status, trace } of await ends(started, 400)) {
        assert.equal(status, "failed", trace);
        assert.match(trace, /connection refused|unexpected EOF|connection reset/i);
      }
    } finally {
      await onServer("systemctl start lab-registry");
    }
    const again = await jobs(push("two"));
    for (const { status, trace } of await ends(again, 240)) {
      assert.equal(status, "success", trace);
    }
    await nextJobsPass(before, started);
  });

  it("a token is revoked: the job ends well, no other begins, until the stack has a good one", async () => {
    const [name] = names;
    const before = await ids();
    const started = await jobs(lasting(20));
    const runner = (await gitlab.runners()).find(({ description }) => description === name)!;
    await gitlab.deleteRunner(runner.id);
    for (const { status, trace } of await ends(started, 240)) {
      assert.equal(status, "success", trace);
    }
    const waiting = await startJobs(name, `${name}-waiting`, { job: ["echo at last"] });
    await new Promise((done) => setTimeout(done, 10_000));
    assert.equal((await gitlab.pipeline(waiting)).jobs[0]!.status, "pending");
    const [pod] = await stack.pods(name);
    await stack.renew(name);
    await stack.up(runners);
    const [ended] = await endOf(waiting, 240);
    assert.equal(ended!.status, "success", ended!.trace);
    assert.equal((await stack.pods(name))[0]!.metadata!.uid, pod!.metadata!.uid, "in the same pod");
    await nextJobsPass(before, started);
  });

  it("the node starts again: jobs are lost, runners come back as they were, nothing of the jobs is left", async () => {
    const before = await ids();
    const started = await jobs(lasting(900));
    const { code, output } = await run("docker", ["restart", "--time", "5", "pi-lab-node1"], await environment());
    assert.equal(code, 0, output);
    await nextJobsPass(before, started);
    for (const pipeline of started.values()) {
      await gitlab.cancelPipeline(pipeline);
    }
  });
});

describe("the disk of a resident engine is full", function () {
  this.timeout(600_000);
  const name = "full-engine";
  const folder = "/var/lib/kubelet/pi-full";
  const full: RunnerEntry[] = [{ name, ...resident, engineFolder: folder, ...only(1) }];
  let stack: EngineStack;

  before(async () => {
    await onNode(1, `mkdir -p ${folder} && mount -t tmpfs -o size=2000m tmpfs ${folder}`);
    stack = await EngineStack.of("full", full);
    await stack.up(full);
  });
  after(async () => {
    await stack?.destroy();
    await onNode(1, `umount ${folder} && rmdir ${folder}`);
  });

  it("the job fails and says so; what its build took is free again, and the next job passes", async () => {
    assert.notEqual(folder, engineFolder);
    const first = await runJob(name, "full", ["docker pull -q registry.lab:5000/base:1"]);
    assert.equal(first.status, "success", first.trace);
    const filling = "FROM registry.lab:5000/base:1\nRUN head -c 3000000000 /dev/zero >/much\n";
    const { status, trace } = await runJob(name, "full", ["docker build --progress plain ."], { Dockerfile: filling });
    assert.equal(status, "failed", trace);
    assert.match(trace, /no space left on device/i);
    const next = await runJob(name, "full", ["docker build --progress plain ."], {
      Dockerfile: "FROM registry.lab:5000/base:1\nRUN echo small >/little\n",
    });
    assert.equal(next.status, "success", next.trace);
  });
});
