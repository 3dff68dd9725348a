/**
 * What happens to a job, to its containers and to the next job when something breaks while it runs: by each way that uses
 * Docker, all at once. docs/ways.md has the table; longer outages are in outages.test.ts and gitlabGone.test.ts, full disks in
 * diskFull.test.ts.
 */
import assert from "node:assert/strict";
import { environment, eventually, gitlab, onNode, run } from "../lab/stack/lab";
import {
  dockerWays,
  endOf,
  EngineStack,
  onServer,
  only,
  printed,
  runJob,
  startJobs,
  type DockerWay,
  type Ended,
  type RunnerEntry,
} from "./engineStack";

const namespace = "faulty";
const ways = Object.keys(dockerWays) as DockerWay[];
/** Those whose jobs have a daemon of their own. */
const withDaemon = ways.filter((way) => !["dood", "dind-resident"].includes(way));
const nameOf = (way: DockerWay): string => `faulty-${way}`;
const projectOf = (way: DockerWay): string => `faulty-${way}-long`;
const runners: RunnerEntry[] = ways.map((way) => ({ name: nameOf(way), ...dockerWays[way], ...only(1) }));

const outage = 60;

const began = "now it began";
/** A job that lasts, with a container of its own making. */
const lasting = (seconds: number): string[] => [
  "docker run -d --name child-$CI_JOB_ID --entrypoint sleep registry.lab:5000/base:1 900",
  "echo now it be''gan",
  `sleep ${seconds}`,
  "docker rm -f child-$CI_JOB_ID",
];

type Started = Map<DockerWay, number>;
/** What is to become of the job of each way. */
type Fate = Partial<Record<DockerWay, "success" | "failed">>;
const all = (fate: "success" | "failed", of: DockerWay[] = ways): Fate =>
  Object.fromEntries(of.map((way) => [way, fate]));

