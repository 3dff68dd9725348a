import assert from "node:assert/strict";
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { checkKubernetesRunner } from "../../../components/runners/kubernetes/errors";
import { podTemplate } from "../../../components/runners/kubernetes/pod";
import { podSecurity } from "../../../components/runners/kubernetes/podSecurity";
import type { KubernetesRunnerInput } from "../../../components/runners/kubernetes/settings";
import { secretFolder } from "../../../components/runners/manager/config";
import { stateFolder } from "../../../components/runners/manager/scripts";
import { project } from "../config/stackFile";
import { givenKubernetes, kubernetesSettings } from "./kubernetesSettings";

/** A patch that may be wrong: the compiler refuses some of what the checks refuse. */
type Patch = Record<string, unknown>;

const given = (deployment: Patch): KubernetesRunnerInput =>
  givenKubernetes({ deployment: deployment as KubernetesRunnerInput["deployment"] });
const ofPod = (spec: Patch): Patch => ({ spec: { template: { spec } } });
const ofManager = (container: Patch): Patch => ofPod({ containers: [{ name: "runner", ...container }] });

const onHost = (strategy: Patch): Patch => ({ spec: { strategy, template: { spec: { hostNetwork: true } } } });

const labelled = (key: string): Patch => ({ metadata: { labels: { [key]: "x" } } });
const annotated = (key: string): Patch => ({ metadata: { annotations: { [key]: "x" } } });

/** Of a pod template what is looked at here; all of it is plain data. */
interface Template {
  metadata: { labels: Patch; annotations?: Patch };
  spec: Patch & { containers: Container[]; volumes: ({ name: string } & Patch)[] };
}

type Container = Patch & {
  name: string;
  env: { name: string }[];
  ports: { containerPort: number }[];
  volumeMounts: { mountPath: string }[];
};

const templateOf = (deployment?: Patch): Template =>
  podTemplate(kubernetesSettings(deployment === undefined ? {} : given(deployment))) as unknown as Template;
const managerOf = (container: Patch): Container => templateOf(ofManager(container)).spec.containers[0]!;

const ours = templateOf();
const manager = ours.spec.containers[0]!;

const complaints = (deployment: Patch): string[] =>
  checkKubernetesRunner(given(deployment)).errors.map(({ propertyPath }) => propertyPath);

