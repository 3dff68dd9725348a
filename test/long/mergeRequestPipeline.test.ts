import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { findEngine } from "../../lab/engine/engine";
import type { JobView, PipelineView } from "../../lab/gitlab/client";
import { deployHost, deployImage, removeDeployHost } from "../../lab/images/deployImage";
import { node as labNode } from "../../lab/machine/places";
import { checkout, cluster, gitlab, onNode, run, up } from "../lab/stack/lab";
import { projectFiles } from "../../lab/stack/ownCheckout";
import { postgres, type Database } from "../../lab/stack/postgres";
import { drawNote, drawWidget } from "./screenshots";
import { teamStack, type TeamConfig, type TeamStack } from "./teamStack";

const mirror = "mirror.lab:5000";
const node = (number: number): { name: string; host: string } => ({
  name: `node${number}`,
  host: `172.30.99.${10 + number}`,
});
const dead = {
  name: "dead",
  host: "172.30.99.249",
  hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
};

interface Opened {
  iid: number;
  head_pipeline: { id: number } | null;
}

/**
 * docs/merge-requests.md, step by step: a project at the stand-in for GitLab, with this repository's components; jobs in the
 * image of ci/Dockerfile, run by a runner that this product deployed (stack dev's, of way dood); state in a PostgreSQL.
 */
