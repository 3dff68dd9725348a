import assert from "node:assert/strict";
import type { JobView } from "../../../lab/gitlab/protocol";
import { changedStack, cluster, eventually, gitlab, namespace, onNode, runnerPods, up } from "./lab";
import { systemId } from "../../../components/runners/identity";

const nodes = [1, 2] as const;
const folder = `/var/lib/pi-runners/${namespace}`;

/** A pipeline of one job per node, each of which lasts long enough that no node gets both. */
function onEveryNode(runner: string, script: string[]): string {
  const lines = [...script, "sleep 5"].map((line) => `    - ${JSON.stringify(line)}\n`).join("");
  return nodes.map((n) => `job${n}:\n  tags: [${runner}]\n  script:\n${lines}`).join("");
}

/** Runs a script as a job on every node at once, and gives what the jobs printed. */
async function jobsOnEveryNode(runner: string, script: string[]): Promise<string> {
  const project = `nodes-${runner}`;
  await gitlab.createProject(project, { files: { ".gitlab-ci.yml": onEveryNode(runner, script) } });
  let trace = "";
  await gitlab.runPipeline(project, {
    mustSucceed: true,
    timeoutMs: 180_000,
    onTrace: (_job, text) => (trace += text),
  });
  return trace;
}

/** Waits until the runner is ready on every node, in pods other than these. */
async function ready(runner: string, others: string[] = []): Promise<void> {
  await eventually(`${runner} is ready on every node`, 180, async () => {
    const pods = await runnerPods(runner);
    const fine = pods.filter(
      ({ metadata, status }) =>
        metadata!.deletionTimestamp === undefined &&
        !others.includes(metadata!.uid!) &&
        status?.containerStatuses?.every((container) => container.ready),
    );
    return fine.length === nodes.length ? true : undefined;
  });
}

/** Deletes the pods of a runner and waits for those that follow. */
async function recreate(runner: string): Promise<void> {
  const old = await runnerPods(runner);
  for (const { metadata } of old) {
    await cluster().deleteNamespacedPod({ namespace, name: metadata!.name! });
  }
  await ready(
    runner,
    old.map(({ metadata }) => metadata!.uid!),
  );
}

/** Starts a job that sleeps, and gives it once it runs, with the node that has it. */
async function sleepingJob(runner: string): Promise<{ job: JobView; node: 1 | 2 }> {
  const project = `sleeping-${runner}`;
  const ci = `job:\n  tags: [${runner}]\n  script:\n    - echo on $(docker info --format '{{.Name}}')\n    - sleep 900\n`;
  await gitlab.createProject(project, { files: { ".gitlab-ci.yml": ci } });
  const { id } = await gitlab.startPipeline(project);
  return eventually("the job sleeps", 90, async () => {
    const job = (await gitlab.pipeline(id)).jobs[0]!;
    const found = /on node([12])\b/.exec(await gitlab.trace(job.id));
    return found === null ? undefined : { job, node: Number(found[1]) as 1 | 2 };
  });
}

/** Process id on the node of a runner's manager. */
const managerPid = (runner: string): string =>
  `for p in $(pgrep -x gitlab-runner); do tr '\\0' '\\n' </proc/$p/environ | grep -qx RUNNER_POOL=${namespace}/${runner} && echo $p; done`;

const jobContainers = (job: JobView): string =>
  `docker ps -aq --filter label=com.gitlab.gitlab-runner.job.id=${job.id}`;

