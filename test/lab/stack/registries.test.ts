/** GitLab's registry asks for a token: real jobs build from it and push to it, by every way that the node's Docker has. */
import assert from "node:assert/strict";
import { stringify } from "yaml";
import { dockerWays, type DockerWay } from "../../../components/runners/docker/ways";
import { component } from "../../../templates/component";
import { fillIn } from "../../../templates/print";
import { changedStack, eventually, gitlab, lab, onNode, pulumi, runnerPods, up } from "./lab";

/** The lab's registry as GitLab has it (lab/images/server/files/etc/pi-lab-registry). */
const faces = { "without TLS": "gitlab.lab:5050", "with a private CA": "gitlab.lab:5443" } as const;

const jobImage = (way: DockerWay): string => (way === "dind-job" ? "pi-lab/docker:dind" : "pi-lab/docker:cli");

/** The shipped component, and jobs that build with what it has pushed: with its login, and without any. */
function pipeline(way: DockerWay, registry: string): string {
  const common = { tags: [way], image: jobImage(way), stage: "again" };
  const shipped = fillIn(component(way), {
    ...{ tags: [way], job_image: jobImage(way), registry, image: `${registry}/$CI_PROJECT_PATH` },
    tag: "first",
  });
  const more = {
    "from-own-image": {
      extends: "build-image",
      stage: "again",
      variables: { PI_RUNNERS_DOCKERFILE: "Dockerfile.own", PI_RUNNERS_IMAGE_TAG: "second" },
    },
    "without-login": {
      ...common,
      script: [
        "docker build --pull --tag without-login:$CI_PIPELINE_ID .",
        "if docker build --pull --file Dockerfile.own --tag never:$CI_PIPELINE_ID .; then exit 1; fi",
        "echo a private image stays private",
      ],
    },
  };
  return `stages: [build, again]\n${shipped}\n${stringify(more)}`;
}

async function build(way: DockerWay, registry: string): Promise<string> {
  const project = `token-${way}-${registry.split(":")[1]}`;
  await gitlab.createProject(project, {
    files: {
      ".gitlab-ci.yml": pipeline(way, registry),
      Dockerfile: `FROM ${registry}/lab/base:1\nRUN echo ${Date.now()} >/built\n`,
      "Dockerfile.own": `FROM ${registry}/lab/${project}:first\nRUN cat /built\n`,
    },
    variables: [{ key: "CI_REGISTRY", value: registry }],
  });
  let trace = "";
  const onTrace = (_: unknown, text: string): void => void (trace += text);
  await gitlab.runPipeline(project, { mustSucceed: true, timeoutMs: 400_000, onTrace });
  return trace;
}

/** dind-resident builds on stack ways (ways.test.ts). */
const ways = dockerWays.filter((one) => one !== "dind-resident");

describe("a registry that asks for a token", () => {
  const builds = new Map<string, Promise<string>>();

  before(async () => {
    const { token } = await gitlab.createRunner({ description: "dind-plain", tags: ["dind-plain"] });
    const stack = changedStack((config) => {
      const runner = { name: "dind-plain", way: "dind-plain", allowTlsOff: true };
      config["pi-runners:runners"].push(runner);
    });
    const key = ["--path", "--secret", "pi-runners:tokens.dind-plain", token];
    const set = await pulumi("config", "set", ...key, "--stack", "dev", "--config-file", stack);
    assert.equal(set.code, 0, set.output);
    await up(stack);
    await eventually("a pod of the further runner is ready", 120, async () =>
      (await runnerPods("dind-plain")).some(({ status }) => status?.containerStatuses?.every(({ ready }) => ready))
        ? true
        : undefined,
    );
    // Beside each other: they wait for most of the time.
    for (const way of ways) {
      for (const registry of Object.values(faces)) {
        const building = build(way, registry);
        building.catch(() => undefined); // its test says so
        builds.set(`${way} ${registry}`, building);
      }
    }
  });
  after(() => up());

  for (const way of ways) {
    for (const [name, registry] of Object.entries(faces)) {
      it(`${name}: ${way} builds from it, logged in and not, and pushes to it [8.12]`, async () => {
        const trace = await builds.get(`${way} ${registry}`)!;
        const pushed = new RegExp(`${registry}/lab/token-${way}-\\d+@(sha256:[0-9a-f]{64})`, "g");
        assert.equal(new Set([...trace.matchAll(pushed)].map(([, digest]) => digest)).size, 2, trace);
        assert.match(trace, /a private image stays private/);
        assert.match(trace, /\[internal\] load build definition/, "BuildKit has built");
      });
    }
  }

  it("builds by the runner's setting alone, and fails where the client in the job fetches the token [8.12]", async () => {
    const registry = faces["with a private CA"];
    // A repository of its own: the daemon keeps tokens that it has had for minutes, and would ask for none.
    const repository = `lab/base/fresh-${Date.now()}`;
    const copy = `registry.lab:5000/${repository}:1`;
    await onNode(1, `docker pull -q registry.lab:5000/base:1 && docker tag registry.lab:5000/base:1 ${copy}`);
    await onNode(1, `docker push -q ${copy} && docker image rm ${copy}`);
    const job = { tags: ["dood"], image: jobImage("dood"), script: ["docker build --pull ."] };
    const byClient = { ...job, stage: "build", variables: { BUILDKIT_NO_CLIENT_TOKEN: "0" }, allow_failure: true };
    await gitlab.createProject("client-token", {
      files: {
        ".gitlab-ci.yml": stringify({ "by-client": byClient, "own-pipeline": { ...job, stage: "test" } }),
        Dockerfile: `FROM ${registry}/${repository}:1\n`,
      },
    });
    let trace = "";
    const onTrace = (_: unknown, text: string): void => void (trace += text);
    const { jobs } = await gitlab.runPipeline("client-token", { timeoutMs: 200_000, onTrace });
    const statuses = Object.fromEntries(jobs.map(({ name, status }) => [name, status]));
    assert.deepEqual(statuses, { "by-client": "failed", "own-pipeline": "success" }, trace);
    assert.match(trace, /x509: certificate signed by unknown authority/);
  });

  it("is used by `lab job` for each way of the stack, which says what it does not have", async () => {
    for (const way of ["dood", "dind", "dind-job"]) {
      const { code, output } = await lab("job", "--way", way);
      assert.equal(code, 0, output);
      assert.match(output, /^pushed gitlab\.lab:5050\/lab\/hello-\S+@sha256:[0-9a-f]{64}\ndigest sha256:/m);
    }
    const { code, output } = await lab("job", "--way", "kaniko");
    assert.notEqual(code, 0);
    assert.match(output, /No runner of the lab's stacks builds in the way kaniko\.\nWays that they have: dood, dind,/);
  });
});
