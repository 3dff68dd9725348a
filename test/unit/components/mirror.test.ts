import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "smol-toml";
import { parse as parseYaml } from "yaml";
import * as components from "../../../components/index";
import { configDigest } from "../../../components/mirror/pod";
import { innerDaemonFiles } from "../../../components/runners/docker/innerDaemon";
import { buildkitFile, containersFiles } from "../../../components/runners/kubernetes/buildFiles";
import { parseConfig, type StackConfig } from "../../../config/stackConfig";
import { asText } from "../config/stackFile";
import { during, mockEngine, only, unwrapSecret, valueOf, type Registered } from "./mocks";

const mirror = "http://10.43.7.7:5000";

describe("RegistryMirror", () => {
  before(mockEngine);

  const made = (args: Partial<components.RegistryMirrorArgs> = {}): Promise<Registered[]> =>
    during(() => new components.RegistryMirror("mirror", { namespace: "ci", ...args }));
  const podOf = (all: Registered[]) => only(all, "kubernetes:apps/v1:Deployment").inputs["spec"].template;
  const filesOf = (all: Registered[]): Record<string, string> => {
    const { data } = only(all, "kubernetes:core/v1:Secret").inputs;
    return (unwrapSecret(data) ?? data) as Record<string, string>;
  };

  it("mirrors Docker Hub as nobody in particular, with a claim for what it pulled", async () => {
    const all = await made();
    const file = Buffer.from(filesOf(all)["mirror.yml"]!, "base64").toString();
    const { proxy } = parseYaml(file) as { proxy: object };
    assert.deepEqual(proxy, { remoteurl: "https://registry-1.docker.io" });
    const { spec } = podOf(all);
    assert.equal(spec.securityContext.runAsNonRoot, true);
    assert.ok(all.some(({ type }) => type.endsWith(":PersistentVolumeClaim")));
  });

  it("shows the password of the registry behind it nowhere but in the Secret", async () => {
    const all = await made({ username: "pi", password: pulumi.secret("SeCrEt") });
    for (const { type, inputs } of all.filter((one) => one.type !== "kubernetes:core/v1:Secret")) {
      const text = JSON.stringify(inputs);
      assert.ok(!text.includes("SeCrEt") && !text.includes(Buffer.from("SeCrEt").toString("base64")), type);
    }
    assert.match(Buffer.from(filesOf(all)["mirror.yml"]!, "base64").toString(), /password: SeCrEt/);
    const settings = {
      remoteUrl: "https://registry-1.docker.io",
      username: "pi",
      image: "registry:3",
      tolerations: [],
    };
    const digest = async (password: string): Promise<string> =>
      podOf(await made({ username: "pi", password })).metadata.annotations["pi-runners/mirror-config"];
    assert.notEqual(await digest("one"), await digest("two"), "another password starts it again");
    const [one, other] = ["guess 0", "guess 6979"].map((password) => configDigest({ ...settings, password }));
    assert.equal(one, other, "who guesses a password does not learn by it that it was right");
  });

  it("has an address in a cluster of IPv6, too", async () => {
    await pulumi.runtime.setMocks({
      newResource: ({ type, name, inputs }) => {
        const state = type.endsWith(":Service") ? { spec: { clusterIP: "fd00::7" } } : (inputs as object);
        return { id: `${name}-id`, state };
      },
      call: ({ inputs }) => inputs as object,
    });
    assert.equal(
      await valueOf(new components.RegistryMirror("mirror", { namespace: "ci" }).url),
      "http://[fd00::7]:5000",
    );
    await mockEngine();
  });

  it("refuses what would be no mirror, each by its name", async () => {
    const refused = (args: Partial<components.RegistryMirrorArgs>): void =>
      assert.throws(
        () => new components.RegistryMirror("mirror", { namespace: "ci", ...args }),
        /RegistryMirror mirror/,
      );
    refused({ hostFolder: "/mnt/mirror" });
    refused({ hostFolder: "/mnt/mirror", nodeSelector: { disk: "ssd" }, size: "1Gi" });
    refused({ username: "pi" });
    refused({ password: "SeCrEt" });
    refused({ remoteUrl: "registry.lan" });
  });
});