describe("what runners leave and find on their nodes", function () {
  this.timeout(600_000);

  before(async () => {
    await up();
    await ready("dood");
  });

  it("a job works after Docker's socket was recreated, with nobody touching the pod [8.25]", async () => {
    for (const node of nodes) {
      await onNode(node, "systemctl restart docker.socket docker");
    }
    const trace = await jobsOnEveryNode("dood", ["docker info --format 'on {{.Name}}'"]);
    for (const node of nodes) {
      assert.match(trace, new RegExp(`on node${node}\\b`));
    }
  });

  it("a manager that starts while Docker is down does not keep Docker from starting [8.25]", async () => {
    const before = await runnerPods("dood");
    await onNode(1, "systemctl stop docker.socket docker && rm -f /run/docker.sock");
    try {
      await onNode(1, `kill -9 $(${managerPid("dood")})`);
      await eventually("the manager's container has started again", 90, async () => {
        const [pod] = await runnerPods("dood");
        const now = pod!.status?.containerStatuses?.find(({ name }) => name === "runner");
        const then = before[0]!.status?.containerStatuses?.find(({ name }) => name === "runner");
        return now!.restartCount > then!.restartCount && now!.state?.running ? true : undefined;
      });
      assert.equal(await onNode(1, "test -e /run/docker.sock && ls -ld /run/docker.sock || echo none"), "none");
    } finally {
      await onNode(1, "systemctl start docker.socket docker");
    }
    await ready("dood");
    const trace = await jobsOnEveryNode("dood", ["docker info --format 'on {{.Name}}'"]);
    assert.match(trace, /on node1\b/);
  });

  it("a job that outlives the drain is aborted, told so, and leaves no container [8.26]", async () => {
    await up(changedStack((config) => Object.assign(config["pi-runners:runners"][0]!, { drainTimeout: 30 })));
    try {
      await ready("dood");
      const { job, node } = await sleepingJob("dood");
      assert.notEqual(await onNode(node, jobContainers(job)), "");
      const pod = (await runnerPods("dood")).find(({ spec }) => spec!.nodeName === `node${node}`)!;
      const began = Date.now();
      await cluster().deleteNamespacedPod({ namespace, name: pod.metadata!.name! });
      const ended = await eventually("the job has ended", 120, async () => {
        const now = await gitlab.job(job.id);
        return now.status === "running" ? undefined : now;
      });
      assert.equal(ended.status, "failed");
      assert.ok(Date.now() - began > 25_000, "it had its drain");
      await eventually("the pod is gone", 60, async () =>
        (await runnerPods("dood")).some(({ metadata }) => metadata!.uid === pod.metadata!.uid) ? undefined : true,
      );
      assert.equal(await onNode(node, jobContainers(job)), "");
    } finally {
      await up();
    }
  });

  it("a manager that was killed removes what it left, and nothing of others [8.26]", async () => {
    const label = "com.gitlab.gitlab-runner.runner.system_id";
    const own = await onNode(1, `cat /var/lib/pi-runners/${namespace}/dood/system-id`);
    const other = systemId("node1", `${namespace}/other`);
    const make = (id: string): string =>
      `docker run -d --privileged --label ${label}=${id} --entrypoint sleep pi-lab/docker:cli 900`;
    const dead = (await onNode(1, make(own))).trim();
    const alive = (await onNode(1, make(other))).trim();
    try {
      await onNode(1, `kill -9 $(${managerPid("dood")})`);
      await eventually("its container is gone", 90, async () =>
        (await onNode(1, "docker ps -aq --no-trunc")).includes(dead) ? undefined : true,
      );
      assert.equal(await onNode(1, `docker inspect -f '{{.State.Running}}' ${alive}`), "true");
    } finally {
      await onNode(1, `docker rm -f ${alive}`);
    }
    await ready("dood");
  });

  it("a checkout cannot be read by the node's other users, and jobs have it [8.30]", async () => {
    const trace = await jobsOnEveryNode("dood", [
      "echo token-of-a-job > secret.txt",
      'docker run --rm -v "$CI_PROJECT_DIR:/here" --entrypoint cat pi-lab/docker:cli /here/secret.txt',
    ]);
    assert.match(trace, /token-of-a-job/);
    for (const node of nodes) {
      const file = (await onNode(node, `find ${folder}/dood/builds -name secret.txt`)).trim();
      assert.notEqual(file, "");
      const seen = await onNode(
        node,
        `runuser -u pi -- cat ${file} 2>&1; runuser -u pi -- ls ${folder}/dood 2>&1; true`,
      );
      assert.doesNotMatch(seen, /token-of-a-job|^builds$/m);
      assert.match(seen, /Permission denied/);
    }
  });

  it("the inner daemon's files are healed by a new pod, whatever Docker made of them [8.7]", async () => {
    for (const node of nodes) {
      await onNode(node, `rm -rf ${folder}/dind/docker && mkdir -p ${folder}/dind/docker/daemon.json/daemon.json`);
    }
    await recreate("dind");
    const trace = await jobsOnEveryNode("dind", [
      "docker info --format '{{json .RegistryConfig.IndexConfigs}}'",
      "docker pull -q registry.lab:5000/base:1",
    ]);
    assert.match(trace, /registry\.lab:5000\/base:1/);
  });

  it("what undoes trust by hand leaves runners as they are [8.7]", async () => {
    await onNode(1, "test -d /var/lib/pi-runners/trust && mv /var/lib/pi-runners/trust /root/trust");
    try {
      assert.match(await jobsOnEveryNode("dind", ["docker info --format 'on {{.Name}}'"]), /on \w{12}\b/);
    } finally {
      await onNode(1, "mv /root/trust /var/lib/pi-runners/trust");
    }
  });
});

