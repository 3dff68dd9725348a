/** Layers that builds with BuildKit in pods keep on a node for the next one of their project, and for nobody else. */
import assert from "node:assert/strict";
import { images } from "../../../lab/images/images";
import { patience } from "../../host/trust/lab";
import { destroyWays, eventually, gitlab, onNode, pulumi } from "../../lab/stack/lab";
import {
  blobsPulled,
  buildFiles,
  cachedSteps,
  endOf,
  loadOnNodes,
  only,
  printed,
  startJobs,
  type Ended,
} from "../engineStack";
import { deployOnlyPods, deployWays, namespace, runner, sweep } from "./ways";

/** A volume of the lab's nodes: layers cannot lie on a container's own root. */
const hostFolder = "/var/lib/kubelet/pi-layers";
const elsewhere = "/var/lib/kubelet/pi-other-layers";
const folder = `${hostFolder}/${namespace}/${runner}/layers`;
const image = images.buildkit.alias!;
// However full the disk of the machine is.
const buildCache = { hostFolder, image, minFree: 0 };
const kept = { buildCache, jobImage: image, concurrent: 2, ...only(1) };

describe("layers that builds in pods keep", function () {
  this.timeout(400_000);
  let pipeline: string;

  before(async function () {
    this.timeout(patience);
    await loadOnNodes("buildkit");
    await deployWays();
    await deployOnlyPods(kept);
    const { output } = await pulumi("stack", "output", "--stack", "ways", "--json", "pipelines");
    pipeline = (JSON.parse(output) as Record<string, string>)[runner]!;
  });
  after(async () => {
    await sweep();
    await destroyWays();
  });

  /** A build by the pipeline that the stack prints, and how many layers node1 pulled while it went on. */
  async function build(project: string, content: string): Promise<Ended & { pulled: number }> {
    const since = Math.ceil(Date.now() / 1000);
    await gitlab.createProject(project, { files: { ...buildFiles(content), ".gitlab-ci.yml": pipeline } });
    const [ended] = await endOf((await gitlab.startPipeline(project)).id);
    assert.equal(ended!.status, "success", ended!.trace);
    assert.match(ended!.trace, /@sha256:[0-9a-f]{64}/);
    return { ...ended!, pulled: await blobsPulled(since) };
  }

  it("a second build pulls no layer, and has its steps from the cache", async () => {
    assert.ok((await build("pods-one", "one")).pulled > 0, "the registry's log shows what a cold build pulls");
    const warm = await build("pods-one", "two");
    assert.equal(warm.pulled, 0);
    assert.ok(cachedSteps(warm.trace) >= 1, warm.trace);
  });

  it("another project pulls them itself, and sees none of the first one's", async () => {
    assert.ok((await build("pods-two", "one")).pulled > 0);
    const projects = (await onNode(1, `ls -d ${folder}/project-*/`)).trim().split(/\s+/);
    assert.equal(projects.length, 2, projects.join(" "));
    const [seen] = await endOf(await startJobs(runner, "pods-three", { look: ["ls -d /var/lib/pi-runners-layers/*"] }));
    assert.deepEqual(seen!.trace.match(/^\/var\/lib\/pi-runners-layers\/\S+/gm), ["/var/lib/pi-runners-layers/1000-1"]);
  });

  it("a job that says itself which project it is gets no pod", async () => {
    const job = { tags: [runner], variables: { PI_RUNNERS_PROJECT: "1" }, script: ["echo began"] };
    await gitlab.createProject("pods-four", { files: { ".gitlab-ci.yml": JSON.stringify({ job }) } });
    const [ended] = await endOf((await gitlab.startPipeline("pods-four")).id);
    assert.equal(ended!.status, "failed", ended!.trace);
    assert.doesNotMatch(ended!.trace, /^began$/m);
  });

  it("jobs of a project at the same time have folders of their own", async () => {
    const script = ['echo "slot=$PI_RUNNERS_LAYERS"', "sleep 15"];
    const ended = await endOf(await startJobs(runner, "pods-five", { a: script, b: script }));
    const roots = ended.map(({ trace }) => /^slot=(\S+)$/m.exec(trace)?.[1] ?? trace);
    assert.deepEqual(
      roots.sort(),
      [1, 2].map((slot) => `/var/lib/pi-runners-layers/1000-${slot}`),
    );
  });

  it("a build after one whose daemon was killed begins with nothing, whatever that left", async () => {
    // BuildKit's daemon as the build starts it, and its end as the kernel brings it about when memory is short.
    const kill = 'for p in /proc/[0-9]*; do if [ "$(cat $p/comm)" = buildkitd ]; then kill -9 "${p#/proc/}"; fi; done';
    const script = [
      "(rootlesskit $BUILDKITD $BUILDKITD_FLAGS --addr=$BUILDKIT_HOST || :) &",
      "until buildctl debug workers; do sleep 1; done >/dev/null 2>&1",
      kill,
      "sleep 3",
    ];
    const job = { tags: [runner], script: ["echo project=$CI_PROJECT_ID", ...script] };
    await gitlab.createProject("pods-one", { files: { ".gitlab-ci.yml": JSON.stringify({ job }) } });
    const [killed] = await endOf((await gitlab.startPipeline("pods-one")).id);
    assert.equal(killed!.status, "success", killed!.trace);
    const slot = `${folder}/project-${/^project=(\d+)$/m.exec(killed!.trace)![1]!}/1000-1`;
    assert.equal(await onNode(1, `ls -A ${slot}`), "in-use\nstore");
    // What a node that goes down may leave of a database that was not on the disk yet.
    await onNode(1, `find ${slot}/store -name '*.db' -exec truncate -s 100 {} +`);
    assert.ok((await build("pods-one", "four")).pulled > 0);
    assert.equal((await build("pods-one", "five")).pulled, 0);
    assert.equal(await onNode(1, `ls -A ${slot}`), "store", "no mark: that daemon was asked to stop");
    await eventually("the guard removes what was put away", 90, async () =>
      (await onNode(1, `ls -A ${folder}/*`)).includes("broken") ? undefined : true,
    );
  });

  it("go from their folder when they are to be in another one, after the build that has them", async () => {
    const pipeline = await startJobs(runner, "pods-five", {
      long: ["echo has $PI_RUNNERS_LAYERS", "sleep 60", "echo done"],
    });
    await printed(pipeline, "has /var/lib");
    await deployOnlyPods({ ...kept, buildCache: { ...buildCache, hostFolder: elsewhere } });
    const [ended] = await endOf(pipeline, 10);
    assert.equal(ended!.status, "success", ended!.trace);
    assert.equal((await onNode(1, `find ${hostFolder} -mindepth 1`)).trim(), "");
    assert.ok((await build("pods-one", "six")).pulled > 0, "the new one is empty");
    assert.equal((await build("pods-one", "seven")).pulled, 0);
  });

  it("go when none are to be kept any more, and builds go on without", async () => {
    const { buildCache: _cache, ...without } = kept;
    await deployOnlyPods(without);
    assert.equal((await onNode(1, `find ${elsewhere} -mindepth 1`)).trim(), "");
    const [seen] = await endOf(
      await startJobs(runner, "pods-five", { look: ["ls -d /var/lib/pi-runners-layers || echo none"] }),
    );
    assert.match(seen!.trace, /^none$/m);
    await deployOnlyPods(kept);
    await build("pods-one", "eight");
  });

  it("go with the runner", async () => {
    await destroyWays();
    assert.equal((await onNode(1, `ls -A ${hostFolder} 2>/dev/null || :`)).trim(), "");
  });
});
