import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { admin, call, startStandIn, type StandIn } from "./standIn";

const headers = { "PRIVATE-TOKEN": admin };
const components = ["preview", "deploy", "drift"].map((name) => `templates/${name}.yml`);
const include = components.map((path) => `  - local: ${path}\n    inputs: { stack: home, tags: [stacks] }\n`).join("");
const files = {
  ...Object.fromEntries(components.map((path) => [path, readFileSync(join(__dirname, "../../..", path), "utf8")])),
  ".gitlab-ci.yml": `stages: [test, deploy]\ninclude:\n${include}`,
  "Pulumi.home.yaml": "config: {}\n",
};
const variables = [
  { key: "PULUMI_BACKEND_URL", value: "of all" },
  { key: "KUBECONFIG", value: "changes", environmentScope: "runners/home", protected: true },
  { key: "KUBECONFIG", value: "changes another", environmentScope: "runners/other" },
  { key: "KUBECONFIG", value: "looks", environmentScope: "preview/*" },
];

interface HandedOut {
  id: number;
  token: string;
  job_info: { name: string };
  variables: { key: string; value: string }[];
}

describe("the credentials of a stack's jobs", function () {
  this.timeout(60_000);
  let gitlab: StandIn;
  let runner: string;

  before(async () => {
    gitlab = await startStandIn();
    runner = (await gitlab.lab.createRunner({ tags: ["stacks"] })).token;
  });

  after(() => gitlab.stop());

  /** The next job as a runner gets it, which then succeeds. */
  async function next(): Promise<(string | undefined)[]> {
    const { status, body } = await call(gitlab, "POST", "/api/v4/jobs/request", { token: runner });
    assert.equal(status, 201);
    const { id, token, job_info: info, variables: given } = body as HandedOut;
    await call(gitlab, "PUT", `/api/v4/jobs/${id}`, { token, state: "success" });
    const value = (wanted: string): string | undefined => given.find(({ key }) => key === wanted)?.value;
    return [info.name, value("CI_ENVIRONMENT_NAME"), value("KUBECONFIG"), value("PULUMI_BACKEND_URL")];
  }

  it("change something only in the job that deploys", async () => {
    const { id } = await gitlab.lab.createProject("stacks", { files, variables });
    const changed = { ...files, "Pulumi.home.yaml": "config: {a: b}\n" };
    await gitlab.lab.createProject("stacks", { files: changed, branch: "change" });
    const api = `/api/v4/projects/${id}/merge_requests`;
    const body = { source_branch: "change", target_branch: "main", title: "change" };
    const opened = await call(gitlab, "POST", api, body, headers);
    assert.equal(opened.status, 201, JSON.stringify(opened.body));
    assert.deepEqual(await next(), ["preview:home", "preview/home", "looks", "of all"]);

    const merged = await call(gitlab, "PUT", `${api}/${(opened.body as { iid: number }).iid}/merge`, {}, headers);
    assert.deepEqual(await next(), ["plan:home", "preview/home", "looks", "of all"]);
    const { jobs } = await gitlab.lab.pipeline((merged.body as { pipeline: { id: number } }).pipeline.id);
    await gitlab.lab.playJob(jobs.find(({ name }) => name === "deploy:home")!.id);
    assert.deepEqual(await next(), ["deploy:home", "runners/home", "changes", "of all"]);

    await gitlab.lab.startPipeline("stacks", { source: "schedule" });
    assert.deepEqual(await next(), ["drift:home", "preview/home", "looks", "of all"]);
  });
});
