import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import * as components from "../../../components/index";
import { during, mockEngine, only, unwrapSecret, valueOf, type Registered } from "./mocks";

const token = "glrt-SeCrEt0123456789ab";
const daemonSet = "kubernetes:apps/v1:DaemonSet";
const secret = "kubernetes:core/v1:Secret";
const configMap = "kubernetes:core/v1:ConfigMap";

describe("components", () => {
  before(mockEngine);

  const common = { namespace: "ci", url: "https://gitlab.lan", token: pulumi.secret(token) };

  const randomId = "random:index/randomId:RandomId";

  function configToml(all: Registered[]): string {
    const data = unwrapSecret(only(all, secret).inputs["data"]) as Record<string, string>;
    return Buffer.from(data["config.toml"]!, "base64").toString();
  }

  describe("DoodRunner", () => {
    it("makes a Secret and a DaemonSet with an id of its own, and nothing else", async () => {
      let runner: components.DoodRunner | undefined;
      const all = await during(() => (runner = new components.DoodRunner("dood", { ...common, tags: ["pi"] })));
      assert.deepEqual(
        all.map(({ type }) => type).sort(),
        [daemonSet, secret, randomId, "pi-runners:index:DoodRunner"].sort(),
      );
      assert.deepEqual(only(all, daemonSet).inputs["metadata"].name, "dood");
      assert.deepEqual(await valueOf(runner!.tags), ["pi"]);
      assert.equal((await valueOf(runner!.risk)).level, "node-root");
    });

    it("shows the token nowhere but in the Secret, and there only as a secret", async () => {
      const all = await during(() => new components.DoodRunner("dood", common));
      assert.match(configToml(all), new RegExp(token));
      for (const { type, inputs } of all) {
        const text = JSON.stringify(inputs);
        if (type !== secret) {
          assert.doesNotMatch(text, /SeCrEt/, type);
          assert.ok(!text.includes(Buffer.from(token).toString("base64").slice(4, 20)), type);
        }
      }
      assert.notEqual(unwrapSecret(only(all, secret).inputs["data"]), undefined);
    });

    it("shows its settings in previews, without what may be secret", async () => {
      const rest = { runners: [{ environment: ["PASSWORD=SeCrEt"] }] };
      const args = { ...common, concurrent: 2, tags: ["pi"], config: rest };
      const all = await during(() => new components.DoodRunner("dood", args));
      const { configToml: text, ...shown } = only(all, "pi-runners:index:DoodRunner").inputs;
      assert.deepEqual(shown, { namespace: "ci", url: "https://gitlab.lan", concurrent: 2, tags: ["pi"] });
      assert.match(String(text), /^concurrent = 2$[^]*^token = "\[secret\]"$[^]*"PASSWORD=\[secret\]"/m);
    });

    it("shows of config what was not given as a secret, whatever it is called and wherever it is used", async () => {
      const script = pulumi.interpolate`echo ${pulumi.secret("marked one")}`;
      const rest = {
        log_level: "debug",
        runners: [{ pre_build_script: script, environment: [pulumi.secret("A=marked two")] }],
      };
      const later = pulumi.output({
        runners: [{ environment: ["B=3"], docker: { hostname: pulumi.secret("marked-four") } }],
      });
      for (const [config, seen] of [
        [rest, /^log_level = "debug"$/m],
        [later, /^hostname = "\[secret\]"$/m],
      ] as const) {
        const all = await during(() => new components.DoodRunner("dood", { ...common, config } as never));
        const text = String(only(all, "pi-runners:index:DoodRunner").inputs["configToml"]);
        assert.match(text, seen);
        assert.doesNotMatch(text, /marked/);
      }
    });

    it("shows no secret that stands in another setting than config", async () => {
      const helperImage = pulumi.secret("registry.lan/marked-helper:1");
      const all = await during(() => new components.DoodRunner("dood", { ...common, helperImage }));
      const { configToml: text } = only(all, "pi-runners:index:DoodRunner").inputs;
      assert.match(String(text), /^helper_image = "\[secret\]"$/m);
    });

    it("changes the Secret alone when more jobs may run at once", async () => {
      const one = await during(() => new components.DoodRunner("dood", { ...common, concurrent: 1 }));
      const two = await during(() => new components.DoodRunner("dood", { ...common, concurrent: 2 }));
      assert.deepEqual(only(one, daemonSet).inputs, only(two, daemonSet).inputs);
      assert.notEqual(configToml(one), configToml(two));
    });

    it("fails with the reason when a setting that is known only later is wrong", async () => {
      const later = pulumi.output(Promise.resolve(0));
      await assert.rejects(
        during(() => new components.DoodRunner("dood", { ...common, concurrent: later })),
        /concurrent: must be at least 1/,
      );
    });

    it("takes settings that are known only later", async () => {
      const later = pulumi.output(Promise.resolve(3));
      const all = await during(() => new components.DoodRunner("dood", { ...common, concurrent: later }));
      assert.match(configToml(all), /^concurrent = 3$/m);
    });
  });

  describe("DindRunner", () => {
    const modes = {
      service: "tcp://docker:2376",
      "in-job": "unix://",
      "service-without-tls": "tcp://docker:2375",
    } as const;
    for (const [mode, host] of Object.entries(modes)) {
      it(`brings its daemon's files along: ${mode}`, async () => {
        const args = { ...common, registries: [{ address: "registry.lan:5000", insecure: true }] };
        const all = await during(
          () => new components.DindRunner("dind", { ...args, mode: mode as keyof typeof modes }),
        );
        assert.deepEqual(
          all.map(({ type }) => type).sort(),
          [daemonSet, secret, configMap, randomId, "pi-runners:index:DindRunner"].sort(),
        );
        assert.match(JSON.stringify(only(all, configMap).inputs["data"]), /registry\.lan:5000/);
        assert.ok(configToml(all).includes(`DOCKER_HOST=${host}`));
      });
    }

    it("is with TLS unless asked", async () => {
      let runner: components.DindRunner | undefined;
      const all = await during(() => (runner = new components.DindRunner("dind", common)));
      assert.match(configToml(all), /DOCKER_TLS_VERIFY=1/);
      assert.equal((await valueOf(runner!.risk)).level, "node-root-by-escape");
    });
  });

  describe("KubernetesRunner", () => {
    it("shows the token nowhere but in the Secret, and its settings in previews without what may be secret", async () => {
      const config = { runners: [{ environment: ["PASSWORD=SeCrEt"] }] };
      const all = await during(() => new components.KubernetesRunner("pods", { ...common, replicas: 2, config }));
      assert.match(configToml(all), new RegExp(token));
      for (const { type, inputs } of all.filter((one) => one.type !== secret)) {
        assert.doesNotMatch(JSON.stringify(inputs), /SeCrEt/, type);
      }
      const { configToml: toml, ...shown } = only(all, "pi-runners:index:KubernetesRunner").inputs;
      assert.deepEqual(shown, { namespace: "ci", url: "https://gitlab.lan", replicas: 2 });
      assert.match(String(toml), /^\[runners\.kubernetes\]$/m);
    });

    it("gives rights to the manager's account alone, and jobs an account without any", async () => {
      const all = await during(() => new components.KubernetesRunner("pods", common));
      const accounts = all.filter(({ type }) => type === "kubernetes:core/v1:ServiceAccount");
      assert.deepEqual(accounts.map(({ inputs }) => inputs["metadata"].name).sort(), ["pods-jobs", "pods-manager"]);
      const binding = only(all, "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding").inputs;
      assert.deepEqual(binding["subjects"], [{ kind: "ServiceAccount", name: "pods-manager", namespace: "ci" }]);
      const { template } = only(all, "kubernetes:apps/v1:Deployment").inputs["spec"];
      assert.equal(template.spec.serviceAccountName, "pods-manager");
    });

    it("keeps one of several managers while nodes are drained, and does not stand in the way of one alone", async () => {
      const budget = "kubernetes:policy/v1:PodDisruptionBudget";
      const one = await during(() => new components.KubernetesRunner("pods", common));
      assert.deepEqual(
        one.filter(({ type }) => type === budget),
        [],
      );
      const two = await during(() => new components.KubernetesRunner("pods", { ...common, replicas: 2 }));
      assert.equal(only(two, budget).inputs["spec"].maxUnavailable, 1);
    });

    it("has in the Deployment what deployment says, and else the same as without it", async () => {
      const deploymentOf = async (args: object): Promise<Registered["inputs"]> => {
        const all = await during(() => new components.KubernetesRunner("pods", { ...common, ...args }));
        return only(all, "kubernetes:apps/v1:Deployment").inputs;
      };
      const ours = await deploymentOf({});
      const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
      assert.deepEqual(ours["spec"].strategy, strategy);
      const defaults = { minReadySeconds: 0, progressDeadlineSeconds: 600, revisionHistoryLimit: 10 }; // Kubernetes' own
      assert.deepEqual(await deploymentOf({ deployment: {} }), { ...ours, spec: { ...ours["spec"], ...defaults } });
      const metadata = { labels: { team: "ci" }, annotations: { "example.com/note": "yes" } };
      const spec = { strategy: { type: "Recreate" }, minReadySeconds: 5, revisionHistoryLimit: 2 };
      const deployment = { metadata, spec: { ...spec, template: { metadata, spec: { schedulerName: "own" } } } };
      const { metadata: ofIt, spec: its } = await deploymentOf({ deployment, waitForNodes: false });
      assert.deepEqual(ofIt.labels, { ...ours["metadata"].labels, ...metadata.labels });
      assert.deepEqual(ofIt.annotations, { ...metadata.annotations, "pulumi.com/skipAwait": "true" });
      const { template, ...rest } = its;
      const { template: before, ...others } = ours["spec"];
      assert.deepEqual(rest, { ...others, ...defaults, ...spec });
      assert.deepEqual(template, {
        metadata: {
          labels: { ...before.metadata.labels, ...metadata.labels },
          annotations: { ...metadata.annotations, ...before.metadata.annotations },
        },
        spec: { ...before.spec, schedulerName: "own" },
      });
    });

    it("has pods' annotations each by itself, whatever is known late: the identity that stays is always one of them", async () => {
      const annotations = { "example.com/note": pulumi.output(Promise.resolve("yes")) };
      const late = pulumi.output(Promise.resolve("own"));
      const deployment = { spec: { template: { metadata: { annotations }, spec: { schedulerName: late } } } };
      const seen: unknown[] = [];
      const look: pulumi.ResourceTransformation = ({ type, props }) => {
        if (type.endsWith(":Deployment")) {
          seen.push((props as Registered["inputs"])["spec"].template.metadata.annotations);
        }
        return undefined;
      };
      const make = (args: object) => (): pulumi.Resource =>
        new components.KubernetesRunner("pods", { ...common, ...args }, { transformations: [look] });
      await during(make({ deployment }));
      await during(make({ deployment: pulumi.output({ spec: { template: { spec: { schedulerName: "own" } } } }) }));
      assert.deepEqual(
        seen.map((map) => Object.keys(map as object)),
        [["example.com/note", "pi-runners/identity"], ["pi-runners/identity"]],
      );
      await assert.rejects(
        during(make({ deployment: pulumi.output(deployment) })),
        /annotations\.example\.com\/note: stands in an output, .* let its value alone be one/,
      );
    });

    it("waits for the jobs of the manager before, where deployment has the next one begin after it", async () => {
      const timeoutOf = async (deployment?: object): Promise<unknown> => {
        let timeout: unknown;
        const look: pulumi.ResourceTransformation = ({ type, opts }) => {
          timeout = type.endsWith(":Deployment") ? (opts as pulumi.CustomResourceOptions).customTimeouts : timeout;
          return undefined;
        };
        const args = { ...common, drainTimeout: 7200, deployment };
        await during(() => new components.KubernetesRunner("pods", args, { transformations: [look] }));
        return (timeout as pulumi.CustomTimeouts).update;
      };
      const recreate = { spec: { strategy: { type: "Recreate" } } };
      assert.equal(await timeoutOf(), "10m");
      assert.equal(await timeoutOf({ spec: { strategy: { type: "RollingUpdate" } } }), "10m");
      assert.equal(await timeoutOf(recreate), "8100s");
      assert.equal(await timeoutOf(pulumi.output(recreate)), "8100s");
    });

    it("keeps what deployment was given as a secret one in the Deployment, and in what previews show", async () => {
      const env = [{ name: "MINE", value: pulumi.secret("SeCrEt") }];
      const deployment = { spec: { template: { spec: { containers: [{ name: "runner", env }] } } } };
      const all = await during(() => new components.KubernetesRunner("pods", { ...common, deployment }));
      const { spec } = only(all, "kubernetes:apps/v1:Deployment").inputs;
      assert.match(JSON.stringify(unwrapSecret(spec)), /"name":"MINE","value":"SeCrEt"/);
      const { deployment: shown, configToml: toml } = only(all, "pi-runners:index:KubernetesRunner").inputs;
      assert.deepEqual(unwrapSecret(shown), {
        spec: { template: { spec: { containers: [{ name: "runner", env: [{ name: "MINE", value: "SeCrEt" }] }] } } },
      });
      assert.doesNotMatch(String(toml), /SeCrEt/);
      // The mock engine has a secret where the outermost part is one: nothing else may have the text.
      for (const { type, inputs } of all) {
        const plain = Object.values(inputs).filter((value) => unwrapSecret(value) === undefined);
        assert.doesNotMatch(JSON.stringify(plain), /SeCrEt/, type);
      }
    });

    it("lets its manager reach the API server, and jobs whatever they name, and nobody reach either", async () => {
      const all = await during(() => new components.KubernetesRunner("pods", common));
      const policies = all.filter(({ type }) => type === "kubernetes:networking.k8s.io/v1:NetworkPolicy");
      for (const { inputs } of policies) {
        assert.deepEqual(inputs["spec"].policyTypes, ["Egress"]);
      }
      const [jobs, manager] = ["pods-jobs", "pods-manager"].map(
        (name) => policies.find(({ inputs }) => inputs["metadata"].name === name)!.inputs["spec"],
      );
      assert.deepEqual(jobs.egress, [{}]);
      const label = Object.keys(jobs.podSelector.matchLabels)[0]!;
      assert.match(configToml(all), new RegExp(`"${label}" = "pods"`), "the label that jobs' pods have");
      assert.ok(
        manager.egress[0].ports.some(({ port }: { port: number }) => port === 16443),
        "microk8s'",
      );
    });
  });

  describe("RunnerNamespace", () => {
    it("denies all traffic but DNS and GitLab's port, mounts no token, sets limits", async () => {
      let place: components.RunnerNamespace | undefined;
      const args = { namespace: "ci", gitlabUrl: "http://gitlab.lan:8929" };
      const all = await during(() => (place = new components.RunnerNamespace("place", args)));
      const labels = only(all, "kubernetes:core/v1:Namespace").inputs["metadata"].labels;
      assert.equal(labels["pod-security.kubernetes.io/enforce"], "privileged");
      const { spec } = only(all, "kubernetes:networking.k8s.io/v1:NetworkPolicy").inputs;
      assert.deepEqual(spec.policyTypes, ["Ingress", "Egress"]);
      assert.deepEqual(spec.ingress, []);
      assert.deepEqual(
        spec.egress.flatMap((rule: { ports: { port: number }[] }) => rule.ports.map(({ port }) => port)),
        [53, 53, 8929],
      );
      assert.equal(only(all, "kubernetes:core/v1:ServiceAccount").inputs["automountServiceAccountToken"], false);
      const { hard } = only(all, "kubernetes:core/v1:ResourceQuota").inputs["spec"];
      assert.equal(hard["services.nodeports"], "0");
      assert.equal(hard.pods, undefined, "a limit of pods would leave a DaemonSet of a large cluster waiting for ever");
      assert.ok(only(all, "kubernetes:core/v1:LimitRange").inputs["spec"].limits[0].default.memory);
      assert.equal(await valueOf(place!.namespace), "ci");
    });
  });

  it("lets metrics through to the port that each runner has, whatever it is [8.28]", async () => {
    const args = { namespace: "ci", metricsFrom: { "kubernetes.io/metadata.name": "monitoring" } };
    const all = await during(() => [
      new components.RunnerNamespace("place", args),
      new components.DoodRunner("dood", { ...common, metricsPort: 9300 }),
    ]);
    const { spec } = only(all, "kubernetes:networking.k8s.io/v1:NetworkPolicy").inputs;
    const [container] = only(all, daemonSet).inputs["spec"].template.spec.containers;
    assert.deepEqual(container.ports, [{ name: spec.ingress[0].ports[0].port, containerPort: 9300, protocol: "TCP" }]);
  });

  it("lets nobody read metrics where no labels say who may", async () => {
    const all = await during(() => new components.RunnerNamespace("place", { namespace: "ci", metricsFrom: {} }));
    assert.deepEqual(only(all, "kubernetes:networking.k8s.io/v1:NetworkPolicy").inputs["spec"].ingress, []);
  });

  it("clean up after a runner when it goes, and connect to no node before, nor to one that is to be retained [8.32]", async () => {
    const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB4Cpnm4JYmCjMHlTt4bgXVGpKcBVCNwYzrPVTm5pQoS";
    const nodes = [
      { name: "pi1", host: "192.168.1.11", hostKey },
      { name: "pi2", host: "192.168.1.12", hostKey, sudoPassword: "SuDo", retain: true },
    ];
    const all = await during(
      () => new components.RunnerCleanup("dood", { namespace: "ci", nodes, ssh: { password: "x" } }),
    );
    const commands = all.filter(({ type }) => type === "command:remote:Command");
    assert.deepEqual(commands.map(({ name }) => name).sort(), ["dood-cleanup-pi1", "dood-cleanup-pi2"]);
    for (const { inputs } of commands) {
      assert.equal(inputs["create"], undefined);
      assert.equal(inputs["update"], undefined);
      assert.match(inputs["delete"] as string, /\/var\/lib\/pi-runners\/ci\/dood/);
    }
    assert.doesNotMatch(
      JSON.stringify(all.map(({ inputs }) => ({ ...inputs, stdin: unwrapSecret(inputs["stdin"]) && 1 }))),
      /SuDo/,
    );
  });

  describe("RunnerToken", () => {
    it("keeps the token secret, even when it was given in plain", async () => {
      let made: components.RunnerToken | undefined;
      const all = await during(() => (made = new components.RunnerToken("dood", { authenticationToken: token })));
      assert.equal(await pulumi.isSecret(made!.token), true);
      assert.doesNotMatch(JSON.stringify(all), /SeCrEt/);
    });

    it("that is to be created is a runner in GitLab with the stack's mark, and no token in plain text", async () => {
      const gitlab = { url: "https://gitlab.lan" };
      const create = { type: "group" as const, groupId: 7, protected: true, maintenanceNote: "Rack 2" };
      let made: components.RunnerToken | undefined;
      const args = { gitlabAccessToken: "glpat-SeCrEtSeCrEt", create, tags: ["pi"], gitlab };
      const all = await during(() => (made = new components.RunnerToken("dood", args)));
      assert.equal(await pulumi.isSecret(made!.token), true);
      const runner = only(all, "pulumi-nodejs:dynamic/pi-runners:GitlabRunner").inputs;
      assert.equal(unwrapSecret(runner["accessToken"]), "glpat-SeCrEtSeCrEt");
      assert.match(String(runner["description"]), /^dood \[pi-runners /);
      assert.match(String(runner["maintenanceNote"]), /^Rack 2\nKept by Pulumi, pi-runners /);
      assert.deepEqual(
        [runner["type"], runner["groupId"], runner["protected"], runner["tags"]],
        ["group", 7, true, ["pi"]],
      );
      const wrapped = all.map(({ inputs: { accessToken: _secret, ...inputs } }) => inputs);
      assert.doesNotMatch(JSON.stringify(wrapped), /SeCrEt/);
    });

    it("refuses settings of another kind of token, and a runner that GitLab would refuse", async () => {
      const gitlab = { url: "https://gitlab.lan" };
      const make = (args: components.RunnerTokenArgs) => () => new components.RunnerToken("c", args);
      assert.throws(make({ gitlabAccessToken: "glpat-SeCrEtSeCrEt", gitlab }), /create: is missing/);
      assert.throws(make({ gitlabAccessToken: "glpat-x", create: { type: "instance" } }), /gitlab: is missing/);
      assert.throws(
        make({ authenticationToken: token, create: { type: "instance" } }),
        /create is for gitlabAccessToken/,
      );
      assert.throws(make({ authenticationToken: token, verify: true }), /gitlab: is missing/);
    });

    it("names a registered runner whose token is lost, and passes none on", async () => {
      await mockEngine(false, {});
      const gitlab = { url: "https://gitlab.lan" };
      const place = { namespace: "ci", image: "gitlab/gitlab-runner:v1" };
      const args = { registrationToken: "GR1348941x", tags: ["pi"], gitlab, place };
      try {
        await assert.rejects(
          during(() => new components.RunnerToken("old", args)),
          /token of the registered runner old is lost[^]*Secret ci\/old-token[^]*register\.repeat/,
        );
      } finally {
        await mockEngine();
      }
    });

    it("refuses no token, and two", () => {
      assert.throws(() => new components.RunnerToken("a", {}), /no token/);
      const two = { authenticationToken: token, registrationToken: "GR1348941x" };
      assert.throws(() => new components.RunnerToken("b", two), /two tokens/);
      const login = { authenticationToken: token, gitlab: { url: "https://me:hunter2@gitlab.lan" } };
      assert.throws(
        () => new components.RunnerToken("d", login),
        (error: Error) =>
          /gitlab\.url: holds a user name or password/.test(error.message) && !/hunter2/.test(error.message),
      );
    });
  });
});
