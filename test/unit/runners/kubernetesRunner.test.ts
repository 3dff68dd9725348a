import assert from "node:assert/strict";
import { parse } from "smol-toml";
import { buildkitFile, containersFiles, containersItems } from "../../../components/runners/kubernetes/buildFiles";
import { checkKubernetesRunner, kubernetesRunnerErrors } from "../../../components/runners/kubernetes/errors";
import { kubernetesRunnerConfig } from "../../../components/runners/kubernetes/kubernetesConfig";
import { podTemplate, secretFiles } from "../../../components/runners/kubernetes/pod";
import { podSecurity } from "../../../components/runners/kubernetes/podSecurity";
import { risk } from "../../../components/runners/kubernetes/risk";
import { rules } from "../../../components/runners/kubernetes/role";
import type { KubernetesRunnerInput, KubernetesSection } from "../../../components/runners/kubernetes/settings";
import { ca } from "../config/stackFile";
import { givenKubernetes, kubernetesSettings, otherKubernetesValues } from "./kubernetesSettings";

type Different = Partial<KubernetesRunnerInput>;

const sectionOf = (different: Different): KubernetesSection =>
  kubernetesRunnerConfig(kubernetesSettings(different), "t").runners![0]!.kubernetes!;

const own = (kubernetes: KubernetesSection): Different => ({ config: { runners: [{ kubernetes }] } });

describe("each setting of a runner with the Kubernetes executor", () => {
  const made = (different: Different): string => {
    const settings = kubernetesSettings(different);
    const { registries = [], mirrors, buildCache } = settings;
    const files = [containersFiles(registries, mirrors), buildkitFile(registries, mirrors, buildCache)];
    const parts = [podTemplate(settings), secretFiles(settings, "t"), files, settings.replicas];
    return JSON.stringify([...parts, kubernetesRunnerErrors(settings)]);
  };
  for (const [key, value] of Object.entries(otherKubernetesValues)) {
    it(`is used: ${key}`, () => {
      assert.notEqual(made({ [key]: value }), made({}), `${key} changes nothing that a runner is made of`);
    });
  }
});

describe("the config.toml of the Kubernetes executor", () => {
  it("makes jobs unprivileged pods in the runner's namespace, with an account of their own and no token", () => {
    const section = sectionOf({});
    assert.equal(section.privileged, false);
    assert.equal(section.namespace, "ci");
    assert.equal(section.service_account, "pods-jobs");
    assert.equal(section.automount_service_account_token, false);
    assert.ok(section.memory_request && section.memory_limit && section.cpu_request);
  });

  it("sends jobs where the manager may go, with tolerations in config.toml's words where it has them", () => {
    const given = { architecture: "arm64", nodeSelector: { ci: "yes" } } as const;
    assert.deepEqual(sectionOf(given).node_selector, {
      "kubernetes.io/os": "linux",
      "kubernetes.io/arch": "arm64",
      ci: "yes",
    });
    const tolerations = [
      { key: "ci", operator: "Exists", effect: "NoSchedule" },
      { key: "pool", value: "builds" },
    ] as const;
    const plain = sectionOf({ tolerations: [...tolerations] });
    assert.deepEqual(plain.node_tolerations, { ci: "NoSchedule", "pool=builds": "" });
    assert.equal(plain.pod_spec, undefined);
  });

  it("writes what config.toml has no word for into the pod's specification", () => {
    const tolerations = [{ operator: "Exists" as const }];
    const section = sectionOf({ tolerations, hostUsers: false });
    assert.equal(section.node_tolerations, undefined);
    assert.deepEqual(JSON.parse(section.pod_spec![0]!.patch!), { hostUsers: false, tolerations });
  });

  it("has gitlab-runner heed what is said of the pod's specification, and refuses a flag that would have it not", () => {
    const flag = "FF_USE_ADVANCED_POD_SPEC_CONFIGURATION";
    const flagOf = (different: Different): boolean | undefined =>
      kubernetesRunnerConfig(kubernetesSettings(different), "t").runners![0]!.feature_flags![flag];
    assert.equal(flagOf({}), undefined);
    assert.equal(flagOf({ hostUsers: false }), true);
    assert.equal(flagOf({ tolerations: [{ operator: "Exists" }] }), true);
    assert.equal(flagOf(own({ pod_spec: [{ name: "mine", patch: "{}", patch_type: "merge" }] })), true);
    const off = { config: { runners: [{ feature_flags: { [flag]: false } }] } };
    const refused = (different: Different): string[] =>
      kubernetesRunnerErrors(kubernetesSettings(different)).map(({ propertyPath }) => propertyPath);
    assert.deepEqual(refused({ ...off, hostUsers: false }), [`config.runners[0].feature_flags.${flag}`]);
    assert.deepEqual(refused(off), []);
  });

  it("has the cache of jobs in S3 as the stack file says it, in config.toml's own words", () => {
    const cache = {
      ...{ Type: "s3", Path: "ci", Shared: true },
      s3: {
        ...{ ServerAddress: "minio.lan:9000", BucketName: "cache", BucketLocation: "home", PathStyle: true },
        ...{ Insecure: true, AuthenticationType: "access-key", AccessKey: "me", SecretKey: "SeCrEt" },
      },
    };
    const settings = kubernetesSettings({ config: { runners: [{ cache }] } });
    assert.deepEqual(kubernetesRunnerErrors(settings), []);
    const written = parse(secretFiles(settings, "t")["config.toml"]!) as { runners: { cache: object }[] };
    assert.deepEqual(JSON.parse(JSON.stringify(written.runners[0]!.cache)), cache);
    const misspelt = { ...cache, s3: { ...cache.s3, Bucket: "cache" } };
    const { errors } = checkKubernetesRunner(
      givenKubernetes({ config: { runners: [{ cache: misspelt }] } } as Different),
    );
    assert.deepEqual(
      errors.map(({ propertyPath }) => propertyPath),
      ["config.runners[0].cache.s3.Bucket"],
    );
  });

  it("lets the stack file reach everything, and adds its volumes and patches to those that builds need", () => {
    const section = sectionOf(
      own({
        runtime_class_name: "gvisor",
        volumes: { empty_dir: [{ name: "cache", mount_path: "/cache" }] },
        pod_spec: [{ name: "mine", patch: "{}", patch_type: "merge" }],
      }),
    );
    assert.equal(section.runtime_class_name, "gvisor");
    assert.deepEqual(
      section.volumes!.empty_dir!.map(({ mount_path }) => mount_path),
      ["/var/lib/containers", "/cache"],
    );
    assert.equal(section.volumes!.config_map!.length, 2);
    assert.equal(section.pod_spec!.length, 1);
  });

  it("gives the image store a volume of the stack file's, where it names one", () => {
    const section = sectionOf(own({ volumes: { empty_dir: [{ name: "ram", mount_path: "/var/lib/containers/" }] } }));
    assert.deepEqual(
      section.volumes!.empty_dir!.map(({ name }) => name),
      ["ram"],
    );
  });
});