describe("the manager's pod with what deployment says of it", () => {
  it("is the same without it, and with a patch that says nothing", () => {
    for (const nothing of [{}, { spec: {} }, { spec: { template: {} } }, ofPod({}), ofPod({ containers: [] })]) {
      assert.equal(JSON.stringify(templateOf(nothing)), JSON.stringify(ours), JSON.stringify(nothing));
    }
    assert.equal(JSON.stringify(managerOf({})), JSON.stringify(manager));
  });

  const term = { weight: 1, podAffinityTerm: { topologyKey: "kubernetes.io/hostname" } };
  const spread = { maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "ScheduleAnyway" };
  for (const [value, key, own] of [
    ["affinity", "affinity", { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [term] } }],
    ["topologySpreadConstraints", "topologySpreadConstraints", [spread]],
    ["runtimeClassName", "runtimeClassName", "gvisor"],
    ["schedulerName", "schedulerName", "own"],
    ["tolerations of the manager alone", "tolerations", [{ operator: "Exists" }]],
    ["priorityClassName of the manager alone", "priorityClassName", "high"],
    ["preEntrypointScript", "initContainers", [{ name: "before", image: "busybox", command: ["true"] }]],
  ] as const) {
    it(`has the chart's ${value}`, () => {
      const { spec, ...rest } = templateOf(ofPod({ [key]: own }));
      assert.deepEqual(spec, { ...ours.spec, [key]: own });
      assert.deepEqual(rest, { metadata: ours.metadata });
    });
  }

  it("has the chart's podLabels and podAnnotations beside the labels that find it", () => {
    const metadata = { labels: { team: "ci" }, annotations: { "example.com/note": "yes" } };
    const template = templateOf({ spec: { template: { metadata } } });
    assert.deepEqual(template.metadata.labels, { ...ours.metadata.labels, team: "ci" });
    assert.deepEqual(template.metadata.annotations, metadata.annotations);
    assert.deepEqual(template.spec, ours.spec);
  });

  it("has the chart's imagePullPolicy, and the times of its probes", () => {
    assert.deepEqual(managerOf({ imagePullPolicy: "Always" }), { ...manager, imagePullPolicy: "Always" });
    const probe = manager["livenessProbe"] as Patch;
    assert.deepEqual(managerOf({ livenessProbe: { periodSeconds: 99 } }), {
      ...manager,
      livenessProbe: { ...probe, periodSeconds: 99 },
    });
  });

  it("has the chart's envVars, volumes and volumeMounts beside its own", () => {
    const env = [{ name: "MINE", valueFrom: { secretKeyRef: { name: "mine", key: "password" } } }];
    const volumes = [{ name: "mine", configMap: { name: "mine" } }];
    const volumeMounts = [{ name: "mine", mountPath: "/mine" }];
    const { spec } = templateOf(ofPod({ containers: [{ name: "runner", env, volumeMounts }], volumes }));
    assert.deepEqual(spec.volumes, [...ours.spec.volumes, ...volumes]);
    assert.deepEqual(spec.containers, [
      { ...manager, env: [...manager.env, ...env], volumeMounts: [...manager.volumeMounts, ...volumeMounts] },
    ]);
  });

  it("has the chart's securityContext and podSecurityContext, key by key over its own", () => {
    const own = { readOnlyRootFilesystem: false };
    const securityContext = { ...(manager["securityContext"] as Patch), ...own };
    assert.deepEqual(managerOf({ securityContext: own }), { ...manager, securityContext });
    const { spec } = templateOf(ofPod({ securityContext: { fsGroup: 2000 } }));
    assert.deepEqual(spec["securityContext"], { ...(ours.spec["securityContext"] as Patch), fsGroup: 2000 });
  });

  it("has a container beside the manager's, which stays the first", () => {
    const beside = { name: "beside", image: "example/beside:1" };
    assert.deepEqual(templateOf(ofPod({ containers: [beside] })).spec.containers, [manager, beside]);
  });

  it("has another volume in the place of one of its own, whatever kind that was", () => {
    const volumes = templateOf(ofPod({ volumes: [{ name: "tmp", ephemeral: {} }] })).spec.volumes;
    assert.deepEqual(
      volumes,
      ours.spec.volumes.map((one) => (one.name === "tmp" ? { name: "tmp", ephemeral: {} } : one)),
    );
  });

  it("is told in docs/ways.md by an example that is sound, and in which Kubernetes' words stand where they belong", () => {
    const page = readFileSync(join(project, "docs/ways.md"), "utf8");
    const [, text] = /^```yaml\n(pi-runners:runners:\n(?:(?!^```)[^])*?^ {4}deployment:\n[^]*?)^```$/m.exec(page)!;
    const { "pi-runners:runners": runners } = parse(text!) as Record<string, { deployment: Patch }[]>;
    assert.deepEqual(complaints(runners![0]!.deployment), []);
    const { metadata, spec } = templateOf(runners![0]!.deployment);
    assert.deepEqual(metadata.annotations, { "example.com/team": "ci" });
    assert.equal(spec.containers.length, 1);
    assert.equal(spec.containers[0]!.env.at(-1)!.name, "DB_PASSWORD");
    assert.equal(spec.volumes.length, ours.spec.volumes.length + 1);
  });

  it("mounts once where a path is one of its own, however it is written", () => {
    const { volumeMounts } = managerOf({ volumeMounts: [{ name: "tmp", mountPath: "/tmp/", subPath: "mine" }] });
    assert.deepEqual(
      volumeMounts.map((mount) => JSON.stringify(mount)).filter((mount) => mount.includes("/tmp")),
      [JSON.stringify({ name: "tmp", mountPath: "/tmp/", subPath: "mine" })],
    );
  });

  it("merges nodeSelector by label, Secrets to pull with by name, names of the LAN by address; null removes", () => {
    const settings = kubernetesSettings({
      ...given(
        ofPod({
          nodeSelector: { "kubernetes.io/arch": null, pool: "managers" },
          imagePullSecrets: [{ name: "first" }, { name: "second" }],
          hostAliases: [{ ip: "10.0.0.1", hostnames: ["s3.lan", "gitlab.lan"] }],
        }),
      ),
      architecture: "arm64",
      imagePullSecrets: ["first"],
      hostAliases: { "gitlab.lan": "10.0.0.1", "other.lan": "10.0.0.2" },
    });
    const { spec } = podTemplate(settings) as unknown as Template;
    assert.deepEqual(spec["nodeSelector"], { "kubernetes.io/os": "linux", pool: "managers" });
    assert.deepEqual(spec["imagePullSecrets"], [{ name: "first" }, { name: "second" }]);
    assert.deepEqual(spec["hostAliases"], [
      { ip: "10.0.0.1", hostnames: ["gitlab.lan", "s3.lan"] },
      { ip: "10.0.0.2", hostnames: ["other.lan"] },
    ]);
  });
});

describe("what deployment may not say", () => {
  const template = "deployment.spec.template";
  const container = `${template}.spec.containers[0]`;
  for (const [path, patch] of [
    ["deployment.kind", { kind: "StatefulSet" }],
    ["deployment.apiVersion", { apiVersion: "apps/v1" }],
    ["deployment.metadata.name", { metadata: { name: "mine" } }],
    ["deployment.metadata.namespace", { metadata: { namespace: "mine" } }],
    ["deployment.metadata.labels.app.kubernetes.io/instance", labelled("app.kubernetes.io/instance")],
    ["deployment.metadata.annotations.pulumi.com/skipAwait", annotated("pulumi.com/skipAwait")],
    ["deployment.spec.replicas", { spec: { replicas: 2 } }],
    ["deployment.spec.selector", { spec: { selector: { matchLabels: {} } } }],
    ["deployment.spec.paused", { spec: { paused: true } }],
    [`${template}.kind`, { spec: { template: { kind: "Pod" } } }],
    ...["app.kubernetes.io/name", "app.kubernetes.io/managed-by", "pi-runners/jobs-of"].map((key) => [
      `${template}.metadata.labels.${key}`,
      { spec: { template: labelled(key) } },
    ]),
    [`${template}.metadata.annotations.pi-runners/identity`, { spec: { template: annotated("pi-runners/identity") } }],
    ...[
      ...["terminationGracePeriodSeconds", "serviceAccountName", "serviceAccount", "automountServiceAccountToken"],
      ...["hostPID", "shareProcessNamespace"],
    ].map((key) => [`${template}.spec.${key}`, ofPod({ [key]: 1 })]),
    [`${template}.spec.volumes[0].name`, ofPod({ volumes: [{ name: "config", emptyDir: {} }] })],
    [`${template}.spec.volumes[0].name`, ofPod({ volumes: [{ name: "state", emptyDir: {} }] })],
    [`${template}.spec.initContainers[0].name`, ofPod({ initContainers: [{ name: "runner" }] })],
    [`${template}.spec.containers[0].name`, ofPod({ containers: [{ image: "busybox" }] })],
    [`${template}.spec.containers`, ofPod({ containers: { name: "runner" } })],
    ...["image", "resources", "command", "args"].map((key) => [`${container}.${key}`, ofManager({ [key]: ["x"] })]),
    [`${container}.livenessProbe`, ofManager({ livenessProbe: null })],
    [`${container}.readinessProbe`, ofManager({ readinessProbe: { exec: { command: ["true"] } } })],
    [`${container}.startupProbe`, ofManager({ startupProbe: { httpGet: { port: 1 } } })],
    [`${container}.lifecycle`, ofManager({ lifecycle: null })],
    [`${container}.lifecycle`, ofManager({ lifecycle: { preStop: { sleep: { seconds: 1 } } } })],
    [`${container}.env[0].name`, ofManager({ env: [{ name: "RUNNER_SALT", value: "x" }] })],
    [`${container}.env[0].name`, ofManager({ env: [{ name: "LISTEN_ADDRESS", value: ":1" }] })],
    [`${container}.envFrom`, ofManager({ envFrom: [{ secretRef: { name: "mine" } }] })],
    [`${template}.spec.hostNetwork`, ofPod({ hostNetwork: true })],
    [`${template}.spec.hostNetwork`, onHost({ type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } })],
    ["deployment.spec.minReadySeconds", { spec: { minReadySeconds: 301 } }],
    ["deployment.spec.progressDeadlineSeconds", { spec: { progressDeadlineSeconds: 601 } }],
    [`${container}.ports[0].containerPort`, ofManager({ ports: [{ containerPort: 9252, hostPort: 9252 }] })],
    [`${container}.volumeMounts[0].mountPath`, ofManager({ volumeMounts: [{ mountPath: `${stateFolder}/` }] })],
    [`${container}.volumeMounts[0].mountPath`, ofManager({ volumeMounts: [{ mountPath: secretFolder }] })],
    [
      `${container}.volumeMounts[0].mountPath`,
      ofManager({ volumeMounts: [{ mountPath: `${stateFolder}/config.toml`, subPath: "mine" }] }),
    ],
  ] as [string, Patch][]) {
    it(`${path}, as in ${JSON.stringify(patch)}`, () => assert.deepEqual(complaints(patch), [path]));
  }

  it("a proxy's variables, where the runner has a proxy", () => {
    const proxied = { ...given(ofManager({ env: [{ name: "HTTPS_PROXY", value: "http://other" }] })) };
    assert.deepEqual(checkKubernetesRunner(proxied).errors, []);
    const { errors } = checkKubernetesRunner({ ...proxied, proxy: { https: "http://proxy.lan:3128" } });
    assert.deepEqual(
      errors.map(({ propertyPath }) => propertyPath),
      [`${container}.env[0].name`],
    );
  });

  it("is said with what to do instead", () => {
    const reasonOf = (patch: Patch): string => checkKubernetesRunner(given(patch)).errors[0]!.reason;
    assert.equal(reasonOf(ofPod({ terminationGracePeriodSeconds: 5 })), "follows from drainTimeout; set that");
    assert.equal(
      reasonOf({ spec: { progressDeadlineSeconds: 601 } }),
      "must be at most 600: Pulumi waits for no longer than ten minutes",
    );
  });

  it("is not the node's network where the manager before has gone first, nor times that Pulumi waits for", () => {
    for (const strategy of [
      { type: "Recreate" },
      { rollingUpdate: { maxSurge: 0 } },
      { rollingUpdate: { maxSurge: "0%" } },
    ]) {
      assert.deepEqual(complaints(onHost(strategy)), [], JSON.stringify(strategy));
    }
    assert.deepEqual(complaints({ spec: { minReadySeconds: 300, progressDeadlineSeconds: 600 } }), []);
  });

  it("is all that would change what the runner depends on", () => {
    fc.assert(
      fc.property(anyPatch, (deployment) => {
        fc.pre(complaints(deployment).length === 0);
        assert.deepEqual(promised(templateOf(deployment)), promised(ours));
      }),
      { numRuns: 500, maxSkipsPerRun: 200 },
    );
  });
});

/** Of a pod template what a job, an update or another object of the runner relies on. */
function promised({ metadata, spec }: Template): unknown {
  const [{ env, ports, volumeMounts, ...container }] = spec.containers.filter(({ name }) => name === "runner") as [
    Container,
  ];
  const names = manager.env.map(({ name }) => name);
  const page = (probe: unknown): unknown => (probe as Patch)["httpGet"];
  const labels = Object.entries(metadata.labels);
  return {
    labels: labels.filter(([key]) => key in ours.metadata.labels || key.startsWith("pi-runners/")),
    account: [spec["serviceAccountName"], spec["automountServiceAccountToken"]],
    drain: [spec["terminationGracePeriodSeconds"], spec["hostPID"], spec["shareProcessNamespace"]],
    stop: (container["lifecycle"] as Patch)["preStop"],
    start: [container["command"], container["args"], container["image"], container["resources"]],
    probes: ["startupProbe", "livenessProbe", "readinessProbe"].map((key) => page(container[key])),
    env: env.filter(({ name }) => names.includes(name)),
    ports: ports.filter(({ containerPort }) => containerPort === 9252),
    mounts: volumeMounts.filter(({ mountPath }) => /^\/etc\/gitlab-runner|^\/config/.test(mountPath)),
    volumes: spec.volumes.filter(({ name }) => ["config", "state"].includes(name)),
    first: spec.containers[0]!.name,
  };
}

/** One or two of these keys: of patches with more of them nearly all are refused. */
const some = (model: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Patch> =>
  fc
    .subarray(Object.keys(model), { minLength: 1, maxLength: Math.min(2, Object.keys(model).length) })
    .chain((keys) => fc.record(Object.fromEntries(keys.map((key) => [key, model[key]!])), { noNullPrototype: true }));
const few = (entry: fc.Arbitrary<Patch>): fc.Arbitrary<Patch[]> => fc.array(entry, { minLength: 1, maxLength: 2 });
const always = (key: string, ...values: unknown[]) => ({ [key]: fc.constantFrom(...values) });
const having = (required: Record<string, fc.Arbitrary<unknown>>, more: Record<string, fc.Arbitrary<unknown>>) =>
  fc.tuple(fc.record(required, { noNullPrototype: true }), some(more)).map(([one, other]) => ({ ...one, ...other }));

const anyProbe = fc.option(some({ periodSeconds: fc.nat(9), exec: fc.constant({}), httpGet: fc.constant({}) }));
const anyContainer = having(always("name", "runner", "runner", "beside"), {
  env: few(having(always("name", "NODE_NAME", "HOME", "MINE"), { value: fc.string() })),
  ports: few(having(always("containerPort", 9252, 8093), { hostPort: fc.constant(1) })),
  volumeMounts: few(having(always("mountPath", "/mnt", "/tmp", secretFolder, `${stateFolder}/`), always("name", "x"))),
  livenessProbe: anyProbe,
  readinessProbe: anyProbe,
  lifecycle: fc.option(some({ preStop: fc.constant({}), postStart: fc.constant({}) })),
  ...always("command", ["x"], null),
  ...always("image", "x"),
  ...always("securityContext", null, { privileged: true }),
});
const anyLabels = fc.dictionary(fc.constantFrom("mine", "app.kubernetes.io/name", "pi-runners/jobs-of"), fc.string());
const anyTemplate = some({
  metadata: some({ labels: anyLabels }),
  spec: some({
    containers: few(anyContainer),
    initContainers: few(anyContainer),
    volumes: few(having(always("name", "config", "state", "tmp", "mine"), always("emptyDir", {}))),
    ...always("nodeSelector", null, { pool: "x" }),
    ...always("serviceAccountName", "x", null),
    ...always("hostPID", true),
    ...always("terminationGracePeriodSeconds", null, 1),
  }),
});
const anyPatch = anyTemplate.map((template): Patch => ({ spec: { template } }));

describe("the Pod Security Standard of a runner with a deployment of its own", () => {
  for (const patch of [
    { spec: { template: { metadata: { labels: { team: "ci" } }, spec: { schedulerName: "own" } } } },
    ofPod({ volumes: [{ name: "mine", persistentVolumeClaim: { claimName: "mine" } }] }),
    ofPod({ securityContext: { runAsNonRoot: false, runAsUser: 0 } }),
    ofManager({ securityContext: { capabilities: { add: ["CHOWN"] }, allowPrivilegeEscalation: true } }),
    ofPod({ containers: [{ name: "beside", ports: [{ containerPort: 80 }] }] }),
    ofPod({ securityContext: { sysctls: [{ name: "net.ipv4.tcp_syncookies", value: "1" }] } }),
    ofPod({ containers: [{ name: "beside", readinessProbe: { httpGet: { host: "", port: 80 } } }] }),
  ]) {
    it(`stays baseline with ${JSON.stringify(patch)}`, () => {
      assert.equal(podSecurity(kubernetesSettings(given(patch))), "baseline");
    });
  }

  const unconfined = { "container.apparmor.security.beta.kubernetes.io/runner": "unconfined" };
  for (const patch of [
    ofPod({ volumes: [{ name: "mine", hostPath: { path: "/srv" } }] }),
    onHost({ type: "Recreate" }),
    ofPod({ containers: [{ name: "beside", livenessProbe: { httpGet: { host: "10.0.0.1", port: 80 } } }] }),
    ofPod({ initContainers: [{ name: "before", startupProbe: { tcpSocket: { host: "10.0.0.1", port: 80 } } }] }),
    ofManager({ lifecycle: { postStart: { httpGet: { host: "10.0.0.1", port: 80 } } } }),
    ofPod({ hostIPC: true }),
    ofPod({ securityContext: { seccompProfile: { type: "Unconfined" } } }),
    ofPod({ securityContext: { sysctls: [{ name: "kernel.msgmax", value: "1" }] } }),
    ofPod({ securityContext: { seLinuxOptions: { user: "system_u" } } }),
    ofPod({ securityContext: { windowsOptions: { hostProcess: true } } }),
    ofManager({ securityContext: { privileged: true } }),
    ofManager({ securityContext: { capabilities: { add: ["SYS_ADMIN"] } } }),
    ofManager({ securityContext: { procMount: "Unmasked" } }),
    ofPod({ containers: [{ name: "beside", ports: [{ containerPort: 80, hostPort: 80 }] }] }),
    ofPod({ initContainers: [{ name: "before", securityContext: { appArmorProfile: { type: "Unconfined" } } }] }),
    { spec: { template: { metadata: { annotations: unconfined } } } },
    // Kubernetes refuses it; nothing here falls over it.
    ofManager({ securityContext: { capabilities: { add: "SYS_ADMIN" } } }),
  ]) {
    it(`is privileged with ${JSON.stringify(patch)}`, () => {
      const settings = kubernetesSettings(given(patch));
      assert.deepEqual(complaints(patch), []);
      assert.equal(podSecurity(settings), "privileged");
    });
  }
});
