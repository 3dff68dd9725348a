/** The engine in a runner's pod, on a node whose Docker is stopped and masked: what it survives, keeps and leaves. */
import assert from "node:assert/strict";
import type { V1Pod } from "@kubernetes/client-node";
import { cluster, eventually, onNode } from "../lab/stack/lab";
import { labConfig } from "./tokenStack";
import {
  build,
  cachedSteps,
  endOf,
  engineFolder,
  EngineStack,
  only,
  printed,
  resident,
  runJob,
  startJobs,
  type RunnerEntry,
} from "./engineStack";

const name = "engine";
const namespace = "resident";
const runners: RunnerEntry[] = [{ name, ...resident, ...only(1) }];

/** The registries of the lab but the one with a CA, which the engine hears of while it runs. */
const [byCa, others] = [true, false].map((want) =>
  (labConfig(namespace)["registries"] as { caFile?: string }[]).filter(({ caFile }) => (caFile !== undefined) === want),
);

describe("a runner with an engine of its own, on a node without Docker", function () {
  this.timeout(600_000);
  let stack: EngineStack;
  let destroyed = false;

  before(async () => {
    await onNode(
      1,
      "systemctl stop docker.socket docker && systemctl mask docker.socket docker && rm -f /run/docker.sock",
    );
    stack = await EngineStack.of(namespace, runners);
    await stack.up(runners, { registries: others });
  });

  after(async () => {
    if (!destroyed) {
      await stack?.destroy();
    }
    await onNode(1, "systemctl unmask docker.socket docker && systemctl start docker.socket docker");
  });

  /** Processes on the node by this name: of the lab's, only the engine's are called dockerd while Docker is stopped. */
  const pid = "pgrep -x dockerd";
  const systemIdOf = async (): Promise<string> => onNode(1, `cat /var/lib/pi-runners/${namespace}/${name}/system-id`);

  it("builds and pushes", async () => {
    assert.match(await onNode(1, "docker info 2>&1 || systemctl is-active docker || true"), /Cannot connect|inactive/);
    const { status, trace, pulled } = await build(name, "warm", "one");
    assert.equal(status, "success", trace);
    assert.match(trace, /digest: sha256:[0-9a-f]{64}/);
    assert.ok(pulled > 0, "a cold engine pulls layers, and the registry's log says so");
  });

  it("builds the same again without pulling a layer", async () => {
    const { status, trace, pulled } = await build(name, "warm", "two");
    assert.equal(status, "success", trace);
    assert.equal(pulled, 0);
    assert.ok(cachedSteps(trace) >= 1, trace);
  });

  it("comes back with its layers when it is killed, without what the dead job had left", async () => {
    const dying = await startJobs(name, "dying", {
      job: [
        `docker run -d --name left --entrypoint sleep ${resident.jobImage} 900`,
        "echo now it be''gan",
        "sleep 900",
      ],
    });
    const { id } = await printed(dying, "now it began");
    await onNode(1, `kill -9 $(${pid})`);
    const died = (await endOf(dying))[0]!;
    assert.equal(died.status, "failed", died.trace);
    const { status, trace, pulled } = await build(name, "warm", "three");
    assert.equal(status, "success", trace);
    assert.equal(pulled, 0);
    assert.ok(cachedSteps(trace) >= 1, trace);
    const seen = await runJob(name, "looking", [
      `docker ps -a --format 'seen {{.Names}} {{.Label "com.gitlab.gitlab-runner.job.id"}}.'`,
    ]);
    assert.equal(seen.status, "success", seen.trace);
    assert.doesNotMatch(seen.trace, new RegExp(`seen left|seen \\S+ ${id}\\.`));
  });

  it("is the same to GitLab, and as warm, after its pod was deleted by force", async () => {
    const [pod, id] = [(await stack.pods(name))[0]!, await systemIdOf()];
    await cluster().deleteNamespacedPod({ namespace, name: pod.metadata!.name!, gracePeriodSeconds: 0 });
    await stack.ready(name, pod);
    const { status, trace, pulled, job } = await build(name, "warm", "four");
    assert.equal(status, "success", trace);
    assert.equal(pulled, 0);
    assert.equal(await systemIdOf(), id);
    assert.equal(job.runner!.systemId, id);
  });

  it("lets its job end when its pod is rolled, and the next pod is as warm", async () => {
    const [pod] = await stack.pods(name);
    const script = ["docker run --rm --entrypoint true registry.lab:5000/base:1", "echo now it be''gan", "sleep 20"];
    const last = ["docker run --rm --entrypoint echo registry.lab:5000/base:1 it ended"];
    const rolled = await startJobs(name, "rolled", { job: [...script, ...last] });
    await printed(rolled, "now it began");
    await cluster().deleteNamespacedPod({ namespace, name: pod!.metadata!.name! });
    const ended = (await endOf(rolled))[0]!;
    assert.equal(ended.status, "success", ended.trace);
    assert.match(ended.trace, /^it ended$/m);
    await stack.ready(name, pod);
    const { status, trace, pulled } = await build(name, "warm", "five");
    assert.equal(status, "success", trace);
    assert.equal(pulled, 0);
  });

  it("has its folder for itself: a second engine waits, and says so", async () => {
    const [pod] = await stack.pods(name);
    await cluster().createNamespacedPod({ namespace, body: second(pod!) });
    try {
      await eventually("the second says why it waits", 60, async () => {
        const said = await stack.log("second", "engine").catch(() => "");
        return said.includes("another Docker daemon has its data in the same folder") ? true : undefined;
      });
      assert.equal((await onNode(1, pid)).trim().split("\n").length, 1);
    } finally {
      await cluster().deleteNamespacedPod({ namespace, name: "second", gracePeriodSeconds: 0 });
    }
    const { status, trace } = await runJob(name, "looking", ["docker info"]);
    assert.equal(status, "success", trace);
  });

  it("trusts another registry while it runs, in the same pod", async () => {
    const image = "gitlab.lab:5443/lab/base:1";
    const before = await runJob(name, "looking", [`docker pull -q ${image}`]);
    assert.match(before.trace, /x509|certificate/, "not yet");
    const [pod] = await stack.pods(name);
    await stack.up(runners, { registries: [...others!, ...byCa!] });
    const said = await eventually("the engine reads its settings again", 90, async () => {
      const log = await stack.log(pod!.metadata!.name!, "engine");
      return log.includes("have changed: it reads them again") ? log : undefined;
    });
    assert.ok(said);
    const { status, trace } = await runJob(name, "looking", [`docker pull -q ${image}`]);
    assert.equal(status, "success", trace);
    assert.deepEqual(
      (await stack.pods(name)).map(({ metadata }) => metadata!.uid),
      [pod!.metadata!.uid],
    );
  });

  it("leaves nothing on the node when it goes", async () => {
    await stack.destroy();
    destroyed = true;
    assert.equal(await onNode(1, `find ${engineFolder} -mindepth 1 | head -n 5`), "");
    assert.equal(await onNode(1, `ls -d /var/lib/pi-runners/${namespace} 2>/dev/null || true`), "");
    assert.equal(await onNode(1, `${pid} || true`), "");
    assert.equal(await onNode(1, `grep -c ${engineFolder} /proc/mounts || true`), "0");
  });
});

/** Another pod on the same folder, as if somebody had started one by hand. */
function second(pod: V1Pod): V1Pod {
  const { initContainers = [], volumes = [], nodeName } = pod.spec!;
  const engine = initContainers.find((container) => container.name === name)!;
  const {
    restartPolicy: _restart,
    startupProbe: _startup,
    readinessProbe: _ready,
    livenessProbe: _live,
    ...rest
  } = engine;
  return {
    metadata: { name: "second" },
    spec: {
      nodeName,
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      containers: [{ ...rest, volumeMounts: rest.volumeMounts!.filter((mount) => !isToken(mount.mountPath)) }],
      volumes,
    },
  };
}

const isToken = (path: string): boolean => path.startsWith("/var/run/secrets/");