describe("what builders in pods are told", () => {
  const registries = [
    { address: "plain.lan:5000", insecure: true },
    { address: "private.lan:5443", ca },
    { address: "public.example" },
  ];

  /** The registries of a TOML file, as plain objects. */
  const tables = (text: string): unknown => JSON.parse(JSON.stringify(parse(text)["registry"]));

  it("of the one registries setting: Buildah by registries.conf and certs.d, BuildKit by buildkitd.toml", () => {
    const files = containersFiles(registries);
    assert.deepEqual(tables(files["registries.conf"]!), [{ location: "plain.lan:5000", insecure: true }]);
    assert.equal(files["certs.d/private.lan:5443/pi-runners.crt"]!.trim(), ca.trim());
    assert.deepEqual(tables(buildkitFile(registries)), {
      "plain.lan:5000": { http: true, insecure: true },
      "private.lan:5443": { ca: ["/etc/containers/certs.d/private.lan:5443/pi-runners.crt"] },
      "public.example": {},
    });
  });

  it("reaches the pod by keys that a ConfigMap takes", () => {
    const items = containersItems(registries);
    for (const { key } of items) {
      assert.match(key, /^[-._a-zA-Z0-9]+$/);
    }
    const [volume] = sectionOf({ registries }).volumes!.config_map!;
    assert.deepEqual(volume!.items, Object.fromEntries(items.map(({ key, path }) => [key, path])));
  });
});

describe("the manager of the Kubernetes executor", () => {
  it("meets the Pod Security Standard restricted", () => {
    const { spec } = podTemplate(kubernetesSettings()) as { spec: Record<string, any> }; // eslint-disable-line @typescript-eslint/no-explicit-any
    assert.equal(spec["securityContext"].runAsNonRoot, true);
    assert.deepEqual(spec["securityContext"].seccompProfile, { type: "RuntimeDefault" });
    for (const { securityContext } of spec["containers"]) {
      assert.equal(securityContext.allowPrivilegeEscalation, false);
      assert.equal(securityContext.readOnlyRootFilesystem, true);
      assert.deepEqual(securityContext.capabilities, { drop: ["ALL"] });
    }
    const kinds = spec["volumes"].flatMap((volume: object) => Object.keys(volume).filter((key) => key !== "name"));
    assert.deepEqual([...new Set(kinds)].sort(), ["emptyDir", "secret"]);
  });

  it("stays the same when only what the runner reloads by itself changes", () => {
    const before = JSON.stringify(podTemplate(kubernetesSettings()));
    for (const change of [
      { concurrent: 9 },
      { jobImage: "example/buildah:2" },
      { registries: [{ address: "plain.lan", insecure: true }] },
      { hostUsers: false },
      own({ poll_timeout: 300 }),
    ]) {
      assert.equal(JSON.stringify(podTemplate(kubernetesSettings(change))), before, JSON.stringify(change));
    }
  });

  it("may do what a job needs in its namespace, and more only for a feature that is on", () => {
    const verbs = (different: Different): string[] =>
      rules(kubernetesSettings(different)).flatMap(({ resources, verbs }) =>
        verbs.map((verb) => `${verb} ${resources}`),
      );
    const always = verbs({});
    assert.ok(!always.some((verb) => verb.includes("*")));
    assert.ok(!always.includes("get secrets"), "every runner's token is a Secret of the namespace");
    const more = verbs(own({ pod_disruption_budget: true })).filter((verb) => !always.includes(verb));
    assert.deepEqual(more, ["create poddisruptionbudgets", "get poddisruptionbudgets"]);
  });
});

