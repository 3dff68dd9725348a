import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { images } from "../../../components/runners/images";
import { buildkitFile } from "../../../templates/buildkit";
import { component, componentFile } from "../../../templates/component";
import { composeFile } from "../../../templates/compose";
import { multiArchFile } from "../../../templates/multiArch";
import { fillIn, printPipeline } from "../../../templates/print";
import { jobImage } from "../../../components/runners/docker/usedImages";
import { dockerWays } from "../../../components/runners/docker/ways";
import { executors, ways } from "../../../components/runners/executors";
import { jobImage as podJobImage } from "../../../components/runners/kubernetes/kubernetesConfig";
import { kubernetesSettings } from "../runners/kubernetesSettings";
import { settingsOf } from "../runners/settings";
import { command, run } from "../runners/shell";
import { temporaryFolder } from "../../temporaryFolder";

interface Job {
  tags: string[];
  image: string;
  variables: Record<string, string>;
  before_script: string[];
  script: string[];
  after_script: string[];
}

const registries = [{ address: "registry.lan:5000", insecure: true }];

function jobOf(text: string): Job {
  return (parse(text) as Record<string, Job>)["build-image"]!;
}

for (const way of dockerWays) {
  describe(`the pipeline of way ${way}`, () => {
    const runner = { executor: "docker" as const, settings: settingsOf(way), tags: ["pi", way] };
    const text = printPipeline(runner, registries);

    it("has the stack's registry, tags and image in it, and nothing left to fill in", () => {
      const job = jobOf(text);
      assert.deepEqual(job.tags, ["pi", way]);
      assert.equal(job.image, jobImage(runner.settings));
      assert.equal(job.variables["PI_RUNNERS_REGISTRY"], "registry.lan:5000");
      assert.doesNotMatch(text, /\[\[/);
    });

    it("uses the same pinned image by itself as the runner does", () => {
      assert.equal(jobOf(fillIn(component(way), {})).image, jobImage(settingsOf(way)));
    });

    it("is the one that GitLab finds below templates/", () => {
      const file = readFileSync(join(__dirname, "../../..", componentFile(way)), "utf8");
      assert.equal(file, component(way), `${componentFile(way)} is not what it is made of; run make docs`);
    });

    it("has the daemon fetch the registry's token, whoever's runner it is [8.12]", () => {
      assert.equal(jobOf(fillIn(component(way), {})).variables["BUILDKIT_NO_CLIENT_TOKEN"], "1");
    });

    it("builds and pushes a name of its own, logs in by stdin, cleans up, and never waits blindly", () => {
      const job = jobOf(text);
      const folder = temporaryFolder();
      const calls = join(folder, "calls");
      const digests = `image) [ "$2" != inspect ] || printf 'elsewhere/x@sha256:1\\n%s@sha256:2\\n' registry.lan:5000/group/project;;`;
      command(
        folder,
        "docker",
        `printf '%s\\n' "$*" >>${calls}; case "$1" in login) cat >${folder}/password;; ${digests} esac`,
      );
      const env = {
        PATH: `${folder}:${process.env["PATH"]}`,
        CI_PROJECT_DIR: join(folder, "project"),
        CI_REGISTRY: "registry.lan:5000",
        CI_REGISTRY_USER: "gitlab-ci-token",
        CI_REGISTRY_PASSWORD: "SeCrEt",
        ...job.variables,
        PI_RUNNERS_IMAGE_NAME: "registry.lan:5000/Group/Project",
        PI_RUNNERS_IMAGE_TAG: "0123abcd-42",
      };
      const script = [...job.before_script, ...job.script].join("\n");
      const { status, output } = run(["sh"], script, env);
      assert.equal(status, 0, output);
      assert.equal(run(["sh"], job.after_script.join("\n"), env).status, 0);
      const done = readFileSync(calls, "utf8").trim().split("\n");
      const image = "registry.lan:5000/group/project:0123abcd-42";
      assert.deepEqual(done, [
        "login --username gitlab-ci-token --password-stdin registry.lan:5000",
        `build --pull --file Dockerfile --tag ${image} .`,
        `push ${image}`,
        `image inspect --format {{join .RepoDigests "\\n"}} ${image}`,
        // A daemon inside the job ends before after_script.
        ...(way === "dind-job" ? [`image rm --force --no-prune ${image}`] : []),
        `image rm --force --no-prune ${image}`,
        "logout registry.lan:5000",
      ]);
      assert.equal(readFileSync(join(folder, "password"), "utf8"), "SeCrEt");
      assert.match(output, /registry\.lan:5000\/group\/project@sha256:2/);
      assert.doesNotMatch(output, /elsewhere|SeCrEt/);
      assert.doesNotMatch(script, /sleep/);
    });

    for (const [registry, ci] of [
      ["without accounts", {}],
      ["that is not GitLab's, whose password is none of its business", { CI_REGISTRY: "registry.gitlab.lan" }],
    ] as const) {
      it(`does without a login for a registry ${registry}, and says so`, () => {
        const user = { CI_REGISTRY_USER: "gitlab-ci-token", CI_REGISTRY_PASSWORD: "SeCrEt" };
        const { status, output, calls } = logIn("CI_REGISTRY" in ci ? { ...ci, ...user } : {});
        assert.equal(status, 0);
        assert.equal(calls, undefined);
        assert.match(output, /No login to registry\.lan:5000: .*REGISTRY_USER/);
      });
    }

    it("logs in to another registry with that one's own user and password", () => {
      const { status, calls } = logIn({
        ...{ CI_REGISTRY: "registry.gitlab.lan", CI_REGISTRY_USER: "gitlab-ci-token", CI_REGISTRY_PASSWORD: "SeCrEt" },
        ...{ REGISTRY_USER: "robot", REGISTRY_PASSWORD: "Own" },
      });
      assert.equal(status, 0);
      assert.equal(calls, "login --username robot --password-stdin registry.lan:5000\nOwn");
    });

    function logIn(env: Record<string, string>): { status: number | null; output: string; calls: string | undefined } {
      const folder = temporaryFolder();
      const file = join(folder, "calls");
      command(folder, "docker", `{ printf '%s\\n' "$*"; cat; } >${file}`);
      const job = jobOf(text);
      const all = { PATH: `${folder}:${process.env["PATH"]}`, ...job.variables, ...env };
      const { status, output } = run(["sh"], job.before_script.join("\n"), all);
      return { status, output, calls: existsSync(file) ? readFileSync(file, "utf8") : undefined };
    }

    it("does what its inputs say, whatever variables the project has", () => {
      const named = Object.keys(jobOf(text).variables).filter((name) => name !== "BUILDKIT_NO_CLIENT_TOKEN");
      assert.ok(
        named.every((name) => name.startsWith("PI_RUNNERS_")),
        named.join(),
      );
    });

    it("has another image name in every pipeline", () => {
      assert.match(jobOf(text).variables["PI_RUNNERS_IMAGE_TAG"]!, /\$CI_COMMIT_SHORT_SHA.*\$CI_PIPELINE_ID/);
    });
  });
}

describe("the pipeline of way kubernetes", () => {
  const runner = { executor: "kubernetes" as const, settings: kubernetesSettings(), tags: ["pods"] };
  const job = jobOf(printPipeline(runner, registries));

  it("has the stack's registry, tags and image in it, and is the one that GitLab finds below templates/", () => {
    assert.deepEqual([job.tags, job.image], [["pods"], podJobImage(runner.settings)]);
    assert.equal(job.variables["PI_RUNNERS_REGISTRY"], "registry.lan:5000");
    const file = readFileSync(join(__dirname, "../../..", componentFile("kubernetes")), "utf8");
    assert.equal(file, component("kubernetes"), "run make docs");
  });

  it("builds with BuildKit where layers are kept for it, by the image that has it", () => {
    const settings = kubernetesSettings({ buildCache: { hostFolder: "/mnt/ssd" } });
    const printed = parse(printPipeline({ ...runner, settings }, registries)) as Record<string, { image: object }>;
    assert.deepEqual(printed["build-image"]!.image, { name: images.buildkit, entrypoint: [""] });
    assert.match(JSON.stringify(printed), /buildctl-daemonless\.sh build/);
    const own = kubernetesSettings({ jobImage: "buildah:1", buildCache: { hostFolder: "/mnt/ssd", image: "kit:1" } });
    assert.match(printPipeline({ ...runner, settings: own }, registries), /name: kit:1$/m);
  });

  it("builds and pushes a name of its own by Buildah, logs in by stdin, and prints what it pushed", () => {
    const folder = temporaryFolder();
    const [calls, pushed] = [join(folder, "calls"), `--digestfile) echo sha256:2 >"$3"`];
    command(
      folder,
      "buildah",
      `printf '%s\\n' "$*" >>${calls}; case "$1" in login) cat >${folder}/password;; esac; case "$2" in ${pushed};; esac`,
    );
    const env = {
      PATH: `${folder}:${process.env["PATH"]}`,
      CI_REGISTRY: "registry.lan:5000",
      CI_REGISTRY_USER: "gitlab-ci-token",
      CI_REGISTRY_PASSWORD: "SeCrEt",
      ...job.variables,
      PI_RUNNERS_IMAGE_NAME: "registry.lan:5000/Group/Project",
      PI_RUNNERS_IMAGE_TAG: "0123abcd-42",
    };
    const { status, output } = run(["sh"], [...job.before_script, ...job.script].join("\n"), env);
    assert.equal(status, 0, output);
    const image = "registry.lan:5000/group/project:0123abcd-42";
    const [login, build, push] = readFileSync(calls, "utf8").trim().split("\n");
    assert.equal(login, "login --username gitlab-ci-token --password-stdin registry.lan:5000");
    assert.equal(build, `build --pull --file Dockerfile --tag ${image} .`);
    assert.match(push!, new RegExp(`^push --digestfile \\S+ ${image}$`));
    assert.equal(readFileSync(join(folder, "password"), "utf8"), "SeCrEt");
    assert.match(output, /^registry\.lan:5000\/group\/project@sha256:2$/m);
  });
});

it("the pipeline of way shell removes its own logins, and none that a variable of the project names", () => {
  const folder = temporaryFolder();
  const theirs = join(folder, "theirs");
  command(folder, "docker", "exit 0");
  mkdirSync(theirs);
  writeFileSync(join(theirs, "config.json"), "{}");
  const job = jobOf(fillIn(component("shell"), {}));
  const env = { PATH: `${folder}:${process.env["PATH"]}`, CI_PROJECT_DIR: join(folder, "slot"), DOCKER_CONFIG: theirs };
  const registry = { ...env, PI_RUNNERS_REGISTRY: "registry.lan" };
  const { output } = run(["bash"], [...job.before_script, 'echo "in $DOCKER_CONFIG"'].join("\n"), registry);
  assert.match(output, new RegExp(`^in ${folder}/slot\\.tmp/`, "m"));
  assert.equal(run(["bash"], job.after_script.join("\n"), registry).status, 0);
  assert.deepEqual([readdirSync(join(folder, "slot.tmp")), readdirSync(theirs)], [[], ["config.json"]]);
});

it("an input that a component does not have is refused", () => {
  assert.throws(() => fillIn(component("dood"), { labels: "x" }), /no input labels; it has .*tags/);
});

/** Components of no way: other builds, the one for Compose, and those that are about stacks, not about building. */
const others = [
  ...[...executors.map(multiArchFile), buildkitFile, composeFile],
  ...["templates/preview.yml", "templates/deploy.yml", "templates/drift.yml"],
];

it("every component below templates/ is one of a way, or one of the few others", () => {
  const files = readdirSync(join(__dirname, "../../../templates")).filter((name) => name.endsWith(".yml"));
  assert.deepEqual(files.map((name) => `templates/${name}`).sort(), [...ways.map(componentFile), ...others].sort());
});

it("no job that builds or tests may take longer than its pipeline says", () => {
  const aboutStacks = ["preview.yml", "deploy.yml", "drift.yml"];
  const folder = join(__dirname, "../../../templates");
  const files = readdirSync(folder).filter((name) => name.endsWith(".yml") && !aboutStacks.includes(name));
  for (const file of files) {
    const text = readFileSync(join(folder, file), "utf8");
    const values = { timeout: "90 minutes", ...(file === "compose.yml" ? { command: "true" } : {}) };
    const jobs = Object.values(parse(fillIn(text, values)) as Record<string, { timeout?: string; extends?: string }>);
    for (const job of jobs) {
      assert.equal(job.extends === undefined ? job.timeout : "90 minutes", "90 minutes", file);
    }
  }
});
