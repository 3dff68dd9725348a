/** Runners behind a real proxy that asks for a password; its log says who went where, and who did not. */
import assert from "node:assert/strict";
import { appendFileSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findEngine } from "../../lab/engine/engine";
import { images } from "../../lab/images/images";
import { gitlabRegistry, machine } from "../../lab/machine/places";
import { squid, type Proxy } from "../../lab/stack/proxy";
import { cluster, eventually, gitlab, onNode } from "../lab/stack/lab";
import { checksumOf, labRunner, serveFiles } from "../host/shell/lab";
import { labConfig, tokenStack } from "./tokenStack";
import { jobCache, s3, secretKeyPath, type Bucket } from "./s3";
import {
  blobsPulled,
  dockerWays,
  endOf,
  EngineStack,
  only,
  resident,
  type Ended,
  type RunnerEntry,
  loadOnNodes,
} from "./engineStack";

const namespace = "proxied";
const user = "builder";
/** With what an address has to write in another way. */
const password = "pa$s:w@rd-of-the-proxy";

const [beside, plain, inside] = ["proxied-dind", "proxied-plain", "proxied-job"] as const;
const [engine, pods] = ["proxied-engine", "proxied-pods"] as const;
/** Whose jobs build by the Docker of the node. */
const [onNodes, host] = ["proxied-dood", "proxied-shell"] as const;
/** Those whose jobs have their cache in an S3 server. */
const caching: string[] = [beside, pods, host];
const runnersWith = (binary: object, bucket: Bucket): RunnerEntry[] =>
  [
    { name: beside, way: "dind", layerCache: false, ...only(1) },
    { name: plain, ...dockerWays["dind-plain"], layerCache: false, ...only(1) },
    { name: inside, ...dockerWays["dind-job"], layerCache: false, ...only(1) },
    { name: onNodes, way: "dood", ...only(1) },
    { name: engine, ...resident, ...only(1) },
    { name: pods, way: "kubernetes", jobImage: "pi-lab/buildah:1", ...only(1) },
    // Stack ways has a runner with the default port there, where it is deployed.
    { name: host, way: "shell", hosts: ["node1"], docker: true, metricsPort: 9362, ...binary },
  ].map((runner) =>
    caching.includes(runner.name) ? { ...runner, config: { runners: [{ cache: jobCache(bucket, "jobs") }] } } : runner,
  );

const buildkit = images.buildkit.alias!;
const base = "registry.lab:5000/base:1";
const asked = "http://gitlab.lab:8929/lab/health";
/** Command lines on this machine, which runs the nodes and all that is in them, with the password. */
const onCommandLines = new Set<string>();

function look(): void {
  for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      if (words.includes(password) || words.includes(encodeURIComponent(password))) {
        onCommandLines.add(words.slice(0, 60));
      }
    } catch {
      // It has ended.
    }
  }
}

/** Containers of a build know no name of the LAN: the proxy does. */
const files = (from: string): Record<string, string> => ({
  Dockerfile: `FROM ${base}\nRUN curl -fsS '${asked}?built-by=${from}' >/dev/null && env | grep -c -i _proxy= >/seen\n`,
});

const image = "registry.lab:5000/lab/proxied:$CI_JOB_ID";
const docker = (runner: string): string[] => [
  `docker pull ${base}`,
  `docker build --progress plain --no-cache -t ${image} . 2>&1`,
  `docker push ${image}`,
  `docker run --rm ${image} curl -fsS '${asked}?run-by=${runner}'`,
];
const buildah = [`buildah pull ${base}`, `buildah build -t ${image} .`, `buildah push ${image}`];