describe("the Pod Security Standard of a runner with the Kubernetes executor", () => {
  it("is baseline: jobs are root of their container", () => {
    assert.equal(podSecurity(kubernetesSettings()), "baseline");
    assert.equal(podSecurity(kubernetesSettings({ hostUsers: false })), "baseline");
    assert.equal(podSecurity(kubernetesSettings(own({ cap_add: ["CHOWN"] }))), "baseline");
  });

  for (const beyond of [
    { privileged: true },
    { cap_add: ["SYS_ADMIN"] },
    { volumes: { host_path: [{ name: "cache", mount_path: "/cache" }] } },
    { build_container_security_context: { app_armor_profile: { type: "Unconfined" } } },
    { pod_spec: [{ name: "mine", patch: "hostNetwork: true", patch_type: "merge" as const }] },
  ]) {
    it(`is privileged with ${JSON.stringify(beyond)}`, () => {
      assert.equal(podSecurity(kubernetesSettings(own(beyond))), "privileged");
    });
  }

  it("is told as a risk where jobs are privileged", () => {
    assert.equal(risk(kubernetesSettings()).level, "pod");
    assert.equal(risk(kubernetesSettings(own({ privileged: true }))).level, "node-root-by-escape");
  });
});

describe("errors in the settings of a runner with the Kubernetes executor", () => {
  const complaints = (different: Different): string[] =>
    checkKubernetesRunner(givenKubernetes(different)).errors.map(({ propertyPath }) => propertyPath);
  const at = (key: string): string[] => [`config.runners[0].kubernetes.${key}`];

  it("are none in the smallest settings, nor in each other value alone", () => {
    assert.deepEqual(complaints({}), []);
    for (const [key, value] of Object.entries(otherKubernetesValues).filter(([key]) => key !== "image")) {
      assert.deepEqual(complaints({ [key]: value }), [], key);
    }
  });

  it("jobs in a namespace where the manager has no rights", () => {
    assert.deepEqual(complaints(own({ namespace: "other" })), at("namespace"));
    assert.deepEqual(complaints(own({ namespace: "ci" })), []);
    assert.deepEqual(complaints(own({ namespace_overwrite_allowed: "ci-.*" })), at("namespace_overwrite_allowed"));
    assert.deepEqual(complaints(own({ namespace_per_job: true })), at("namespace_per_job"));
  });

  it("jobs that may take the manager's account", () => {
    assert.deepEqual(complaints(own({ service_account: "pods-manager" })), at("service_account"));
    const key = "service_account_overwrite_allowed";
    assert.deepEqual(complaints(own({ [key]: ".*" })), at(key));
    assert.deepEqual(complaints(own({ [key]: "^deploy$" })), []);
  });

  it("amounts that Kubernetes would refuse", () => {
    assert.deepEqual(complaints(own({ memory_request: "8Gi" })), at("memory_request"));
    assert.deepEqual(complaints(own({ memory_limit: "100Mi" })), at("memory_limit"));
    assert.deepEqual(complaints(own({ cpu_limit: "one" })), at("cpu_limit"));
    assert.deepEqual(complaints(own({ memory_request: "8Gi", memory_limit: "8Gi" })), []);
  });

  it("a section of another executor, an image for another architecture, a helper of another release", () => {
    assert.deepEqual(complaints({ config: { runners: [{ docker: {} }] } }), ["config.runners[0].docker"]);
    assert.deepEqual(complaints({ architecture: "arm64", jobImage: "amd64/buildah" }), ["jobImage"]);
    assert.deepEqual(complaints({ architecture: "arm", image: "me/gitlab-runner:armhf" }), ["jobImage"]);
    const helper = "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:x86_64-v18.0.0";
    assert.deepEqual(complaints({ helperImage: helper }), ["helperImage"]);
  });
});