/**
 * Docker as the snap runs it, as far as files go: its root is read-only, of the host's /var/lib it sees nothing, and what it
 * may write is below its own /var/snap/docker/common. It is no snap: snapd and AppArmor are not there.
 */
const snapShaped = [
  "docker save pi-lab/docker:dind pi-lab/docker:cli $(docker image ls -q pi-lab/gitlab-runner-helper --format '{{.Repository}}:{{.Tag}}' | head -n 1) -o /var/lib/docker/images.tar",
  "systemctl stop docker.socket docker",
  "mkdir -p /var/lib/docker/snap /var/snap/docker/common/var-lib-docker",
  [
    "systemd-run --quiet --unit=snap.docker.dockerd -p Delegate=yes -p ProtectSystem=strict",
    "-p 'TemporaryFileSystem=/var/lib:ro /run/containerd' -p BindPaths=/var/lib/docker/snap:/var/snap/docker/common/var-lib-docker",
    "-p 'ReadWritePaths=/var/snap/docker/common /run /sys/fs/cgroup'",
    "-E PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "dockerd -H unix:///run/docker.sock --data-root /var/snap/docker/common/var-lib-docker",
    "--exec-root /run/snap.docker --pidfile /run/snap.docker.pid",
  ].join(" "),
  "for i in $(seq 60); do docker info >/dev/null 2>&1 && break; sleep 1; done",
  "docker load -q -i /var/lib/docker/images.tar",
].join(" && ");

const backToApt = [
  "systemctl stop snap.docker.dockerd",
  "rm -f /run/docker.sock /var/lib/docker/images.tar",
  "systemctl start docker.socket docker",
  "rm -rf /var/lib/docker/snap /var/snap/docker",
].join("; ");

describe("a node whose Docker is shaped like the snap's (a dockerd in a mount namespace), beside one from apt", function () {
  this.timeout(600_000);

  before(async () => {
    await up();
    await onNode(1, snapShaped);
    await recreate("dood");
    await recreate("dind");
  });

  after(async () => {
    await onNode(1, backToApt);
    await recreate("dood");
    await recreate("dind");
  });

  it("cannot see the folder of other nodes", async () => {
    const run = `docker run --rm -v ${folder}/x:/x --entrypoint true pi-lab/docker:cli 2>&1 || true`;
    assert.match(await onNode(1, run), /mkdir \/var\/lib\/pi-runners: read-only file system/);
  });

  it("runs DooD jobs, which find their checkout on the node [8.11]", async () => {
    const trace = await jobsOnEveryNode("dood", [
      "docker info --format 'on {{.Name}}'",
      "pwd",
      "echo of-the-checkout > file.txt",
      'docker run --rm -v "$CI_PROJECT_DIR:/here" --entrypoint cat pi-lab/docker:cli /here/file.txt',
    ]);
    for (const node of nodes) {
      assert.match(trace, new RegExp(`on node${node}\\b`));
    }
    assert.match(trace, /\/var\/snap\/docker\/common\/pi-runners\/gitlab-runners\/dood\/builds/);
    assert.match(trace, /\/var\/lib\/pi-runners\/gitlab-runners\/dood\/builds/);
    assert.equal(trace.match(/^\S* \S* of-the-checkout|^of-the-checkout/gm)?.length, 2, trace);
  });

  it("runs DinD jobs, whose daemon trusts the registries [8.11]", async () => {
    const trace = await jobsOnEveryNode("dind", ["docker pull -q registry.lab:5000/base:1"]);
    assert.ok(trace.match(/registry\.lab:5000\/base:1/g)!.length >= 4, trace);
    assert.match(
      await onNode(1, `cat /var/snap/docker/common/pi-runners/${namespace}/dind/docker/daemon.json`),
      /registry\.lab:5000/,
    );
  });
});