describe("runners behind a proxy", function () {
  this.timeout(900_000);
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-proxies-"));
  let proxy: Proxy;
  let stack: EngineStack;
  let served: Awaited<ReturnType<typeof serveFiles>>;
  let bucket: Bucket;
  let runners: RunnerEntry[];

  const secrets = (url: string): Record<string, string> => {
    const key = bucket.env["AWS_SECRET_ACCESS_KEY"]!;
    const keys = runners.flatMap(({ name }, index) => (caching.includes(name) ? [[secretKeyPath(index), key]] : []));
    return {
      "runnerDefaults.proxy.http": url,
      "runnerDefaults.proxy.https": url,
      ...(Object.fromEntries(keys) as Record<string, string>),
    };
  };

  before(async () => {
    const lab = (await findEngine())!;
    await loadOnNodes("buildkit");
    proxy = await squid(lab, user, password, (line) => console.log(line));
    // With a checksum that no host has already: another runner's program would do for this one, and not be fetched.
    const binary = join(folder, "gitlab-runner");
    copyFileSync((await labRunner()).file, binary);
    appendFileSync(binary, "as good, and another one");
    served = await serveFiles({ "gitlab-runner": binary });
    bucket = await s3(machine);
    runners = runnersWith({ binary: `${served.url}/gitlab-runner`, sha256: checksumOf(binary) }, bucket);
    stack = await EngineStack.of(namespace, runners);
    [password, encodeURIComponent(password)].forEach((text) => stack.stack.hide(text));
    await stack.up(runners, {}, secrets(proxy.url));
  });

  after(async () => {
    await stack?.destroy();
    await proxy?.remove();
    await bucket?.remove();
    served?.server.close();
    rmSync(folder, { recursive: true });
  });

  /** Runs a job, and gives what the proxy logged of it, without the time and the client. */
  async function behind(
    runner: string,
    more: object = {},
    project = files(runner),
  ): Promise<Ended & { id: number; log: string[] }> {
    const before = (await proxy.log()).length;
    const job = {
      ...{
        tags: [runner],
        script: [`curl -fsS '${asked}?asked-by=${runner}'`, ...(runner === pods ? buildah : docker(runner))],
      },
      artifacts: { paths: ["Dockerfile"] },
      ...{ after_script: [`curl -fsS '${asked}?after=${runner}'`] },
      ...more,
    };
    await gitlab.createProject(runner, { files: { ...project, ".gitlab-ci.yml": JSON.stringify({ job }) } });
    const watch = setInterval(look, 200);
    const [ended] = await endOf((await gitlab.startPipeline(runner)).id).finally(() => clearInterval(watch));
    stack.stack.saw("the log of a job", ended!.trace);
    const log = (await proxy.log()).slice(before).map((line) => line.split(" ").slice(2).join(" "));
    return { ...ended!, id: ended!.job.id, log };
  }

  it("a host fetches gitlab-runner by it", async () => {
    const log = await proxy.log();
    assert.ok(
      log.some((line) => line.includes(` ${user} GET ${served.url}/gitlab-runner 200`)),
      log.join("\n"),
    );
  });

  for (const name of [beside, plain, inside, onNodes, engine, pods, host]) {
    it(`${name}: runner, clone, artifacts, job and what it builds reach GitLab by it, and the daemon of the job a registry`, async () => {
      const since = Math.ceil(Date.now() / 1000);
      const { status, trace, id, log } = await behind(name);
      assert.equal(status, "success", trace);
      const went = log.filter((one) => one.startsWith(`${user} `) && / 20\d$/.test(one)).join("\n");
      const passed = (line: string): void => assert.ok(went.includes(line), `no ${line} in\n${log.join("\n")}`);
      passed("POST http://gitlab.lab:8929/api/v4/jobs/request");
      passed(`PATCH http://gitlab.lab:8929/api/v4/jobs/${id}/trace`);
      passed(`POST http://gitlab.lab:8929/api/v4/jobs/${id}/artifacts`);
      passed(`/${name}.git/info/refs?service=git-upload-pack`);
      passed(`GET ${asked}?asked-by=${name}`);
      passed(`GET ${asked}?built-by=${name}`);
      passed(`GET ${asked}?after=${name}`);
      assert.equal(went.includes(`GET ${asked}?run-by=${name}`), name !== pods);
      const own = name !== host && name !== onNodes;
      assert.equal(went.includes("GET http://registry.lab:5000/v2/base/blobs/"), own, log.join("\n"));
      assert.equal(went.includes(`PUT http://registry.lab:5000/v2/lab/proxied/manifests/${id} `), own);
      if (own) {
        assert.equal(await blobsPulled(since), 0, "the registry was asked by no other way");
      }
    });
  }

  for (const name of [beside, plain, inside, engine, pods]) {
    it(`${name}: a registry with a CA of its own is reached by it, too`, async () => {
      const image = `${gitlabRegistry.tlsAddress}/$CI_PROJECT_PATH:tls`;
      const login = (tool: string): string =>
        `echo "$CI_JOB_TOKEN" | ${tool} login -u gitlab-ci-token --password-stdin ${gitlabRegistry.tlsAddress}`;
      const [builds, pushes] = [`build -t ${image} .`, `push ${image}`];
      const tool = name === pods ? "buildah" : "docker";
      const script = [login(tool), ...[builds, pushes].map((words) => `${tool} ${words}`)];
      const { status, trace, log } = await behind(name, { script, after_script: [] }, { Dockerfile: `FROM ${base}\n` });
      assert.equal(status, "success", trace);
      // What is in the tunnel a proxy does not see.
      assert.ok(log.includes(`${user} CONNECT ${gitlabRegistry.tlsAddress} 200`), log.join("\n"));
    });
  }

  for (const name of caching) {
    it(`${name}: a cache in an S3 server is reached by it`, async () => {
      const cache = { key: "kept", paths: ["kept/"] };
      const script = ["mkdir -p kept", "date >kept/file"];
      const own = { cache, script, artifacts: undefined, after_script: [] };
      const { status, trace, log } = await behind(name, own);
      assert.equal(status, "success", trace);
      assert.ok(
        log.some((one) => one.startsWith(`${user} PUT http://${bucket.address}/state/`) && one.endsWith(" 200")),
        log.join("\n"),
      );
    });
  }

  it("BuildKit in a pod pulls and pushes by it", async () => {
    const build = [
      "buildctl-daemonless.sh build --progress plain --frontend dockerfile.v0 --local context=. --local dockerfile=.",
      `--output type=image,name=${image},push=true`,
    ];
    const files = { Dockerfile: `FROM ${base}\nRUN echo built\n` };
    const own = { image: { name: buildkit, entrypoint: [""] }, script: [build.join(" ")], after_script: [] };
    const since = Math.ceil(Date.now() / 1000);
    const { status, trace, id, log } = await behind(pods, own, files);
    assert.equal(status, "success", trace);
    for (const line of ["GET http://registry.lab:5000/v2/base/blobs/", `/v2/lab/proxied/manifests/${id} 201`]) {
      assert.ok(
        log.some((one) => one.startsWith(`${user} `) && one.includes(line)),
        log.join("\n"),
      );
    }
    assert.equal(await blobsPulled(since), 0);
  });

  it("a job in a pod that names a proxy itself has its own", async () => {
    const variables = { HTTP_PROXY: "http://own.lan:1" };
    // Its helper, which would bring artifacts to GitLab, has it as well.
    const own = { variables, artifacts: undefined, script: ["echo now $HTTP_PROXY"], after_script: [] };
    const { status, trace } = await behind(pods, own);
    assert.equal(status, "success", trace);
    assert.match(trace, /^now http:\/\/own\.lan:1$/m);
  });

  it("what is beside a job, and the API server, is asked for by none of it", async () => {
    const went = (await proxy.log()).filter((line) =>
      / docker:2376|:6443|10\.96\.0\.1|localhost|127\.0\.0\.1/.test(line),
    );
    // The test itself asked the proxy whether it listens.
    assert.deepEqual(
      went.filter((line) => !line.split(" ")[1]!.startsWith("127.")),
      [],
    );
  });

  it("a Job registers a runner by it", async () => {
    const registrationToken = "GR1348941labOnlyLabOnly1";
    const legacy = await tokenStack("proxied-legacy");
    await gitlab.setSettings({ registrationToken });
    try {
      const old = { name: "proxied-old", way: "dood", ...only(1) };
      legacy.configure({ ...labConfig("proxied-legacy"), runners: [old] });
      await legacy.secret("pi-runners:registrationTokens.proxied-old", registrationToken);
      await legacy.secret("pi-runners:runnerDefaults.proxy.http", proxy.url);
      [password, encodeURIComponent(password)].forEach((text) => legacy.hide(text));
      const before = (await proxy.log()).length;
      await legacy.pulumi("up", "--yes", "--skip-preview");
      const log = (await proxy.log()).slice(before).join("\n");
      assert.ok(log.includes(` ${user} POST http://gitlab.lab:8929/api/v4/runners 201`), log);
      assert.doesNotMatch(log, /10\.96\.0\.1/);
      assert.deepEqual(await legacy.leaks(), []);
    } finally {
      await legacy.attempt("destroy", "--yes", "--skip-preview");
      await legacy.remove();
      await gitlab.setSettings({});
    }
  });

  it("its password is in Secrets and in files of root alone, and nowhere else", async () => {
    const { items } = await cluster().listNamespacedSecret({ namespace });
    const holding = items
      .filter(({ data = {} }) => data["HTTP_PROXY"] !== undefined)
      .map(({ metadata }) => metadata!.name);
    assert.deepEqual(
      holding.sort(),
      [beside, onNodes, engine, inside, plain, pods].map((name) => `${name}-config`),
    );
    const modes = await onNode(1, `stat -c '%a %U' /etc/pi-runners/${host}/*.env /etc/pi-runners/${host}/config.toml`);
    assert.deepEqual(modes.trim().split("\n"), ["600 root", "600 root"]);
    // The brackets keep the command from finding itself.
    const found = await onNode(1, "grep -l 'pa%24[s]' /proc/[0-9]*/cmdline /etc/systemd/system/* 2>/dev/null || true");
    assert.equal(found, "");
    assert.deepEqual([...onCommandLines], []);
    assert.match(await stack.stack.report(), /No changes|nothing/i);
    assert.deepEqual(await stack.stack.leaks(), []);
  });

  it("one that is not there: the update ends well, and the log of each manager says what it could not reach", async () => {
    const { port } = new URL(proxy.url);
    await stack.up(runners, {}, secrets(proxy.url.replace(`:${port}`, ":3199")));
    const reason = /proxyconnect tcp: dial tcp \S+:3199: connect: connection refused/;
    for (const name of [beside, plain, inside, onNodes, engine, pods]) {
      const said = await eventually(`${name} says why it has no work`, 120, async () => {
        const [pod] = await stack.pods(name);
        const log = await stack.log(pod!.metadata!.name!, "runner").catch(() => "");
        return reason.test(log) ? log : undefined;
      });
      console.log(said.split("\n").find((line) => reason.test(line)));
    }
    const journal = `journalctl -u pi-runners-${host} -n 200 -o cat --no-pager`;
    await eventually("the service says why it has no work", 120, async () =>
      reason.test(await onNode(1, journal)) ? true : undefined,
    );
    assert.deepEqual(await stack.stack.leaks(), []);
    await stack.up(runners, {}, secrets(proxy.url));
    const { status, trace } = await behind(beside);
    assert.equal(status, "success", trace);
  });
});