describe("a mirror in the preview that would make it", () => {
  before(() => mockEngine(true));
  after(() => mockEngine());

  const runner = { namespace: "ci", url: "https://gitlab.lan", token: "glrt-0123456789abcdefghij" };
  const withMirror = (make: (mirrors: pulumi.Output<string>[]) => pulumi.Resource): Promise<Registered[]> =>
    during(() => {
      const made = new components.RegistryMirror("mirror", { namespace: "ci" });
      return [made, make([made.url])];
    });

  it("has no address: the one that the cluster's dry run gives the Service is not the one that it gets", async () => {
    const { url } = new components.RegistryMirror("mirror", { namespace: "ci" });
    const { isKnown } = url as unknown as { isKnown: Promise<boolean> };
    assert.equal(await isKnown, false);
  });

  it("leaves the rest of its runners readable: an object whose name is not known would be shown as replaced", async () => {
    const all = [
      ...(await withMirror((mirrors) => new components.DindRunner("dind", { ...runner, mirrors }))),
      ...(await withMirror((mirrors) => new components.KubernetesRunner("pods", { ...runner, mirrors }))),
    ].filter(({ name, type }) => /^(dind|pods)/.test(name) && type.startsWith("kubernetes:"));
    assert.deepEqual([...new Set(all.map(({ inputs }) => typeof inputs["metadata"].name))], ["string"]);
    assert.deepEqual(
      all.map(({ inputs }) => inputs["metadata"].name as string).filter((name) => !/^(dind|pods)/.test(name)),
      [],
    );
    const { template } = only(all, "kubernetes:apps/v1:DaemonSet").inputs["spec"];
    assert.ok(template.spec.containers.length > 0);
  });
});

describe("a mirror as builders know it", () => {
  it("is asked by Docker, and by the BuildKit in it, which takes the scheme from the insecure registries", () => {
    const daemon = (mirrors?: string[], reloads?: boolean): Record<string, unknown> =>
      JSON.parse(innerDaemonFiles({ registries: [], mirrors, reloads })["daemon.json"]!) as Record<string, unknown>;
    assert.deepEqual(daemon([mirror])["registry-mirrors"], [mirror]);
    assert.deepEqual(daemon([mirror])["insecure-registries"], ["10.43.7.7:5000"]);
    assert.equal(daemon()["registry-mirrors"], undefined);
    assert.deepEqual(daemon(undefined, true)["registry-mirrors"], [], "a running daemon forgets only what it is told");
  });

  it("is asked by Buildah and BuildKit in pods", () => {
    const { registry } = parse(containersFiles([], [mirror])["registries.conf"]!) as { registry: object };
    assert.deepEqual(JSON.parse(JSON.stringify(registry)), [
      { location: "docker.io", mirror: [{ location: "10.43.7.7:5000", insecure: true }] },
    ]);
    assert.deepEqual(JSON.parse(JSON.stringify(parse(buildkitFile([], [mirror])))), {
      registry: {
        "docker.io": { mirrors: ["10.43.7.7:5000"] },
        "10.43.7.7:5000": { http: true, insecure: true },
      },
    });
  });
});

describe("the mirror of a stack", () => {
  const read = (mirrored: object, way = "kubernetes", name = "builder"): StackConfig => {
    const values = {
      gitlab: { url: "https://gitlab.lan" },
      registries: [{ address: "registry.lan:5000", insecure: true }],
      runners: [{ name, way }],
      tokens: { [name]: "glrt-SeCrEt0123456789ab" },
      mirror: mirrored,
    };
    const named = Object.entries(values).map(([key, value]) => [`pi-runners:${key}`, value]);
    return parseConfig(asText(Object.fromEntries(named) as Record<string, unknown>));
  };

  it("is there when it is asked for, and its namespace lets it have its claim or folder", () => {
    assert.equal(read({ enabled: false }).mirror, undefined);
    const claim = read({ enabled: true });
    assert.equal(claim.quota?.["persistentvolumeclaims"], "1");
    assert.equal(claim.podSecurity, "baseline");
    const folder = read({ enabled: true, hostFolder: "/mnt/mirror", nodeSelector: { disk: "ssd" } });
    assert.equal(folder.quota, undefined);
    assert.equal(folder.podSecurity, "privileged");
  });

  it("is refused where nobody would ask it, or in a folder of runners", () => {
    const inTheirs = { enabled: true, hostFolder: "/var/lib/pi-runners/mirror", nodeSelector: { disk: "ssd" } };
    assert.throws(() => read(inTheirs, "dind-resident"), /pi-runners:mirror\.hostFolder: is in \/var\/lib\/pi-runners/);
    assert.throws(() => read({ enabled: true }, "kubernetes", "registry-mirror"), /mirror\.enabled: .* have one name/);
    assert.throws(() => read({ enabled: true }, "dood"), /pi-runners:mirror\.enabled: no runner of this stack asks/);
  });
});
