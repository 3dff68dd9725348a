/** The components that build otherwise than a way's own: with BuildKit in a pod, and for two architectures. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { executors } from "../../../components/runners/executors";
import { buildkitComponent, buildkitFile } from "../../../templates/buildkit";
import { multiArchComponent, multiArchFile } from "../../../templates/multiArch";
import { fillIn } from "../../../templates/print";
import { temporaryFolder } from "../../temporaryFolder";
import { command, run, shells } from "../runners/shell";

interface Job {
  tags: string[];
  needs?: string[];
  variables: Record<string, string>;
  before_script: string[];
  script: string[];
}

const jobsOf = (text: string): Record<string, Job> => parse(text) as Record<string, Job>;
const registry = "registry.lan:5000";
const names = {
  PI_RUNNERS_IMAGE_NAME: `${registry}/Group/Project`,
  PI_RUNNERS_IMAGE_TAG: "0123abcd-42",
  PI_RUNNERS_REGISTRY: registry,
};

/** Runs scripts of a job in a folder whose commands are these. */
function runJob(scripts: string[], commands: Record<string, string>, env: Record<string, string> = {}, shell = ["sh"]) {
  const folder = temporaryFolder();
  const calls = join(folder, "calls");
  mkdirSync(join(folder, "home"));
  for (const [name, script] of Object.entries(commands)) {
    command(folder, name, `printf '${name} %s\\n' "$*" >>${calls}; ${script}`);
  }
  const all = { PATH: `${folder}:${process.env["PATH"]}`, HOME: join(folder, "home"), ...names, ...env };
  const ended = run(shell, scripts.join("\n"), all);
  return { ...ended, folder, calls: readFileSync(calls, "utf8").trim().split("\n") };
}

describe("the files below templates/ of other builds", () => {
  for (const [file, text] of [
    [buildkitFile, buildkitComponent] as const,
    ...executors.map((executor) => [multiArchFile(executor), multiArchComponent(executor)] as const),
  ]) {
    it(`${file} is what it is made of`, () => {
      assert.equal(readFileSync(join(__dirname, "../../..", file), "utf8"), text, "run make docs");
    });
  }
});

describe("the pipeline with BuildKit in a pod", () => {
  const job = jobsOf(fillIn(buildkitComponent, {}))["build-image"]!;
  const daemon = `echo "$BUILDKITD_FLAGS" >flags; echo '  "containerimage.digest": "sha256:2",' >/tmp/pushed`;

  for (const shell of shells) {
    it(`logs in without a password on a command line, builds, pushes, and prints what, in ${shell.join(" ")}`, () => {
      const env = { CI_REGISTRY: registry, CI_REGISTRY_USER: "gitlab-ci-token", CI_REGISTRY_PASSWORD: "SeCrEt" };
      const scripts = [`cd "$HOME"`, ...job.before_script, ...job.script];
      const commands = { "buildctl-daemonless.sh": daemon };
      const more = {
        ...env,
        BUILDKITD_FLAGS: "--config x",
        PI_RUNNERS_BUILD_CONTEXT: ".",
        PI_RUNNERS_DOCKERFILE: "build/Dockerfile",
      };
      const { status, output, calls, folder } = runJob(scripts, commands, more, shell);
      assert.equal(status, 0, output);
      assert.match(output, /^registry\.lan:5000\/group\/project@sha256:2$/m);
      assert.match(calls[0]!, /--local dockerfile=build --opt filename=Dockerfile/);
      assert.match(calls[0]!, /type=image,name=registry\.lan:5000\/group\/project:0123abcd-42,push=true/);
      assert.equal(readFileSync(join(folder, "home/flags"), "utf8"), "--config x\n", "the runner's own settings");
      const { auths } = JSON.parse(readFileSync(join(folder, "home/.docker/config.json"), "utf8")) as {
        auths: Record<string, { auth: string }>;
      };
      assert.equal(Buffer.from(auths[registry]!.auth, "base64").toString(), "gitlab-ci-token:SeCrEt");
      assert.ok(!output.includes("SeCrEt") && !calls.join().includes("SeCrEt"));
    });
  }
});

for (const executor of executors) {
  describe(`the pipeline for two architectures, executor ${executor}`, () => {
    const jobs = jobsOf(fillIn(multiArchComponent(executor), { tags_amd64: ["pc"], tags_arm64: ["pi"] }));

    it("builds each on its own runner, under a name of its own, and says for what", () => {
      const of = (architecture: string): unknown[] => {
        const { tags, variables } = jobs[`build-image-${architecture}`]!;
        return [tags, variables["PI_RUNNERS_PLATFORM"], variables["PI_RUNNERS_IMAGE_TAG"]];
      };
      const tag = "$CI_COMMIT_SHORT_SHA-$CI_PIPELINE_ID";
      assert.deepEqual(of("amd64"), [["pc"], "linux/amd64", `${tag}-amd64`]);
      assert.deepEqual(of("arm64"), [["pi"], "linux/arm64", `${tag}-arm64`]);
      assert.deepEqual(jobs["build-image"]!.needs, ["build-image-amd64", "build-image-arm64"]);
    });
  });
}

describe("the list of two architectures by Docker", () => {
  const script = jobsOf(fillIn(multiArchComponent("docker"), {}))["build-image"]!.script;
  const docker = (insecure: string): Record<string, string> => ({
    docker: `case "$*" in info*) echo '${insecure}';; *--raw*) printf raw;; *create*--tag*) cat "\${SSL_CERT_FILE:-/dev/null}";; esac`,
  });
  const image = `${registry}/group/project`;
  const settingsOf = (folder: string): string => join(folder, "home/.docker/buildx/buildkitd.default.toml");

  it("names both images, by a builder that is told what the daemon knows of the registry", () => {
    const { status, output, calls, folder } = runJob(script, docker(`${registry} other.lan `), { CI_JOB_ID: "7" });
    assert.equal(status, 0, output);
    assert.ok(output.includes(`${image}@sha256:${createHash("sha256").update("raw").digest("hex")}\n`), output);
    const [tag, builder] = [`${image}:0123abcd-42`, "--builder list-7"];
    assert.ok(calls.includes(`docker buildx imagetools create ${builder} --tag ${tag} ${tag}-amd64 ${tag}-arm64`));
    const settings = readFileSync(settingsOf(folder), "utf8");
    assert.equal(settings, `[registry."${registry}"]\nhttp = true\ninsecure = true\n`);
  });

  it("takes a registry for secure that the daemon takes for secure, with a CA of the user's", () => {
    const file = join(__dirname, "../config/ca.pem");
    const { status, output, folder } = runJob(script, docker(`not-${registry}`), { CI_JOB_ID: "7", REGISTRY_CA: file });
    assert.equal(status, 0, output);
    assert.ok(output.includes(readFileSync(file, "utf8")), output);
    assert.ok(!existsSync(settingsOf(folder)));
  });
});
