import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  ApiException,
  CoreV1Api,
  KubeConfig,
  KubernetesObjectApi,
  RbacAuthorizationV1Api,
} from "@kubernetes/client-node";
import { parse, stringify } from "yaml";
import { checkout, cluster, eventually, gitlab, namespace as another, run, up, type Finished } from "../lab/stack/lab";
import { loadOnNodes } from "./engineStack";
import { teamStack, type TeamConfig, type TeamStack } from "./teamStack";

const pods = { name: "reads-pods", way: "kubernetes", jobImage: "pi-lab/buildah:1", replicas: 2 };
const mirror = {
  ...{ enabled: true, remoteUrl: "http://registry.lab:5000", image: "pi-lab/registry:2" },
  ...{ hostFolder: "/var/lib/kubelet/pi-reads", nodeSelector: { "kubernetes.io/hostname": "node1" } },
};

/** Kinds of what a stack has, in a namespace, as the client library names them. */
const kinds: Record<string, string[]> = {
  v1: [
    "Secret",
    "ConfigMap",
    "Service",
    "ServiceAccount",
    "ResourceQuota",
    "LimitRange",
    "PersistentVolumeClaim",
    "Pod",
  ],
  "apps/v1": ["DaemonSet", "Deployment"],
  "batch/v1": ["Job"],
  "networking.k8s.io/v1": ["NetworkPolicy"],
  "policy/v1": ["PodDisruptionBudget"],
  "rbac.authorization.k8s.io/v1": ["Role", "RoleBinding"],
};