describe("the pipeline of a merge request, run by a deployed runner", function () {
  this.timeout(900_000);
  let team: TeamStack;
  let database: Database;
  let token: string;
  let image: string;
  let project: { id: number };
  let files: Awaited<ReturnType<typeof projectFiles>>;
  let branches = 0;
  // The stand-in keeps what earlier runs have left.
  const name = `team-infra-${Date.now().toString(36)}`;

  /** One call of GitLab's API by whoever works with merge requests. */
  async function api<T>(method: string, path: string, body?: object): Promise<T> {
    const headers = { "PRIVATE-TOKEN": token, ...(body ? { "Content-Type": "application/json" } : {}) };
    const url = `${gitlab.url}/api/v4/projects/${project.id}${path}`;
    const response = await fetch(url, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${url}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  const commit = (branch: string, stackFile: string, more: typeof files = {}): Promise<unknown> =>
    gitlab.createProject(name, { files: { ...files, "Pulumi.team.yaml": stackFile, ...more }, branch });

  /** Opens a merge request with this change of the stack's file, and waits for the pipeline that GitLab makes of it. */
  async function opened(
    change: (config: TeamConfig) => void,
    more: typeof files = {},
  ): Promise<{ iid: number; preview: JobView }> {
    const branch = `change-${++branches}`;
    await commit(branch, team.file(change), more);
    const body = { source_branch: branch, target_branch: "main", title: `Change ${branches}` };
    const { iid, head_pipeline } = await api<Opened>("POST", "/merge_requests", body);
    assert.ok(head_pipeline, "GitLab makes a pipeline");
    const pipeline = await gitlab.waitPipeline(head_pipeline.id, { timeoutMs: 600_000 });
    return { iid, preview: await jobOf(pipeline, "preview:team") };
  }

  async function jobOf(pipeline: PipelineView, wanted: string): Promise<JobView> {
    const job = pipeline.jobs.find((one) => one.name === wanted);
    assert.ok(job, `${wanted} is not among ${pipeline.jobs.map((one) => one.name).join(", ")}`);
    return job;
  }

  /** The one note of the merge request, as a reviewer reads it. */
  async function note(iid: number): Promise<string> {
    const notes = await api<{ body: string }[]>("GET", `/merge_requests/${iid}/notes`);
    assert.equal(notes.length, 1);
    return notes[0]!.body;
  }

  async function report<T>(job: JobView, type: string): Promise<T> {
    return JSON.parse(gunzipSync(await gitlab.artifact(job.id, type)).toString()) as T;
  }

  before(async () => {
    await up();
    const engine = (await findEngine())!;
    image = await deployImage(engine, (line) => console.log(line));
    database = await postgres(engine, (line) => console.log(line));
    team = await teamStack("team", database.url);
    team.write(deployed);
    const first = await team.pulumi("up", "--yes", "--skip-preview");
    assert.equal(first.code, 0, first.output);
    token = (await gitlab.createAccessToken({ scopes: ["api"], role: "developer" })).token;
    files = { ...(await projectFiles()), ".gitlab-ci.yml": pipelineOf(image) };
    const lab = (file: string): string => readFileSync(join(checkout, ".lab", file), "utf8");
    const variables = [
      { key: "PULUMI_BACKEND_URL", value: database.url, masked: true },
      { key: "PULUMI_CONFIG_PASSPHRASE", value: team.env["PULUMI_CONFIG_PASSPHRASE"]!, masked: true },
      { key: "KUBECONFIG", value: lab("kubeconfig"), file: true },
      { key: "PI_RUNNERS_SSH_KEY", value: lab("id_ed25519"), file: true },
      { key: "PI_RUNNERS_KNOWN_HOSTS", value: lab("known_hosts"), file: true },
      { key: "PI_RUNNERS_GITLAB_TOKEN", value: token, masked: true },
    ];
    project = await gitlab.createProject(name, {
      files: { ...files, "Pulumi.team.yaml": team.file(deployed) },
      variables,
    });
  });

  after(async () => {
    await team?.remove();
    await database?.remove();
  });

  it("shows a change of jobs, a registry and a node; merged and started by hand, it is on the cluster and the node", async () => {
    const { iid, preview } = await opened(changed);
    assert.equal(preview.runner?.description, "dood");
    assert.deepEqual([preview.status, preview.exitCode], ["failed", 2], await gitlab.trace(preview.id));
    const text = await note(iid);
    assert.match(text, /### Preview of `team`: \d+ to create, \d+ to update/);
    assert.match(text, /runner `team` reads its config\.toml again within seconds/);
    assert.match(text, /registry trust is applied on node `node1`/);
    assert.match(text, /concurrent: 1 => 3/);
    assert.match(text, /\+ docker: .*mirror\.lab:5000/);
    assert.doesNotMatch(text, /Outdated|glrt-|PRIVATE KEY/);
    const widget = await report<{ create: number; update: number; delete: number }>(preview, "terraform");
    assert.ok(widget.create >= 1 && widget.update >= 2, JSON.stringify(widget));
    assert.equal(widget.delete, 0);
    if (process.env["SCREENSHOTS"] !== undefined) {
      await drawNote(text, join(checkout, "docs/pictures/note.png"));
      await drawWidget(preview.name, widget, join(checkout, "docs/pictures/widget.png"));
    }

    const merged = await api<{ state: string; pipeline: { id: number } | null }>("PUT", `/merge_requests/${iid}/merge`);
    assert.equal(merged.state, "merged");
    const pipeline = await gitlab.waitPipeline(merged.pipeline!.id, { timeoutMs: 600_000 });
    const plan = await jobOf(pipeline, "plan:team");
    assert.deepEqual([plan.status, plan.exitCode], ["failed", 2], await gitlab.trace(plan.id));
    const deploy = await jobOf(pipeline, "deploy:team");
    assert.equal(deploy.status, "manual");
    await gitlab.playJob(deploy.id);
    const ended = await gitlab.waitJob(deploy.id, ({ status }) => /success|failed|canceled/.test(status), 600_000);
    assert.equal(ended.status, "success", await gitlab.trace(deploy.id));
    const secret = await cluster().readNamespacedSecret({ name: "team-config", namespace: team.namespace });
    assert.match(Buffer.from(secret.data!["config.toml"]!, "base64").toString(), /^concurrent = 3$/m);
    for (const number of [1, 2] as const) {
      assert.match(await onNode(number, "cat /etc/docker/daemon.json"), /mirror\.lab:5000/);
    }
  });

  it("fails at a wrong stack file, with file and line in the note and in GitLab's view of the diff", async () => {
    const { iid, preview } = await opened((config) => {
      changed(config);
      config["pi-runners:runners"][0]!.way = "doof";
    });
    assert.deepEqual([preview.status, preview.exitCode], ["failed", 1]);
    assert.match(await note(iid), /failed: an error[^]*`Pulumi\.team\.yaml:\d+` `pi-runners:runners\[0\]\.way`/);
    const [finding] = await report<{ location: { path: string; lines: { begin: number } } }[]>(preview, "codequality");
    assert.equal(finding!.location.path, "Pulumi.team.yaml");
  });

  it("has no job for a fork's merge request, and so no credentials", async () => {
    await commit("forked", team.file(changed));
    // What GitLab says of a fork; the stand-in has none.
    const variables = [{ key: "CI_MERGE_REQUEST_SOURCE_PROJECT_ID", value: "999" }];
    const input = { ref: "forked", source: "merge_request_event", variables };
    await assert.rejects(gitlab.startPipeline(name, input), /No job of \.gitlab-ci\.yml is to run/);
  });

  it("warns on top of a node that does not answer", async () => {
    const { iid, preview } = await opened((config) => {
      changed(config);
      config["pi-runners:nodes"]!.push(dead);
    });
    assert.deepEqual([preview.status, preview.exitCode], ["failed", 2], await gitlab.trace(preview.id));
    assert.match(
      await note(iid),
      /Look at this first[^]*:warning: node dead \(172\.30\.99\.249\) could not be looked at/,
    );
  });

  it("writes the note from a host, by a runner of way shell, and leaves nothing of the job's there", async () => {
    const ways = await run("tsx", ["lab/lab.ts", "job", "--way", "shell"]);
    assert.equal(ways.code, 0, ways.output);
    const [engine, host] = [(await findEngine())!, labNode(1).container];
    try {
      await deployHost(engine, host, image);
      const more = (config: TeamConfig): void => {
        changed(config);
        config["pi-runners:runners"][0]!.concurrent = 5;
      };
      const { iid, preview } = await opened(more, { ".gitlab-ci.yml": pipelineOf(image, "shell") });
      assert.equal(preview.runner?.description, "shell");
      assert.deepEqual([preview.status, preview.exitCode], ["failed", 2], await gitlab.trace(preview.id));
      assert.match(await note(iid), /concurrent: \d => 5/);
      const home = (await onNode(1, "getent passwd gitlab-runner | cut -d: -f6")).trim();
      // A job's own folders are beside its checkout.
      const left = `find / -xdev \\( -name 'pi-runners-pulumi*' -o -path '/tmp/tmp.*' \\)`;
      assert.equal(await onNode(1, `ls -d ${home}/.ssh 2>/dev/null; ${left}; pgrep -a ssh-agent; true`), "");
    } finally {
      await removeDeployHost(engine, host);
    }
  });
});

/** As it is deployed before the merge request. */
function deployed(config: TeamConfig): void {
  config["pi-runners:nodes"] = [node(1)];
  config["pi-runners:trust"] = { probe: true };
}

/** What the merge request makes of it. */
function changed(config: TeamConfig): void {
  deployed(config);
  config["pi-runners:runners"][0]!.concurrent = 3;
  config["pi-runners:registries"].push({ address: mirror, insecure: true });
  config["pi-runners:nodes"]!.push(node(2));
}

/** One include of each component, as the guide says. */
function pipelineOf(image: string, tag = "dood"): string {
  const inputs = `{ stack: team, tags: [${tag}], image: "${image}" }`;
  const include = ["preview", "deploy", "drift"].map(
    (name) => `  - local: templates/${name}.yml\n    inputs: ${inputs}\n`,
  );
  return `stages: [test, deploy]\ninclude:\n${include.join("")}`;
}
