import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { fillIn, pipelineTemplate, printPipeline } from "../../../templates/print";
import { jobImage } from "../../../components/runners/docker/dockerConfig";
import { dockerWays } from "../../../components/runners/docker/ways";
import { settingsOf } from "../runners/settings";
import { command, run, scratch } from "../runners/shell";

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
    const runner = { ...settingsOf(way), tags: ["pi", way] };
    const text = printPipeline(runner, registries);

    it("has the stack's registry, tags and image in it, and nothing left to fill in", () => {
      const job = jobOf(text);
      assert.deepEqual(job.tags, ["pi", way]);
      assert.equal(job.image, jobImage(runner));
      assert.equal(job.variables["REGISTRY"], "registry.lan:5000");
      assert.doesNotMatch(text, /\[\[/);
    });

    it("uses the same pinned image by itself as the runner does", () => {
      assert.equal(jobOf(fillIn(pipelineTemplate(way), {})).image, jobImage(settingsOf(way)));
    });

    it("builds and pushes a name of its own, logs in by stdin, cleans up, and never waits blindly", () => {
      const job = jobOf(text);
      const folder = scratch();
      const calls = join(folder, "calls");
      command(folder, "docker", `printf '%s\\n' "$*" >>${calls}; case "$1" in login) cat >${folder}/password;; esac`);
      const env = {
        PATH: `${folder}:${process.env["PATH"]}`,
        CI_REGISTRY_USER: "gitlab-ci-token",
        CI_REGISTRY_PASSWORD: "SeCrEt",
        ...job.variables,
        IMAGE_NAME: "registry.lan:5000/Group/Project",
        IMAGE_TAG: "0123abcd-42",
      };
      const script = [...job.before_script, ...job.script, ...job.after_script].join("\n");
      const { status, output } = run(["sh"], script, env);
      assert.equal(status, 0, output);
      const done = readFileSync(calls, "utf8").trim().split("\n");
      const image = "registry.lan:5000/group/project:0123abcd-42";
      assert.deepEqual(done, [
        "login --username gitlab-ci-token --password-stdin registry.lan:5000",
        `build --pull --file Dockerfile --tag ${image} .`,
        `push ${image}`,
        `image inspect --format {{join .RepoDigests "\\n"}} ${image}`,
        ...(way === "dood" ? [`image rm --force --no-prune ${image}`] : []),
        "logout registry.lan:5000",
      ]);
      assert.equal(readFileSync(join(folder, "password"), "utf8"), "SeCrEt");
      assert.doesNotMatch(script, /sleep/);
    });

    it("does without a login where the registry has no accounts", () => {
      const folder = scratch();
      command(folder, "docker", `echo called >${folder}/calls`);
      const { status } = run(["sh"], jobOf(text).before_script.join("\n"), {
        PATH: `${folder}:${process.env["PATH"]}`,
      });
      assert.equal(status, 0);
      assert.equal(existsSync(join(folder, "calls")), false);
    });

    it("has another image name in every pipeline", () => {
      assert.match(jobOf(text).variables["IMAGE_TAG"]!, /\$CI_COMMIT_SHORT_SHA.*\$CI_PIPELINE_ID/);
    });
  });
}

it("an input that a component does not have is refused", () => {
  assert.throws(() => fillIn(pipelineTemplate("dood"), { tag: "x" }), /no input tag; it has .*tags/);
});
