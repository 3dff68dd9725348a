import type { V1ObjectMeta } from "@kubernetes/client-node";
import * as k8s from "@pulumi/kubernetes";
import type { Stack } from "@pulumi/pulumi/automation";
import * as pulumi from "@pulumi/pulumi";
import assert from "node:assert/strict";
import { runnerVersion } from "../../../components/runners/images";
import { type Cluster, cluster, failure, provider, removed, stackOf, stateText } from "./program";

const hidden = "never-to-be-seen-5f3c";
const shown = (secret: string) => [secret, Buffer.from(secret).toString("base64")];

/** What a test varies between two runs of one program. */
interface Wish {
  secret: string;
  setting: string;
  provider?: k8s.ProviderArgs;
  /** A name given to the Secret; otherwise it gets one. */
  name?: string;
  ignore?: string[];
  /** Import the ConfigMap `found` of this namespace too. */
  found?: string;
}

const found = { metadata: { name: "found", labels: { of: "somebody" } }, data: { a: "1" } };

function program(wish: Wish): () => Promise<Record<string, pulumi.Output<string>>> {
  return async () => {
    const options = { provider: await provider(wish.provider) };
    const namespace = new k8s.core.v1.Namespace("plugins", {}, options).metadata.name;
    const secret = new k8s.core.v1.Secret(
      "secret",
      { metadata: { namespace, name: wish.name }, stringData: { value: pulumi.secret(wish.secret) } },
      options,
    );
    const settings = new k8s.core.v1.ConfigMap(
      "settings",
      { metadata: { namespace }, data: { value: wish.setting, same: "1" } },
      { ...options, ignoreChanges: wish.ignore },
    );
    const account = new k8s.core.v1.ServiceAccount("account", { metadata: { namespace } }, options);
    const role = new k8s.rbac.v1.Role(
      "role",
      { metadata: { namespace }, rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }] },
      options,
    );
    new k8s.rbac.v1.RoleBinding(
      "binding",
      {
        metadata: { namespace },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: role.metadata.name },
        subjects: [{ kind: "ServiceAccount", name: account.metadata.name, namespace }],
      },
      options,
    );
    // Quantities that the server writes in another form.
    const limits = [{ type: "Container", default: { cpu: "0.5", memory: "1024Mi" } }];
    new k8s.core.v1.LimitRange("limits", { metadata: { namespace }, spec: { limits } }, options);
    new k8s.core.v1.ResourceQuota("quota", { metadata: { namespace }, spec: { hard: { pods: "9" } } }, options);
    if (wish.found) {
      const metadata = { ...found.metadata, namespace: wish.found };
      new k8s.core.v1.ConfigMap("found", { ...found, metadata }, { ...options, import: `${wish.found}/found` });
    }
    return { namespace, secret: secret.metadata.name, settings: settings.metadata.name };
  };
}

interface Names {
  namespace: string;
  secret: string;
  settings: string;
}

async function applied(stack: Stack, wish: Wish): Promise<Names> {
  stack.workspace.program = program(wish);
  const { outputs } = await stack.up();
  return Object.fromEntries(
    Object.entries(outputs).map(([key, { value }]) => [key, String(value)]),
  ) as unknown as Names;
}

