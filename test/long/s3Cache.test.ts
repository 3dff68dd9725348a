/** The cache of jobs in an S3 server: what a job leaves there, those of other executors on another node find. */
import assert from "node:assert/strict";
import { machine } from "../../lab/machine/places";
import { cluster, gitlab } from "../lab/stack/lab";
import { endOf, EngineStack, only, type Ended, type RunnerEntry } from "./engineStack";
import { jobCache, s3, secretKeyPath, type Bucket } from "./s3";

const namespace = "cached";

const [node1, pods, inner] = ["cached-dood", "cached-pods", "cached-job"] as const;
const names = [node1, pods, inner];

/** One on a node, two on the other, of three executors or daemons that share nothing there. */
const runners = (bucket: Bucket, folder: string): RunnerEntry[] => {
  const config = { runners: [{ cache: jobCache(bucket, folder) }] };
  return [
    { name: node1, way: "dood", config, ...only(1) },
    { name: pods, way: "kubernetes", jobImage: "pi-lab/buildah:1", config, ...only(2) },
    { name: inner, way: "dind-job", jobImage: "pi-lab/docker:dind", config, ...only(2) },
  ];
};

/** A job that leaves a file in the cache, and then one of each other runner that has to have it. */
async function fillAndUse(filler: string, project: string): Promise<Ended[]> {
  const cache = { key: "kept", paths: ["kept/"] };
  const use = (runner: string): object => ({
    ...{ stage: "use", tags: [runner], cache: { ...cache, policy: "pull" } },
    script: ["cat kept/file"],
  });
  const pipeline = {
    stages: ["fill", "use"],
    fill: {
      ...{ stage: "fill", tags: [filler], cache },
      // What a job knows is searched for the secret key, too.
      script: ["env", "test ! -e kept", "mkdir kept", "echo left by $CI_JOB_ID >kept/file"],
    },
    ...Object.fromEntries(names.filter((name) => name !== filler).map((name) => [`use-${name}`, use(name)])),
  };
  await gitlab.createProject(project, { files: { ".gitlab-ci.yml": JSON.stringify(pipeline) } });
  return endOf((await gitlab.startPipeline(project)).id);
}

describe("the cache of jobs in an S3 server", function () {
  this.timeout(600_000);
  let bucket: Bucket;
  let stack: EngineStack;
  let key = "";
  let gone = false;

  const settings = (folder: string): Parameters<EngineStack["up"]> => [
    runners(bucket, folder),
    { egressPorts: [Number(bucket.address.split(":")[1])] },
    Object.fromEntries(names.map((_, index) => [secretKeyPath(index), key])),
  ];

  before(async () => {
    bucket = await s3(machine);
    key = bucket.env["AWS_SECRET_ACCESS_KEY"]!;
    stack = await EngineStack.of(namespace, runners(bucket, "jobs"));
    await stack.up(...settings("jobs"));
  });

  after(async () => {
    await stack?.destroy();
    await (gone ? undefined : bucket?.remove());
  });

  for (const filler of names) {
    it(`what a job of ${filler} leaves, jobs of the others find`, async () => {
      const project = `filled-by-${filler}`;
      const jobs = await fillAndUse(filler, project);
      jobs.forEach(({ trace }) => stack.stack.saw("the log of a job", trace));
      const fill = jobs.find(({ job }) => job.name === "fill")!;
      assert.equal(fill.status, "success", fill.trace);
      const uses = jobs.filter(({ job }) => job.name !== "fill");
      assert.equal(uses.length, 2);
      for (const { status, trace } of uses) {
        assert.equal(status, "success", trace);
        assert.ok(trace.includes(`left by ${fill.job.id}\n`), trace);
      }
      const objects = bucket.objects().filter((path) => path.includes("/jobs/project/") && path.includes("/kept"));
      assert.equal(objects.length, names.indexOf(filler) + 1, objects.join("\n"));
    });
  }

  it("its secret key is in each runner's Secret, and nowhere else; a merge request shows the rest", async () => {
    const { items } = await cluster().listNamespacedSecret({ namespace });
    const with_ = items.filter(({ data }) =>
      Object.values(data ?? {}).some((value) => Buffer.from(value, "base64").includes(key)),
    );
    assert.deepEqual(with_.map(({ metadata }) => metadata!.name!).sort(), names.map((name) => `${name}-config`).sort());
    await stack.write(...settings("elsewhere"));
    const report = await stack.stack.report();
    assert.match(report, /Path = .?"elsewhere/);
    assert.deepEqual(await stack.stack.leaks(), []);
  });

  it("is not needed: while the server is gone, jobs end well and say so", async () => {
    await bucket.remove();
    gone = true;
    for (const runner of [node1, pods]) {
      const job = {
        tags: [runner],
        cache: { key: "kept", paths: ["kept/"] },
        script: ["mkdir kept", "date >kept/file"],
      };
      const project = `without-${runner}`;
      await gitlab.createProject(project, { files: { ".gitlab-ci.yml": JSON.stringify({ job }) } });
      const [ended] = await endOf((await gitlab.startPipeline(project)).id);
      assert.equal(ended!.status, "success", ended!.trace);
      assert.match(ended!.trace, /Failed to extract cache/);
      assert.match(ended!.trace, /Failed to create cache/);
    }
  });
});
