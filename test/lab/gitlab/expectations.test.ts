/** What the stand-in hands out, held against the types that the lab's runner reads it into, where its source is there. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type StandIn, call, dood, startStandIn } from "./standIn";

/** Folder of gitlab-runner's source among Go's modules: the newest one, which the lab builds. */
function runnerSource(): string | undefined {
  try {
    const modules = execFileSync("go", ["env", "GOMODCACHE"], { encoding: "utf8" }).trim();
    const folder = join(modules, "gitlab.com/gitlab-org");
    const versions = readdirSync(folder).filter((name) => name.startsWith("gitlab-runner@"));
    return versions
      .sort()
      .map((name) => join(folder, name))
      .filter((path) => existsSync(join(path, "common/spec/spec.go")))
      .at(-1);
  } catch {
    return undefined;
  }
}

/** Go's structs by name: what each field is called in JSON, and its type. */
function structs(source: string): Map<string, Map<string, string>> {
  const found = new Map<string, Map<string, string>>();
  for (const [, name = "", body = ""] of source.matchAll(/^\t?(?:type )?(\w+) +struct \{\n(.*?)^\t?\}/gms)) {
    const fields = [...body.matchAll(/^\s+\w+\s+([\w.*[\]]+)\s+`[^`]*json:"([\w]+)/gm)];
    found.set(name, new Map(fields.map(([, type = "", key = ""]) => [key, type])));
  }
  for (const [, name = "", item = ""] of source.matchAll(/^\t?(?:type )?(\w+) +\[\](\w+)$/gm)) {
    const fields = found.get(item);
    if (fields) {
      found.set(name, fields);
    }
  }
  return found;
}

/** Paths of a value that a type has no field for. */
function strangers(value: unknown, type: string, known: Map<string, Map<string, string>>, path: string): string[] {
  const fields = known.get(type.replace(/^[*[\]]+/, ""));
  if (fields === undefined || typeof value !== "object" || value === null) {
    return [];
  }
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => strangers(item, type, known, `${path}[${index}]`));
  }
  return Object.entries(value).flatMap(([key, inner]) => {
    const field = fields.get(key);
    return field === undefined ? [`${path}.${key}`] : strangers(inner, field, known, `${path}.${key}`);
  });
}

describe("what the stand-in says, as gitlab-runner reads it", function () {
  this.timeout(30_000);
  const source = runnerSource();
  let standIn: StandIn;

  before(async function () {
    if (source === undefined) {
      this.skip();
    }
    standIn = await startStandIn();
  });
  after(() => standIn?.stop());

  it("has no field in a job that the runner does not know", async () => {
    await standIn.lab.createProject("demo", {
      files: {
        ".gitlab-ci.yml": `
          a:
            tags: [dood]
            image: {name: "x:1", entrypoint: [""]}
            services: [{name: "docker:dind", alias: docker, command: ["--mtu=1400"], variables: {A: b}}]
            hooks: {pre_get_sources_script: [echo]}
            script: [echo]
            after_script: [echo]
            cache: {key: deps, paths: [a/], policy: pull}
            artifacts: {paths: [out/], expire_in: 1 week, reports: {junit: r.xml}}`,
      },
    });
    await standIn.lab.startPipeline("demo");
    const { status, body } = await call(standIn, "POST", "/api/v4/jobs/request", { token: dood });
    assert.equal(status, 201);
    const known = structs(readFileSync(join(source!, "common/spec/spec.go"), "utf8"));
    assert.ok(
      known.get("Job")!.has("runner_info") && known.get("RunnerInfo")!.has("uuid"),
      "the source was understood",
    );
    assert.deepEqual(strangers(body, "Job", known, "job"), []);
    assert.deepEqual(strangers({ stray: 1, steps: [{ stray: 1 }] }, "Job", known, "job"), [
      "job.stray",
      "job.steps[0].stray",
    ]);
  });
});
