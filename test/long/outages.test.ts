/**
 * The API server gone for five minutes, GitLab for ten, while jobs of every way run and end: all ways at once, so that it costs
 * no more than that. When GitLab hears of a job that ended right at the beginning: gitlabGone.test.ts.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually, gitlab } from "../lab/stack/lab";
import {
  dockerWays,
  endOf,
  EngineStack,
  onServer,
  only,
  printed,
  startJobs,
  type Ended,
  type RunnerEntry,
} from "./engineStack";

const namespace = "outages";
// Two at a time: one that ends during the outage, and one that outlasts it.
const inCluster = { ...dockerWays, kubernetes: { way: "kubernetes", jobImage: "pi-lab/buildah:1" } };
const runners: RunnerEntry[] = [
  ...Object.values(inCluster).map((one) => ({ ...one, name: `outages-${one.way}`, concurrent: 2, ...only(1) })),
  { name: "outages-shell", way: "shell", hosts: ["node2"], docker: true, binary: ".lab/gitlab-runner", concurrent: 2 },
];
const names = runners.map(({ name }) => name);

const gitlabGone = 600_000;
const apiServerGone = 300_000;

/** A job that says a line each second. */
const lasting = (seconds: number): string[] => [
  "echo now it be''gan",
  `for n in $(seq ${seconds}); do echo line $n.; sleep 1; done`,
  "echo it en''ded",
];

type Started = Map<string, number>;

describe("outages at their full length", function () {
  this.timeout(2_400_000);
  let stack: EngineStack;
  let identities: Map<string, string>;

  before(async () => {
    stack = await EngineStack.of(namespace, runners);
    await stack.up(runners);
    identities = new Map(
      [...(await ends(await start("first", ["true"])))].map(([name, one]) => [name, identityOf(one)]),
    );
  });
  afterEach(() => gitlab.setFault({ mode: "up" }));
  after(() => stack?.destroy());

  const identityOf = ({ job, trace }: Ended): string => {
    assert.equal(job.status, "success", trace);
    return job.runner!.systemId;
  };

  /** Starts a job by each way. */
  async function start(project: string, script: string[]): Promise<Started> {
    const started: Started = new Map();
    for (const name of names) {
      started.set(name, await startJobs(name, `${name}-${project}`, { job: script }));
    }
    return started;
  }

  /** The same, once each is in the midst of its script. */
  async function running(project: string, script: string[]): Promise<Started> {
    const started = await start(project, script);
    await Promise.all([...started.values()].map((pipeline) => printed(pipeline, "now it began")));
    return started;
  }

  async function ends(started: Started, seconds = 240): Promise<Map<string, Ended>> {
    const found = [...started].map(async ([name, pipeline]) => [name, (await endOf(pipeline, seconds))[0]!] as const);
    return new Map(await Promise.all(found));
  }

  /** Each job ends well, its log is whole. */
  async function endWell(started: Started, lines: number, seconds?: number): Promise<void> {
    for (const [name, { status, trace }] of await ends(started, seconds)) {
      assert.equal(status, "success", `${name}: ${trace}`);
      const seen = new Set([...trace.matchAll(/line (\d+)\./g)].map(([, line]) => Number(line)));
      assert.equal(seen.size, lines, `${name}: ${trace}`);
      assert.match(trace, /it ended/, name);
    }
  }

  /** A next job of each way passes, by the same identity. */
  async function nextJobsPass(): Promise<void> {
    for (const [name, one] of await ends(await start("next", ["true"]))) {
      assert.equal(identityOf(one), identities.get(name), name);
    }
  }

  /** What tells that nobody restarted a manager. */
  const managers = async (): Promise<string[]> => {
    const pods = await Promise.all(names.map((name) => stack.pods(name)));
    return pods.flat().flatMap(({ metadata, status }) => {
      const counts = status?.containerStatuses?.map(({ name, restartCount }) => `${name} ${restartCount}`) ?? [];
      return [metadata!.uid!, ...counts.sort()];
    });
  };

  it("the API server gone for five minutes: jobs go on and end well, and the next one runs", async () => {
    const before = await managers();
    const started = await running("no-api", lasting(60));
    const inPod = new Map([...started].filter(([name]) => name === "outages-kubernetes"));
    const others = new Map([...started].filter(([name]) => !inPod.has(name)));
    await onServer("systemctl stop lab-apiserver");
    try {
      await sleep(apiServerGone);
      await endWell(others, 60, 5);
    } finally {
      await onServer("systemctl start lab-apiserver");
    }
    await eventually("the API server answers", 120, () => managers().catch(() => undefined));
    await endWell(inPod, 60);
    await nextJobsPass();
    assert.deepEqual(await managers(), before);
  });

  it("GitLab gone for ten minutes: jobs go on, or end and GitLab is told when it is back, and the next one runs", async () => {
    const before = await managers();
    const goesOn = await running("goes-on", lasting(gitlabGone / 1000 + 60));
    const endsMeanwhile = await running("ends", lasting(200));
    await gitlab.setFault({ mode: "down" });
    await sleep(gitlabGone);
    for (const [name, pipeline] of endsMeanwhile) {
      assert.equal((await gitlab.pipeline(pipeline)).status, "running", `${name} has ended before GitLab went`);
    }
    await gitlab.setFault({ mode: "up" });
    await endWell(endsMeanwhile, 200);
    await endWell(goesOn, gitlabGone / 1000 + 60);
    await nextJobsPass();
    assert.deepEqual(await managers(), before);
  });
});