describe("an account that may only read a stack's objects", function () {
  this.timeout(600_000);
  let team: TeamStack;
  let runner: { id: number };
  let file: string;
  let first: string;
  let kubeconfig: string;

  const account = (...flags: string[]): Promise<Finished> =>
    run("tsx", ["ci/previewAccount.ts", "--namespace", team.namespace, "--kubeconfig", ".lab/kubeconfig", ...flags]);

  async function made(): Promise<void> {
    const { code, output } = await account("--out", kubeconfig);
    assert.equal(code, 0, output);
  }

  function own(): KubeConfig {
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    return config;
  }

  /** What the account, or whoever deploys, is told of the stack as its file is now. */
  async function told(by: "account" | "deployer", ...flags: string[]): Promise<{ code: number; report: object }> {
    const env = by === "account" ? { ...team.env, KUBECONFIG: kubeconfig } : team.env;
    const { execa } = await import("execa"); // cannot be required: some of its dependencies are ESM only
    const args = ["ci/preview.ts", "--stack", team.name, "--out", join(team.folder, by), ...flags];
    const { exitCode, all } = await execa("tsx", args, { cwd: team.folder, env, all: true, reject: false });
    const report = JSON.parse(readFileSync(join(team.folder, by, `${team.name}.json`), "utf8")) as object;
    // Resources that do not wait for each other come in any order.
    const sorted = (list: unknown): unknown[] => (list as object[]).map((one) => JSON.stringify(one)).sort();
    const { changes, consequences } = report as Record<string, unknown>;
    const parts = { changes: sorted(changes), consequences: sorted(consequences) };
    return { code: exitCode ?? -1, report: { ...report, ...parts, ...(exitCode === 1 ? { all } : {}) } };
  }

  function write(change: (config: TeamConfig) => void): void {
    const parsed = parse(first) as { config: TeamConfig };
    change(parsed.config);
    writeFileSync(file, stringify(parsed));
  }

  before(async () => {
    await loadOnNodes("registry");
    await up();
    team = await teamStack("reads");
    file = join(team.folder, `Pulumi.${team.name}.yaml`);
    kubeconfig = join(team.folder, ".preview.kubeconfig");
    team.write((config) => {
      config["pi-runners:runners"].push(pods);
      config["pi-runners:mirror"] = mirror;
    });
    const { id, token } = await gitlab.createRunner({ description: pods.name, tags: [pods.name] });
    runner = { id };
    const key = `pi-runners:tokens.${pods.name}`;
    const set = await team.pulumi("config", "set", "--path", "--secret", key, token);
    assert.equal(set.code, 0, set.output);
    first = readFileSync(file, "utf8");
    const deployed = await team.pulumi("up", "--yes", "--skip-preview");
    assert.equal(deployed.code, 0, deployed.output);
    await made();
  });

  after(async () => {
    await team?.remove();
    await (runner && gitlab.deleteRunner(runner.id));
  });

  it("has a kubeconfig that only its owner can read", () => {
    assert.equal(statSync(kubeconfig).mode & 0o777, 0o600);
  });

  it("is enough for a preview, and for one that looks for drift: no changes", async () => {
    for (const flags of [[], ["--drift"]]) {
      const { code, report } = await told("account", ...flags);
      assert.equal(code, 0, JSON.stringify(report, undefined, 2));
    }
  });

  it("is told of a change what whoever deploys is told, and its plan is good for the deployment", async () => {
    write((config) => {
      config["pi-runners:runners"][0]!.concurrent = 3;
      Object.assign(config["pi-runners:runners"][1]!, { concurrent: 4, replicas: 1 });
      config["pi-runners:mirror"] = { ...mirror, remoteUrl: "http://172.30.99.2:5000" };
      config["pi-runners:quota"] = { "count/jobs.batch": "7", "services.nodeports": "0" };
      config["pi-runners:egressPorts"] = [9000];
    });
    const plan = join(team.folder, "plan.json");
    const [seen, expected] = [await told("account", "--save-plan", plan), await told("deployer")];
    assert.equal(seen.code, 2, JSON.stringify(seen.report, undefined, 2));
    assert.deepEqual(seen, expected);
    const deployed = await team.pulumi("up", "--yes", "--skip-preview", "--plan", plan);
    assert.equal(deployed.code, 0, deployed.output);
    assert.equal((await told("account", "--drift")).code, 0);
  });

  it("sees what somebody has changed in the cluster by hand", async () => {
    const at = { name: "runner", namespace: team.namespace };
    const quota = await cluster().readNamespacedResourceQuota(at);
    const by = { ...quota, spec: { hard: { ...quota.spec!.hard, "count/jobs.batch": "8" } } };
    await cluster().replaceNamespacedResourceQuota({ ...at, body: by, fieldManager: "kubectl-edit" });
    const { code, report } = await told("account", "--drift");
    assert.equal(code, 2, JSON.stringify(report, undefined, 2));
    assert.match(
      (report as { changes: string[] }).changes.join("\n"),
      /"path":"spec\.hard\[[^}]*"before":"8","after":"7"/,
    );
    const back = await team.pulumi("up", "--refresh", "--run-program", "--yes", "--skip-preview");
    assert.equal(back.code, 0, back.output);
    assert.equal((await told("account", "--drift")).code, 0);
  });

  it("may change nothing, nor read what is not of the stack", async () => {
    const api = KubernetesObjectApi.makeApiClient(own());
    const refused = async (what: string, asked: Promise<unknown>): Promise<void> => {
      const error = await asked.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof ApiException && error.code === 403, `${what}: ${String(error)}`);
    };
    const all = Object.entries(kinds).flatMap(([apiVersion, names]) => names.map((kind) => ({ apiVersion, kind })));
    for (const { apiVersion, kind } of all) {
      const one = { apiVersion, kind, metadata: { name: "runner", namespace: team.namespace } };
      const name = `${kind} in ${team.namespace}`;
      await refused(`create ${name}`, api.create(one));
      await refused(`dry run of ${name}`, api.create(one, undefined, "All"));
      await refused(`patch ${name}`, api.patch({ ...one, metadata: { ...one.metadata, labels: { a: "b" } } }));
      await refused(`delete ${name}`, api.delete(one));
      await refused(
        `read ${kind} in ${another}`,
        api.read({ ...one, metadata: { name: "runner", namespace: another } }),
      );
    }
    const space = { apiVersion: "v1", kind: "Namespace", metadata: { name: team.namespace } };
    await refused("delete the namespace", api.delete(space));
    await refused("another namespace", api.read({ ...space, metadata: { name: another } }));
    const core = own().makeApiClient(CoreV1Api);
    await refused("all Secrets", core.listNamespacedSecret({ namespace: team.namespace }));
    await refused("pods", core.listNamespacedPod({ namespace: team.namespace }));
    const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { audiences: [] } };
    const at = { name: "runner", namespace: team.namespace };
    await refused("a token", core.createNamespacedServiceAccountToken({ ...at, body }));
  });

  it("is not made where its token would be worth more, as in a cluster without roles", async () => {
    const admin = new KubeConfig();
    admin.loadFromFile(join(checkout, ".lab/kubeconfig"));
    const roles = admin.makeApiClient(RbacAuthorizationV1Api);
    const name = "reads-every-account";
    const apiGroup = "rbac.authorization.k8s.io";
    const subjects = [{ apiGroup, kind: "Group", name: `system:serviceaccounts:${team.namespace}` }];
    const roleRef = { apiGroup, kind: "ClusterRole", name: "cluster-admin" };
    await roles.createClusterRoleBinding({ body: { metadata: { name }, subjects, roleRef } });
    try {
      const core = own().makeApiClient(CoreV1Api);
      await eventually("the binding counts", 10, () =>
        core.listNode().then(
          () => true,
          () => undefined,
        ),
      );
      const { code, output } = await account("--out", join(team.folder, ".never"));
      assert.equal(code, 1, output);
      assert.match(output, /may create secrets in namespace gitlab-runners-reads[^]*microk8s enable rbac/);
    } finally {
      await roles.deleteClusterRoleBinding({ name });
    }
    await made();
  });

  it("is worth nothing once it is taken away", async () => {
    const config = own();
    for (const _time of ["once", "again"]) {
      const { code, output } = await account("--remove");
      assert.equal(code, 0, output);
    }
    // For some seconds the API server knows the token still; the role is gone at once.
    const read = config.makeApiClient(CoreV1Api).readNamespace({ name: team.namespace });
    await assert.rejects(read, (error: unknown) => error instanceof ApiException && [401, 403].includes(error.code));
  });
});
