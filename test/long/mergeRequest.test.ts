import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AppsV1Api, KubeConfig, type V1ResourceQuota } from "@kubernetes/client-node";
import { parseAllDocuments } from "yaml";
import { admin, call, startStandIn, type StandIn } from "../lab/gitlab/standIn";
import {
  changedStack,
  checkout,
  cluster,
  environment,
  namespace,
  onNode,
  pulumi,
  run,
  up,
  type DevConfig,
  type Finished,
} from "../lab/stack/lab";
import { ownCheckout } from "../../lab/stack/ownCheckout";

const headers = { "PRIVATE-TOKEN": admin };
const dead = {
  name: "dead",
  host: "172.30.99.249",
  hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
};

interface Job {
  before_script: string[];
  script: string[];
}

/** A job of a component, with its inputs filled in. */
function jobOf(component: string, job: string): Job {
  const text = readFileSync(join(checkout, `templates/${component}.yml`), "utf8")
    .replaceAll("$[[ inputs.stack ]]", "dev")
    .replaceAll("$[[ inputs.organization ]]", "");
  const [, jobs] = parseAllDocuments(text.replace(/\$\[\[.*?\]\]/g, "x")).map((document) => document.toJS() as object);
  return (jobs as Record<string, Job>)[`${job}:dev`]!;
}

/**
 * The scripts of the components' jobs, run by a shell in a checkout of their own with a job's variables, which is quick;
 * mergeRequestPipeline.test.ts has a deployed runner run them.
 */