describe("faults while jobs run", function () {
  this.timeout(900_000);
  let stack: EngineStack;
  let identities: Map<DockerWay, string>;
  let kept: string;

  before(async () => {
    stack = await EngineStack.of(namespace, runners);
    await stack.up(runners);
    const idOf = (way: DockerWay): string => `cat /var/lib/pi-runners/${namespace}/${nameOf(way)}/system-id`;
    kept = await ofJobs();
    identities = new Map(await Promise.all(ways.map(async (way) => [way, await onNode(1, idOf(way))] as const)));
  });
  after(async () => {
    await stack?.destroy();
    await onNode(1, "docker ps -aq --filter name=child- | xargs -r docker rm -f");
  });

  /** Starts a job by each of the ways, and waits until each is in the midst of its script. Gives the pipelines. */
  async function jobs(script: string[], of: DockerWay[] = ways): Promise<Started> {
    const started: Started = new Map();
    for (const way of of) {
      started.set(way, await startJobs(nameOf(way), projectOf(way), { job: script }));
    }
    await Promise.all([...started.values()].map((pipeline) => printed(pipeline, began)));
    return started;
  }

  /** Waits for the ends of the jobs, which are to be these. */
  async function expectEnds(started: Started, fates: Fate, seconds = 240): Promise<Map<DockerWay, Ended>> {
    const ends = new Map<DockerWay, Ended>();
    await Promise.all([...started].map(async ([way, id]) => ends.set(way, (await endOf(id, seconds))[0]!)));
    for (const [way, { status, trace }] of ends) {
      assert.equal(status, fates[way], `${way}: ${trace}`);
    }
    return ends;
  }

  /** The next job by each way passes, by the same identity, and finds no container of the one before. */
  async function nextJobsPass(dead: Started): Promise<void> {
    await Promise.all(
      [...dead].map(async ([way, pipeline]) => {
        const { status, trace, job } = await runJob(nameOf(way), projectOf(way), [
          `docker ps -a --format 'sees {{.Label "com.gitlab.gitlab-runner.job.id"}}. {{.Names}}.'`,
        ]);
        assert.equal(status, "success", `${way}: ${trace}`);
        assert.equal(job.runner!.systemId, identities.get(way));
        const { id } = (await gitlab.pipeline(pipeline)).jobs[0]!;
        assert.doesNotMatch(trace, new RegExp(`sees ${id}\\.`), `${way} left containers`);
        if (way !== "dood") {
          assert.doesNotMatch(trace, / child-\d+\./, `${way} left what the job had started`);
        }
        const left = await onNode(1, `docker ps -aq --filter label=com.gitlab.gitlab-runner.job.id=${id}`);
        assert.equal(left, "", `${way} left containers on the node's Docker`);
      }),
    );
    await eventually("no volume or network of a job stays", 60, async () =>
      (await ofJobs()) === kept ? true : undefined,
    );
  }

  /** Volumes and networks on the node's Docker that jobs may have made, but for those that a next job gets again. */
  const ofJobs = (): Promise<string> =>
    onNode(
      1,
      "docker volume ls -q | grep -v '^runner-.*-cache-'; docker network ls -q --filter label=com.gitlab.gitlab-runner.managed=true",
    );

  const pidOf = (way: DockerWay): string =>
    `for p in $(pgrep -x gitlab-runner); do tr '\\0' '\\n' </proc/$p/environ | grep -qx RUNNER_POOL=${namespace}/${nameOf(way)} && echo $p; done`;

  it("managers are killed: GitLab hears no more of the job, the next manager removes its containers", async () => {
    const started = await jobs(lasting(900));
    for (const way of ways) {
      await onNode(1, `kill -9 $(${pidOf(way)})`);
    }
    await nextJobsPass(started);
    for (const pipeline of started.values()) {
      assert.equal((await gitlab.pipeline(pipeline)).status, "running", "until GitLab's own time limit");
      await gitlab.cancelPipeline(pipeline);
    }
  });

  for (const [what, command] of [
    ["restarted", "systemctl restart docker"],
    ["killed", "kill -9 $(systemctl show -p MainPID --value docker)"],
  ]) {
    it(`the node's Docker is ${what}: its jobs fail, those of a resident engine go on`, async () => {
      const started = await jobs(lasting(45));
      await onNode(1, command!);
      await expectEnds(started, { ...all("failed"), "dind-resident": "success" });
      await nextJobsPass(started);
    });
  }

  it("the daemon of a job is killed: the job fails and says so, the next one has one again", async () => {
    const started = await jobs(lasting(20), withDaemon);
    for (const pipeline of started.values()) {
      const { id } = (await gitlab.pipeline(pipeline)).jobs[0]!;
      const daemon =
        `for c in $(docker ps -q --filter label=com.gitlab.gitlab-runner.job.id=${id}); do docker top $c -eo pid,comm; done | ` +
        "sed -n 's/^ *\\([0-9]*\\) *dockerd$/\\1/p'";
      await onNode(1, `pids=$(${daemon}) && test -n "$pids" && kill -9 $pids`);
    }
    for (const [way, { trace }] of await expectEnds(started, all("failed", withDaemon))) {
      assert.match(
        trace,
        /cannot connect to the docker daemon|no such host|connection refused|error during connect/i,
        `${way}: ${trace}`,
      );
    }
    await nextJobsPass(started);
  });

  it(`GitLab is gone for ${outage} s, while jobs end: it hears of them afterwards, and they end well`, async () => {
    const started = await jobs(lasting(20));
    await gitlab.setFault({ mode: "down" });
    await new Promise((done) => setTimeout(done, outage * 1000));
    await gitlab.setFault({ mode: "up" });
    await expectEnds(started, all("success"));
    await nextJobsPass(started);
  });

  it("the registry is gone before a push: the job fails and says so, the next one pushes", async () => {
    const push = (content: string, wait: string[] = []): string[] => [
      `printf 'FROM registry.lab:5000/base:1\\nRUN head -c 20000000 /dev/urandom >/${content}\\n' >Dockerfile`,
      "docker build -t registry.lab:5000/lab/$CI_PROJECT_NAME:$CI_JOB_ID .",
      "echo now it be''gan",
      ...wait,
      "docker push registry.lab:5000/lab/$CI_PROJECT_NAME:$CI_JOB_ID",
    ];
    const untilGone = "while docker pull -q registry.lab:5000/base:1 >/dev/null 2>&1; do sleep 1; done";
    const started = await jobs(push("one", [untilGone]));
    await onServer("systemctl stop lab-registry");
    try {
      for (const [way, { trace }] of await expectEnds(started, all("failed"), 400)) {
        assert.match(trace, /connection refused|unexpected EOF|connection reset/i, `${way}: ${trace}`);
      }
    } finally {
      await onServer("systemctl start lab-registry");
    }
    await expectEnds(await jobs(push("two")), all("success"));
    await nextJobsPass(started);
  });

  it("the registry is gone in the midst of uploads: jobs fail and say so, the next ones push", async () => {
    const now = Date.now();
    const start = `registry.lab:5000/start:${now}`;
    const push = [
      `printf 'FROM registry.lab:5000/base:1\\nRUN head -c 60000000 /dev/urandom >/much-${now}\\n' >Dockerfile`,
      "docker build -t registry.lab:5000/lab/$CI_PROJECT_NAME:$CI_JOB_ID .",
      "echo now it be''gan",
      `until docker pull -q ${start} >/dev/null 2>&1; do sleep 1; done`,
      "docker push registry.lab:5000/lab/$CI_PROJECT_NAME:$CI_JOB_ID",
    ];
    const repositories = "/var/lib/pi-lab/registry/docker/registry/v2/repositories/lab";
    const arrives = ways.map(
      (way) =>
        `find ${repositories}/${projectOf(way)}/_uploads -newermt @${Math.floor(now / 1000)} -name data -size +1M 2>/dev/null | grep -q .`,
    );
    const everywhere = arrives.map((one) => `until ${one}; do sleep 0.1; done`).join("; ");
    const started = await jobs(push);
    await onNode(1, "tc qdisc add dev eth0 root tbf rate 40mbit burst 256kb latency 400ms");
    try {
      const to = start.replace("registry.lab", "docker://localhost");
      const copy = "skopeo copy --quiet --src-tls-verify=false --dest-tls-verify=false";
      await onServer(`${copy} docker://localhost:5000/base:1 ${to}`);
      await onServer(
        `timeout 100 sh -c '${everywhere}' && systemctl kill -s KILL lab-registry && systemctl stop lab-registry`,
      );
      for (const [way, { trace }] of await expectEnds(started, all("failed"))) {
        assert.match(
          trace,
          /connection refused|EOF|connection reset|broken pipe|closed network connection/i,
          `${way}: ${trace}`,
        );
      }
    } finally {
      await onNode(1, "tc qdisc del dev eth0 root");
      await onServer("systemctl start lab-registry");
    }
    await expectEnds(await jobs(push), all("success"));
    await nextJobsPass(started);
  });

  it("tokens are revoked: jobs end well, no other begins, until the stack has good ones", async () => {
    const started = await jobs(lasting(20));
    const known = await gitlab.runners();
    await Promise.all(
      ways.map((way) => gitlab.deleteRunner(known.find(({ description }) => description === nameOf(way))!.id)),
    );
    await expectEnds(started, all("success"));
    const waiting: Started = new Map();
    for (const way of ways) {
      waiting.set(way, await startJobs(nameOf(way), projectOf(way), { job: ["echo at last"] }));
    }
    await new Promise((done) => setTimeout(done, 10_000));
    const pods = new Map<DockerWay, string>();
    for (const way of ways) {
      assert.equal((await gitlab.pipeline(waiting.get(way)!)).jobs[0]!.status, "pending");
      pods.set(way, (await stack.pods(nameOf(way)))[0]!.metadata!.uid!);
      await stack.renew(nameOf(way));
    }
    await stack.up(runners);
    await expectEnds(waiting, all("success"));
    for (const [way, uid] of pods) {
      assert.equal((await stack.pods(nameOf(way)))[0]!.metadata!.uid, uid, `${way}: in the same pod`);
    }
    await nextJobsPass(started);
  });

  it("the node starts again: jobs are lost, runners come back as they were, nothing of the jobs is left", async () => {
    const started = await jobs(lasting(900));
    const { code, output } = await run("docker", ["restart", "--time", "5", "pi-lab-node1"], await environment());
    assert.equal(code, 0, output);
    await nextJobsPass(started);
    const keeps = "docker image inspect --format 'it has {{index .RepoTags 0}}' registry.lab:5000/base:1";
    const { trace } = await runJob(nameOf("dind-resident"), projectOf("dind-resident"), [keeps]);
    assert.match(trace, /^it has registry\.lab:5000\/base:1$/m, "the engine's layers are there");
    await Promise.all([...started.values()].map((pipeline) => gitlab.cancelPipeline(pipeline)));
  });
});
