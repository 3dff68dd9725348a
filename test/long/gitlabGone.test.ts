/** GitLab gone for ten minutes, by gitlab-runner itself with the settings that runners of every way have; no lab is needed. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { presetConfig } from "../../components/runners/manager/config";
import { eventually } from "../lab/stack/lab";
import { findRunner, RealRunner } from "../lab/gitlab/realRunner";
import { dood, startStandIn, type StandIn } from "../lab/gitlab/standIn";

const gone = 600;

/** How often every manager tells how a job ended. */
const { job_status_final_update_retry_limit } = presetConfig(
  { name: "gone", url: "https://gitlab.lan", concurrent: 4, checkInterval: 1, metricsPort: 9252 },
  dood,
  "shell",
  {},
).runners![0]!;

describe(`GitLab gone for ${gone / 60} minutes`, function () {
  this.timeout(1_500_000);
  let standIn: StandIn;
  let runner: RealRunner;

  before(async () => {
    standIn = await startStandIn({ traceIntervalSeconds: 3 });
    runner = new RealRunner(findRunner()!);
    runner.start(standIn.url, dood, { job_status_final_update_retry_limit });
  });
  after(async () => {
    await runner?.stop();
    await standIn?.stop();
  });

  /** A job that says so many lines, one each second, once it runs. */
  async function start(project: string, lines: number): Promise<number> {
    const script = `for n in $(seq ${lines}); do echo line $n.; sleep 1; done`;
    const files = { ".gitlab-ci.yml": JSON.stringify({ job: { script: ["echo began", script] } }) };
    await standIn.lab.createProject(project, { files });
    const { id } = await standIn.lab.startPipeline(project);
    await eventually(`${project} runs`, 60, async () => ((await trace(id)).includes("line 1.") ? true : undefined));
    return id;
  }

  const trace = async (pipeline: number): Promise<string> => {
    const { jobs } = await standIn.lab.pipeline(pipeline);
    return standIn.lab.trace(jobs[0]!.id);
  };

  /** The job ends well within so many seconds, with its whole log. */
  async function endsWell(pipeline: number, lines: number, seconds: number): Promise<void> {
    const { status } = await standIn.lab.waitPipeline(pipeline, { timeoutMs: seconds * 1000 });
    const said = await trace(pipeline);
    assert.equal(status, "success", said);
    assert.equal(new Set([...said.matchAll(/line \d+\./g)].map(([line]) => line)).size, lines);
  }

  it("a job that runs goes on, the next one runs, and GitLab is told of one that ended meanwhile", async () => {
    const goesOn = await start("goes-on", gone + 20);
    const ends = await start("ends", 20);
    await standIn.lab.setFault({ mode: "down" });
    assert.equal((await standIn.lab.pipeline(ends)).status, "running");
    await sleep(gone * 1000);
    await standIn.lab.setFault({ mode: "up" });
    await endsWell(goesOn, gone + 20, 60);
    await endsWell(await start("next", 1), 1, 60);
    // The runner asks less and less often: the eleventh time after some 18 minutes.
    await endsWell(ends, 20, gone);
  });
});