describe("a merge request", function () {
  this.timeout(600_000);
  let gitlab: StandIn;
  let folder: string;
  let remove: (() => void) | undefined;
  let api: string;
  let project: number;
  let pipeline = 0;

  /** Commits a stack file to a branch, and runs a job there. */
  async function runJob(
    [component, name]: [string, string],
    branch: string,
    change: (config: DevConfig) => void,
  ): Promise<Finished> {
    const text = readFileSync(changedStack(change), "utf8");
    const { sha } = await gitlab.lab.createProject("infra", { files: { "Pulumi.dev.yaml": text }, branch });
    writeFileSync(join(folder, "Pulumi.dev.yaml"), text);
    const { before_script, script } = jobOf(component, name);
    const { execa } = await import("execa"); // cannot be required: some of its dependencies are ESM only
    const result = await execa("bash", ["-eo", "pipefail", "-c", [...before_script, ...script].join("\n")], {
      cwd: folder,
      env: {
        ...(await environment()),
        CI_API_V4_URL: `${gitlab.url}/api/v4`,
        CI_PROJECT_ID: String(project),
        CI_PROJECT_DIR: folder,
        CI_COMMIT_SHA: sha!,
        CI_PIPELINE_IID: String(++pipeline),
        CI_JOB_URL: `${gitlab.url}/lab/infra/-/jobs/1`,
        ...(branch === "change" ? { CI_MERGE_REQUEST_IID: "1" } : {}),
        PI_RUNNERS_GITLAB_TOKEN: admin,
      },
      all: true,
      reject: false,
    });
    return { code: result.exitCode ?? -1, output: result.all };
  }

  const preview = (change: (config: DevConfig) => void): Promise<Finished> =>
    runJob(["preview", "preview"], "change", change);

  /** The one note, as a reviewer reads it. */
  async function note(): Promise<string> {
    const notes = (await call(gitlab, "GET", `${api}/notes`, undefined, headers)).body as { body: string }[];
    assert.equal(notes.length, 1);
    return notes[0]!.body;
  }

  const jobs =
    (count: number) =>
    (config: DevConfig): void => {
      config["pi-runners:runners"][0]!.concurrent = count;
    };

  before(async () => {
    await up();
    gitlab = await startStandIn();
    project = (await gitlab.lab.createProject("infra", { files: { README: "main" } })).id;
    await gitlab.lab.createProject("infra", { files: { README: "change" }, branch: "change" });
    const opened = { source_branch: "change", target_branch: "main", title: "Two jobs at once" };
    await call(gitlab, "POST", `/api/v4/projects/${project}/merge_requests`, opened, headers);
    api = `/api/v4/projects/${project}/merge_requests/1`;
    ({ folder, remove } = await ownCheckout());
  });

  after(async () => {
    remove?.();
    await gitlab?.stop();
    await up();
  });

  it("shows a change and what it does, in one note; merged and planned, just that is deployed", async () => {
    const changed = await preview(jobs(2));
    assert.equal(changed.code, 2, changed.output);
    assert.match(await note(), /runner `dood` reads its config\.toml again within seconds[^]*concurrent: 1 => 2/);
    assert.doesNotMatch(await note(), /Outdated|failed|glrt-/);
    const plan = await runJob(["deploy", "plan"], "main", jobs(2));
    assert.equal(plan.code, 2, plan.output);
    const deploy = await runJob(["deploy", "deploy"], "main", jobs(2));
    assert.equal(deploy.code, 0, deploy.output);
    const secret = await cluster().readNamespacedSecret({ name: "dood-config", namespace });
    assert.match(Buffer.from(secret.data!["config.toml"]!, "base64").toString(), /^concurrent = 2$/m);
    const again = await preview(jobs(2));
    assert.equal(again.code, 0, again.output);
    assert.match(await note(), /Preview of `dev`: no changes/);
  });

  it("shows no secret, wherever the stack file has one: not in the note, not in a file, not in the job's log", async () => {
    const own = "runners[0].config.runners[0]";
    const settings = {
      "tokens.dood": "glrt-MaRkEd0123456789abc",
      "ssh.sudoPassword": "MaRkEd-sudo",
      "ssh.bastion.password": "MaRkEd-bastion",
      [`${own}.environment[0]`]: "HARMLESS=MaRkEd-variable",
      [`${own}.pre_build_script`]: "echo MaRkEd-script",
      [`${own}.docker.hostname`]: "MaRkEd-hostname",
      [`${own}.cache.s3.SecretKey`]: "MaRkEd-key",
      "runners[0].jobImage": "registry.lab:5000/marked-MaRkEd:1",
    };
    const file = changedStack((config) => {
      config["pi-runners:ssh"] = { ...(config["pi-runners:ssh"] as object), bastion: { ...dead, name: undefined } };
    });
    for (const [path, value] of Object.entries(settings)) {
      const set = [
        "config",
        "set",
        "--path",
        "--secret",
        "--stack",
        "dev",
        "--config-file",
        file,
        `pi-runners:${path}`,
      ];
      const { code, output } = await run("pulumi", [...set, value], await environment());
      assert.equal(code, 0, output);
    }
    const args = ["ci/preview.ts", "--stack", "dev", "--config-file", file, "--out", join(folder, "secrets")];
    const { code, output } = await run("tsx", args, await environment());
    assert.equal(code, 2, output);
    const files = readdirSync(join(folder, "secrets")).map((name) =>
      readFileSync(join(folder, "secrets", name), "utf8"),
    );
    assert.ok(files.some((text) => text.includes("HARMLESS=[secret]") || text.includes("[secret]")));
    for (const text of [output, ...files]) {
      assert.doesNotMatch(text, /MaRkEd|TWFSa0Vk/);
    }
  });

  it("is not deployed by a plan that reality has moved on from", async () => {
    const plan = await runJob(["deploy", "plan"], "main", jobs(2));
    assert.equal(plan.code, 0, plan.output);
    const moved = await runJob(["deploy", "deploy"], "main", jobs(3));
    assert.notEqual(moved.code, 0);
    assert.match(moved.output, /violates plan/);
  });

  async function issues(): Promise<{ state: string; title: string; description: string }[]> {
    const path = `/api/v4/projects/${project}/issues?labels=drift`;
    return (await call(gitlab, "GET", path, undefined, headers)).body as Awaited<ReturnType<typeof issues>>;
  }

  const states = async (): Promise<string[]> => (await issues()).map(({ state }) => state);

  it("has its drift kept in one issue, which is closed when the drift is gone", async () => {
    const drifted = await runJob(["drift", "drift"], "main", jobs(4));
    assert.equal(drifted.code, 2, drifted.output);
    assert.deepEqual(await states(), ["opened"]);
    const gone = await runJob(["drift", "drift"], "main", jobs(2));
    assert.equal(gone.code, 0, gone.output);
    assert.deepEqual(await states(), ["closed"]);
  });

  it("has what somebody changed by hand, on a node and in the cluster, in an issue until it is put back", async () => {
    const probing = (config: DevConfig): void => {
      jobs(2)(config);
      config["pi-runners:trust"] = { probe: true };
    };
    const drift = (): Promise<Finished> => runJob(["drift", "drift"], "main", probing);
    const daemon = "/etc/docker/daemon.json";
    const file = await onNode(1, `cat ${daemon}`);
    await onNode(1, `sed -i 's/registry\\.lab:5000/elsewhere.lab:5000/' ${daemon}`);
    await byHand();
    try {
      const drifted = await drift();
      assert.equal(drifted.code, 2, drifted.output);
      assert.deepEqual(await states(), ["closed", "opened"]);
      const { title, description } = (await issues()).find(({ state }) => state === "opened")!;
      assert.match(title, /^Drift of dev: 3 to update, 3 changed outside of the program, 1 node differs$/);
      const outside = /since it was deployed, outside of this program\*\*\n([^]*?)\n\*\*/.exec(description)?.[1] ?? "";
      assert.match(outside, /changed: ResourceQuota gitlab-runners-quota\n.*services\.nodeports"\]: 0 => 3/);
      assert.match(
        outside,
        /changed: DaemonSet dood\n(?:.*\n)?.*spec\.updateStrategy\.type: RollingUpdate => OnDelete/,
      );
      assert.match(outside, /changed: Secret dood-config\n.*config\.toml"\]: changed \(secret\)/);
      assert.match(description, /Changed on the nodes, outside of this program[^]*node1[^]*registry\.lab:5000/);
      assert.doesNotMatch(description, /glrt-/);
    } finally {
      await onNode(1, `cat >${daemon} <<'END'\n${file}\nEND`);
    }
    // As docs/merge-requests.md has it.
    const up = ["up", "--refresh", "--run-program", "--stack", "dev", "--yes", "--skip-preview"];
    const back = await pulumi(...up, "--config-file", changedStack(probing));
    assert.equal(back.code, 0, back.output);
    assert.equal((await quota()).spec!.hard!["services.nodeports"], "0");
    const gone = await drift();
    assert.equal(gone.code, 0, gone.output);
    assert.deepEqual(await states(), ["closed", "closed"]);
  });
});

const quotaAt = { name: "runner", namespace };
const quota = (): Promise<V1ResourceQuota> => cluster().readNamespacedResourceQuota(quotaAt);

/** What somebody does with kubectl edit to a runner's file and its DaemonSet, and with another tool to the namespace's limits. */
async function byHand(): Promise<void> {
  const manager = { fieldManager: "kubectl-edit" };
  const secretAt = { name: "dood-config", namespace };
  const secret = await cluster().readNamespacedSecret(secretAt);
  const text = Buffer.from(secret.data!["config.toml"]!, "base64").toString();
  secret.data!["config.toml"] = Buffer.from(text.replace(/^concurrent = .*$/m, "concurrent = 9")).toString("base64");
  await cluster().replaceNamespacedSecret({ ...secretAt, ...manager, body: secret });
  const limits = await quota();
  limits.spec!.hard!["services.nodeports"] = "3";
  await cluster().replaceNamespacedResourceQuota({ ...quotaAt, fieldManager: "k9s", body: limits });
  const setAt = { name: "dood", namespace };
  const set = await workloads().readNamespacedDaemonSet(setAt);
  set.spec!.updateStrategy = { type: "OnDelete" };
  await workloads().replaceNamespacedDaemonSet({ ...setAt, ...manager, body: set });
}

function workloads(): AppsV1Api {
  const config = new KubeConfig();
  config.loadFromFile(join(checkout, ".lab/kubeconfig"));
  return config.makeApiClient(AppsV1Api);
}
