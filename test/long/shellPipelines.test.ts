/** Pipelines on a host with `concurrent: 2`: what the article's own does, and what the components of this project do. */
import assert from "node:assert/strict";
import type { Server } from "node:http";
import type { JobView } from "../../lab/gitlab/client";
import { composeComponent } from "../../templates/compose";
import { multiArchComponent } from "../../templates/multiArch";
import { fillIn } from "../../templates/print";
import { machine } from "../../lab/machine/places";
import { labRunner, serveFiles, ShellHost } from "../host/shell/lab";
import {
  patience,
  stopRegistries,
  testRegistries,
  trustLab,
  type TestRegistry,
  type TrustLab,
} from "../host/trust/lab";
import { startStandIn, type StandIn } from "../lab/gitlab/standIn";
import { pushed } from "./pushed";

/** Images by the names that the article uses, made of a few programs of the host: it has no registry to pull from. */
const makeImages = [
  "set -e",
  "mkdir -p /tmp/image/path/to /tmp/image/tmp",
  "printf '#!/usr/bin/sh\\nsleep 3\\n' | tee /tmp/image/path/to/database-migrations >/tmp/image/path/to/your-tests",
  "mkdir -p /tmp/image/path/to/your && mv /tmp/image/path/to/your-tests /tmp/image/path/to/your/tests",
  "chmod -R 755 /tmp/image",
  "programs=$(for name in sh sleep cat hostname; do command -v $name; done)",
  "files=$({ echo $programs | tr ' ' '\\n'; ldd $programs | grep -o '/[^ :)]*'; } | sort -u)",
  "tar --hard-dereference -chf /tmp/image.tar -C / $(for file in $files; do echo ${file#/}; done) -C /tmp/image path tmp",
  `docker import --change 'CMD ["sleep","600"]' /tmp/image.tar postgres:11.7-alpine`,
  "docker tag postgres:11.7-alpine ci-image:1",
  "rm -rf /tmp/image /tmp/image.tar",
].join("\n");

/** The job with several services, as the article has it (its login apart, which needs no registry here). */
const seed = `test-suite:
    variables:
        POSTGRES_PASSWORD: postgres
        DATABASE_URL: "pgsql://postgres:postgres@postgres/postgres"
        DOCKER_CI_IMAGE: ci-image:1
    before_script:
        - docker network create app-net
        - docker run -d --network app-net --name postgres -e POSTGRES_PASSWORD postgres:11.7-alpine
        - docker run -d --network app-net --name app -e DATABASE_URL $DOCKER_CI_IMAGE
        - docker exec app ./path/to/database-migrations
    script:
        - docker exec app ./path/to/your/tests
`;

/** The same services as a Compose file without fixed names; what the one job writes, the other must not see. */
const composeProject = {
  ".gitlab-ci.yml": fillIn(composeComponent, {
    tags: ["dood"],
    command: "cat /data/* 2>/dev/null; hostname >/data/mine; sleep 4; test $(cat /data/mine) = $(hostname)",
  }),
  "compose.yaml": `services:
  postgres:
    image: postgres:11.7-alpine
  app:
    image: ci-image:1
    volumes: [data:/data]
    depends_on: [postgres]
volumes:
  data:
`,
};