describe("the Kubernetes plugin", () => {
  let stack: Stack;
  let api: Cluster;
  const wish: Wish = { secret: hidden, setting: "one" };

  // One stack for all: every test first brings it to what it starts from.
  before(async () => {
    api = await cluster();
    stack = await stackOf("plugin-kubernetes", program(wish));
  });

  after(() => removed(stack));

  const secretOf = async ({ namespace, secret: name }: Names) => {
    const { metadata, data } = await api.core.readNamespacedSecret({ namespace, name });
    return { uid: metadata!.uid, value: Buffer.from(data!.value!, "base64").toString() };
  };
  const settingsOf = async ({ namespace, settings: name }: Names) =>
    (await api.core.readNamespacedConfigMap({ namespace, name })).data!;
  const editSettings = async ({ namespace, settings: name }: Names, fieldManager: string, value: string) => {
    const body = await api.core.readNamespacedConfigMap({ namespace, name });
    body.data!.value = value;
    await api.core.replaceNamespacedConfigMap({ namespace, name, body, fieldManager });
  };

  it("shows no secret: not in a preview, not when it changes, not in the state", async () => {
    const first = await stack.preview({ diff: true });
    await applied(stack, wish);
    stack.workspace.program = program({ ...wish, secret: `${hidden}-changed` });
    const second = await stack.preview({ diff: true });
    const state = await stateText(stack);
    for (const text of [first.stdout, second.stdout, state]) {
      for (const form of shown(hidden)) {
        assert.ok(!text.includes(form), "a secret shows");
      }
    }
    assert.match(state, /ciphertext/);
  });

  it("names what has no name, and finds nothing to do a second time, nor on refresh", async () => {
    const { namespace } = await applied(stack, wish);
    assert.match(namespace, /^plugins-[0-9a-f]{8}$/);
    await stack.preview({ expectNoChanges: true });
    await stack.refresh({ expectNoChanges: true });
    await stack.preview({ expectNoChanges: true });
  });

  it("changes a Secret in place where the provider lets it", async () => {
    const names = await applied(stack, wish);
    const before = await secretOf(names);
    assert.equal(before.value, hidden);
    const again = await applied(stack, { ...wish, secret: "other" });
    assert.deepEqual([again, await secretOf(again)], [names, { uid: before.uid, value: "other" }]);
    await stack.refresh({ expectNoChanges: true });
  });

  it("replaces a Secret for new contents otherwise, under a new name if it chose the name", async () => {
    const immutable: Wish = { ...wish, provider: { enableSecretMutable: false } };
    const names = await applied(stack, immutable);
    const again = await applied(stack, { ...immutable, secret: "other" });
    assert.notEqual(again.secret, names.secret);
    await assert.rejects(secretOf(names), /404/);
    assert.equal((await secretOf(again)).value, "other");
  });

  it("replaces a Secret of a fixed name by deleting it first", async () => {
    const immutable: Wish = { ...wish, name: "fixed", provider: { enableSecretMutable: false } };
    const before = await secretOf(await applied(stack, immutable));
    const after = await secretOf(await applied(stack, { ...immutable, secret: "other" }));
    assert.notEqual(after.uid, before.uid);
    assert.equal(after.value, "other");
  });

  it("refuses to create what exists, and leaves it as it is", async () => {
    const names = await applied(stack, wish);
    const metadata: V1ObjectMeta = { name: "taken", namespace: names.namespace };
    await api.core.createNamespacedSecret({
      namespace: names.namespace,
      body: { metadata, stringData: { value: "somebody's" } },
    });
    stack.workspace.program = program({ ...wish, name: "taken" });
    assert.match(await failure(stack.up()), /already exists/);
    assert.equal((await secretOf({ ...names, secret: "taken" })).value, "somebody's");
  });

  it("sees on refresh what somebody else changed, and puts it back", async () => {
    const names = await applied(stack, wish);
    await editSettings(names, "kubectl-edit", "meddled");
    assert.match((await stack.refresh()).stdout, /updated/);
    assert.deepEqual(await settingsOf(await applied(stack, wish)), { value: "one", same: "1" });
    await stack.preview({ expectNoChanges: true });
  });

  it("conflicts with another program that holds the same field, instead of overwriting it", async () => {
    const names = await applied(stack, wish);
    await editSettings(names, "an-operator", "operated");
    stack.workspace.program = program({ ...wish, setting: "two" });
    assert.match(await failure(stack.up()), /conflict.*an-operator/s);
    assert.equal((await settingsOf(names)).value, "operated");
    await api.core.deleteNamespacedConfigMap({ namespace: names.namespace, name: names.settings });
    await stack.refresh();
  });

  it("leaves alone what ignoreChanges names", async () => {
    const ignoring: Wish = { ...wish, ignore: ["data.value"] };
    await applied(stack, ignoring);
    stack.workspace.program = program({ ...ignoring, setting: "two" });
    await stack.preview({ expectNoChanges: true });
  });

  it("takes an object that is gone for gone, on refresh and on destroy", async () => {
    const names = await applied(stack, wish);
    await api.core.deleteNamespacedConfigMap({ namespace: names.namespace, name: names.settings });
    await api.core.deleteNamespacedSecret({ namespace: names.namespace, name: names.secret });
    assert.match((await stack.refresh()).stdout, /2 deleted/);
    await applied(stack, wish);
  });

  it("imports an object as it is", async () => {
    const { namespace } = await applied(stack, wish);
    const { metadata } = await api.core.createNamespacedConfigMap({ namespace, body: found });
    stack.workspace.program = program({ ...wish, found: namespace });
    const { summary } = await stack.up();
    assert.equal(summary.resourceChanges!.import, 1);
    const after = await api.core.readNamespacedConfigMap({ namespace, name: "found" });
    // Not the resourceVersion, which differed once with the official plugin; why was not looked into.
    assert.deepEqual(
      { uid: after.metadata!.uid, labels: after.metadata!.labels, data: after.data },
      { uid: metadata!.uid, labels: found.metadata.labels, data: found.data },
    );
  });
});

