/** The guard of the card on real engines: it looks every minute while a job builds, pushes and uses a cache volume. */
import assert from "node:assert/strict";
import { systemId } from "../../components/runners/identity";
import { eventually, gitlab, onNode } from "../lab/stack/lab";
import {
  buildFiles,
  buildScript,
  endOf,
  EngineStack,
  only,
  printed,
  resident,
  runJob,
  startJobs,
  type RunnerEntry,
} from "./engineStack";
import { idOf, oldImage } from "./oldImage";

const namespace = "guarded";
// The shortest that the settings allow. With so much to be free the disk is always low: what is a day old goes.
const prune = { every: 1, olderThan: 24, minFree: 99, image: "pi-lab/docker:cli" };
const onNodes: RunnerEntry = { name: "guarded-dood", way: "dood", prune, ...only(2) };
const inEngine: RunnerEntry = { name: "guarded-engine", ...resident, prune, ...only(2) };
const runners = [onNodes, inEngine];

/** A job that builds and pushes twice, with a cache volume and a stopped container, and two looks of the guard between. */
const longJob = [
  "echo kept >/cache/of-this-job",
  ...buildScript,
  "docker create --name of-$CI_JOB_ID --entrypoint true registry.lab:5000/base:1",
  "echo now it bui''lt",
  "for i in $(seq 130); do sleep 1; done",
  "docker rm of-$CI_JOB_ID",
  ...buildScript,
  "cat /cache/of-this-job",
];

describe("the guard while jobs run", function () {
  this.timeout(900_000);
  let stack: EngineStack;

  before(async () => {
    stack = await EngineStack.of(namespace, runners);
    await stack.up(runners);
  });
  after(() => stack?.destroy());

  /** Where the guard notes when it saw something used last. */
  const marks = (runner: string): string => `/var/lib/pi-runners/${namespace}/${runner}/used`;
  const noted = async (runner: string): Promise<string[]> =>
    (await onNode(2, `ls ${marks(runner)} 2>/dev/null || true`)).split(/\s+/).filter((name) => name !== "");
  const age = (runner: string, names: string): Promise<string> =>
    onNode(2, `cd ${marks(runner)} && touch -d '3 days ago' ${names}`);

  it("on the node's own Docker removes what is old of its runner, and nothing of a running job or of others", async () => {
    const { name } = onNodes;
    const first = await runJob(name, "guard-old", ["echo >/cache/x"]);
    assert.equal(first.status, "success", first.trace);
    const old = await eventually("the guard has noted the volumes of the first job", 90, async () => {
      const found = await noted(name);
      return found.length > 0 ? found : undefined;
    });
    const id = systemId("node2", `${namespace}/other`);
    const others = ["runner-of-another", "nobodys"];
    const label = `com.gitlab.gitlab-runner.runner.system_id=${id}`;
    await onNode(2, `docker volume create --label ${label} ${others[0]} && docker volume create ${others[1]}`);
    try {
      const running = await startJobs(name, "guard-dood", { job: longJob }, buildFiles("one"));
      await printed(running, "now it built");
      const nameless = idOf(await onNode(2, oldImage("nameless")));
      const named = idOf(await onNode(2, oldImage("named", "old-named:1")));
      await onNode(2, `: >${marks(name)}/${others[0]}`);
      // Those of the running job too: only that a container has them keeps them.
      await age(name, "*");
      await eventually("the guard has looked", 110, async () => {
        const there = await onNode(2, `docker image ls --all --quiet --no-trunc`);
        return there.includes(nameless) ? undefined : true;
      });
      const volumes = await eventually("volumes are looked at last", 30, async () => {
        const there = await onNode(2, "docker volume ls --quiet");
        return old.some((volume) => there.includes(volume)) ? undefined : there.split(/\s+/);
      });
      assert.equal((await gitlab.pipeline(running)).jobs[0]!.status, "running");
      assert.deepEqual(
        others.filter((volume) => !volumes.includes(volume)),
        [],
      );
      assert.match(await onNode(2, "docker image ls --quiet --no-trunc"), new RegExp(named));
      const [ended] = await endOf(running);
      assert.equal(ended!.status, "success", ended!.trace);
      assert.match(ended!.trace, /^kept$/m);
    } finally {
      await onNode(2, `docker volume rm --force ${others.join(" ")}; docker image rm old-named:1; true`);
    }
  });

  it("in an engine of its own removes images with a name, too, once no job runs, and the job is none the worse", async () => {
    const { name } = inEngine;
    const old = "registry.lab:5000/lab/old-named:1";
    const load = ["echo >/cache/x", oldImage("nameless"), "echo", oldImage("named", old)];
    const loading = await runJob(name, "guard-old", load);
    assert.equal(loading.status, "success", loading.trace);
    const [named] = [...loading.trace.matchAll(/^id=sha256:([0-9a-f]{64})\./gm)].slice(-1).map(([, id]) => id!);
    await eventually("the guard has seen the image", 120, async () =>
      (await noted(name)).includes(`image-${named}`) ? true : undefined,
    );
    const running = await startJobs(name, "guard-engine", { job: longJob }, buildFiles("one"));
    await printed(running, "now it built");
    await age(name, `runner-* image-${named}`);
    const [pod] = await stack.pods(name);
    const said = (): Promise<string> => stack.log(pod!.metadata!.name!, "guard");
    await eventually("the guard has looked while the job runs", 110, async () =>
      /removed volume runner-\S+, unused for 24 hours/.test(await said()) ? true : undefined,
    );
    assert.doesNotMatch(await said(), /removed image \S+, unused/, "while a job runs");
    const [ended] = await endOf(running);
    assert.equal(ended!.status, "success", ended!.trace);
    assert.match(ended!.trace, /^kept$/m);
    await eventually("the guard has looked with no job there", 120, async () =>
      (await said()).includes(`removed image ${old}, unused for 24 hours`) ? true : undefined,
    );
    const after = await runJob(name, "guard-old", ["docker image ls --format 'has={{.Repository}}'"]);
    assert.match(after.trace, /has=registry\.lab:5000\/base/, "what was used today is still there");
    assert.doesNotMatch(after.trace, /old-named/);
  });
});