describe("pipelines on a host with two jobs at once", function () {
  this.timeout(180_000);
  let lab: TrustLab;
  let standIn: StandIn;
  let files: { url: string; server: Server };
  let shell: ShellHost;
  let registries: { plain: TestRegistry; tls: TestRegistry };

  before(async function () {
    this.timeout(patience);
    lab = await trustLab(1);
    const { file, sha256 } = await labRunner();
    files = await serveFiles({ "gitlab-runner": file });
    registries = await testRegistries(lab);
    standIn = await startStandIn({ traceIntervalSeconds: 1, registry: registries.plain.address }, machine);
    const common = { url: standIn.url, binary: `${files.url}/gitlab-runner`, sha256, docker: true, concurrent: 2 };
    shell = new ShellHost(lab.hosts[0]!, common);
    await shell.reset();
    await lab.hosts[0]!.reset();
    await shell.host.ok(makeImages);
    await shell.host.apply({ registries: [{ ...registries.plain, insecure: true }, registries.tls] });
    await shell.apply(shell.settings());
  });

  afterEach(() => sweep());

  after(async () => {
    await standIn?.stop();
    files?.server.close();
    if (shell !== undefined) {
      await shell.reset();
      await shell.host.ok("docker image rm -f ci-image:1 postgres:11.7-alpine; true");
      await lab.hosts[0]!.reset();
      await stopRegistries(lab);
    }
  });

  it("the article's pipeline breaks: names of its own choice are taken by the one that was first", async () => {
    const ended = await atOnce("seed", { ".gitlab-ci.yml": seed });
    assert.ok(
      ended.some(({ job }) => job.status === "failed"),
      "both passed",
    );
    const said = ended.filter(({ job }) => job.status === "failed").map(({ trace }) => trace);
    for (const trace of said) {
      assert.match(trace, /network with name app-net already exists|The container name "\/\w+" is already in use/);
    }
    // Nor does the next one pass when nobody else runs: nothing took the first one's containers away.
    assert.equal((await one("seed")).job.status, "failed");
  });

  it("the Compose component's two pass side by side, see nothing of each other, and leave nothing", async () => {
    const before = await left();
    const ended = await atOnce("compose", composeProject);
    for (const { job, trace } of ended) {
      assert.equal(job.status, "success", trace);
    }
    const [first, second] = ended.map(({ job }) => job);
    assert.ok(
      first!.handedOutAt! < second!.finishedAt! && second!.handedOutAt! < first!.finishedAt!,
      "they ran one after the other",
    );
    assert.equal(await left(), before);
  });

  it("a Compose job whose command fails is a failed job that leaves nothing either", async () => {
    const before = await left();
    const pipeline = fillIn(composeComponent, { tags: ["dood"], command: "exit 3" });
    const [ended] = await atOnce("compose-fails", { ...composeProject, ".gitlab-ci.yml": pipeline }, 1);
    assert.equal(ended!.job.status, "failed");
    assert.equal(await left(), before);
  });

  for (const kind of ["plain", "tls"] as const) {
    it(`two images are built side by side and get one name, in a registry ${kind === "tls" ? "with a CA of its own" : "without TLS"}`, async () => {
      const { address } = registries[kind];
      // The lab has no arm64: what is built for it here copies files only, which needs no program of that kind.
      const files = {
        ".gitlab-ci.yml": fillIn(multiArchComponent("shell"), {
          ...{ tags_amd64: ["dood"], tags_arm64: ["dood"], registry: address, image: `${address}/$CI_PROJECT_PATH` },
        }),
        Dockerfile: "FROM scratch\nCOPY Dockerfile /\n",
      };
      await standIn.lab.createProject(`both-${kind}`, { files });
      const { jobs } = await standIn.lab.runPipeline(`both-${kind}`, { mustSucceed: true, timeoutMs: 120_000 });
      const trace = await standIn.lab.trace(jobs.find(({ name }) => name === "build-image")!.id);
      const { repository, digest } = pushed(trace, `lab/both-${kind}`);
      const url = `${kind === "tls" ? "https" : "http"}://${address}/v2/${repository}/manifests/${digest}`;
      const text = await shell.host.ok(`curl -fsSk ${url} \
        -H 'Accept: application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.index.v1+json'`);
      const { manifests } = JSON.parse(text) as { manifests: { platform: { architecture: string } }[] };
      const kinds = manifests.map(({ platform }) => platform.architecture).filter((one) => one !== "unknown");
      assert.deepEqual(kinds.sort(), ["amd64", "arm64"]);
    });
  }

  interface Ended {
    job: JobView;
    trace: string;
  }

  /** Starts as many pipelines of a project at once, and waits for all. */
  async function atOnce(project: string, files: Record<string, string>, count = 2): Promise<Ended[]> {
    await standIn.lab.createProject(project, { files });
    return Promise.all(Array.from({ length: count }, () => one(project)));
  }

  async function one(project: string): Promise<Ended> {
    const { jobs } = await standIn.lab.runPipeline(project, { timeoutMs: 90_000 });
    return { job: jobs[0]!, trace: await standIn.lab.trace(jobs[0]!.id) };
  }

  /** What jobs could leave in the host's Docker. */
  const left = (): Promise<string> =>
    shell.host.ok("docker ps -aq; docker network ls -q; docker volume ls -q; docker image ls -aq | sort");

  const sweep = (): Promise<string> =>
    shell.host.ok(
      "docker ps -aq | xargs -r docker rm -fv >/dev/null; docker network prune -f; docker volume prune -af",
    );
});