describe("the Kubernetes plugin, waiting", () => {
  let stack: Stack | undefined;
  let api: Cluster;

  before(async () => {
    api = await cluster();
  });

  afterEach(async () => {
    await removed(stack);
    stack = undefined;
  });

  it("gives up a deletion after its timeout, and finishes it when nothing is in its way", async () => {
    const name = "held";
    stack = await stackOf("plugin-deletion", async () => {
      const options = { provider: await provider(), customTimeouts: { delete: "3s" } };
      const namespace = new k8s.core.v1.Namespace("plugins", {}, { provider: options.provider }).metadata.name;
      new k8s.core.v1.ConfigMap(name, { metadata: { namespace, name, finalizers: ["pi-runners.test/held"] } }, options);
      return { namespace };
    });
    const namespace = String((await stack.up()).outputs.namespace!.value);
    assert.match(await failure(stack.destroy()), /timed out|finalizers/);
    const body = await api.core.readNamespacedConfigMap({ namespace, name });
    delete body.metadata!.finalizers;
    await api.core.replaceNamespacedConfigMap({ namespace, name, body });
    await stack.destroy();
    await assert.rejects(api.core.readNamespace({ name: namespace }), /404/);
  });

  it("previews what a cluster that cannot be reached would get, but changes nothing and forgets nothing", async () => {
    const kubeconfig = JSON.stringify({
      "current-context": "a",
      contexts: [{ name: "a", context: { cluster: "a", user: "a" } }],
      clusters: [{ name: "a", cluster: { server: "http://127.0.0.1:1" } }],
      users: [{ name: "a", user: {} }],
    });
    stack = await stackOf("plugin-unreachable", async () => {
      const options = { provider: await provider({ kubeconfig }) };
      const { metadata } = new k8s.core.v1.Namespace("plugins", {}, options);
      new k8s.core.v1.Secret("secret", { metadata: { namespace: metadata.name }, stringData: { a: hidden } }, options);
    });
    const { changeSummary, stdout } = await stack.preview();
    assert.deepEqual([changeSummary.create, stdout.includes(hidden)], [4, false]);
    assert.match(await failure(stack.up()), /unreachable/);
  });

  /** On nodes only: without them there are no pods that could fail. */
  async function withNodes(test: Mocha.Context): Promise<void> {
    if ((await api.core.listNode()).items.length === 0) {
      test.skip();
    }
  }

  it("tells why a DaemonSet does not come up", async function () {
    await withNodes(this);
    const labels = { app: "failing" };
    stack = await stackOf("plugin-daemonset", async () => {
      const options = { provider: await provider() };
      const namespace = new k8s.core.v1.Namespace("plugins", {}, options).metadata.name;
      const containers = [{ name: "main", image: "registry.invalid/nothing:1" }];
      new k8s.apps.v1.DaemonSet(
        "failing",
        {
          metadata: { namespace },
          spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
        },
        { ...options, customTimeouts: { create: "15s" } },
      );
    });
    const told = await failure(stack.up());
    assert.match(told, /timed out/);
    assert.match(told, /ErrImagePull|ImagePullBackOff/);
  });

  it("fails with a Job that fails, and tells why", async function () {
    await withNodes(this);
    stack = await stackOf("plugin-job", async () => {
      const options = { provider: await provider() };
      const namespace = new k8s.core.v1.Namespace("plugins", {}, options).metadata.name;
      const containers = [{ name: "main", image: `pi-lab/gitlab-runner:${runnerVersion}`, command: ["/bin/false"] }];
      new k8s.batch.v1.Job(
        "failing",
        {
          metadata: { namespace },
          spec: { backoffLimit: 0, template: { spec: { containers, restartPolicy: "Never" } } },
        },
        options,
      );
    });
    assert.match(await failure(stack.up()), /BackoffLimitExceeded/);
  });
});
