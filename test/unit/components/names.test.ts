import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import * as components from "../../../components/index";
import { during, mockEngine, type Registered } from "./mocks";

const file = join(__dirname, "../../../docs/reference/names.md");
const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
const runner = { namespace: "ci", url: "https://gitlab.lan", token: "glrt-0123456789abcdefghij" };
const gitlab = { url: runner.url };
const image = { namespace: "ci", image: "gitlab/gitlab-runner:v1" };
const create = { type: "instance" as const };
const shell = { url: runner.url, token: runner.token };
const trust = {
  nodes: [{ name: "NODE", host: "192.0.2.1", hostKey }],
  registries: [{ address: "registry.lan:5000", insecure: true }],
  ssh: { privateKey: "-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n" },
};

/** One of each component, named `name`. */
const each: Record<string, () => pulumi.ComponentResource> = {
  RunnerNamespace: () => new components.RunnerNamespace("name", {}),
  RunnerToken: () => new components.RunnerToken("name", { authenticationToken: runner.token }),
  "RunnerToken with `verify: true`": () =>
    new components.RunnerToken("name", { authenticationToken: runner.token, verify: true, gitlab }),
  "RunnerToken with `gitlabAccessToken`": () =>
    new components.RunnerToken("name", { gitlabAccessToken: "glpat-0123456789", create, tags: ["pi"], gitlab }),
  "RunnerToken with `registrationToken`": () =>
    new components.RunnerToken("name", { registrationToken: "GR1348941x", tags: ["pi"], gitlab, place: image }),
  DoodRunner: () => new components.DoodRunner("name", runner),
  DindRunner: () => new components.DindRunner("name", runner),
  "DindRunner with `way: dind-resident`": () => new components.DindRunner("name", { ...runner, way: "dind-resident" }),
  "KubernetesRunner with more than one of `replicas`": () =>
    new components.KubernetesRunner("name", { ...runner, replicas: 2 }),
  "KubernetesRunner with `buildCache`": () =>
    new components.KubernetesRunner("name", { ...runner, buildCache: { hostFolder: "/mnt/ssd" } }),
  ShellRunner: () => new components.ShellRunner("name", { ...shell, nodes: trust.nodes, ssh: trust.ssh }),
  RunnerCleanup: () => new components.RunnerCleanup("name", { namespace: "ci", nodes: trust.nodes, ssh: trust.ssh }),
  LayersCleanup: () =>
    new components.LayersCleanup("name", {
      namespace: "ci",
      hostFolder: "/mnt/ssd",
      nodes: trust.nodes,
      ssh: trust.ssh,
    }),
  RegistryMirror: () => new components.RegistryMirror("name", { namespace: "ci" }),
  "RegistryMirror with `hostFolder`": () =>
    new components.RegistryMirror("name", {
      namespace: "ci",
      hostFolder: "/mnt/mirror",
      nodeSelector: { disk: "ssd" },
    }),
  RegistryTrust: () => new components.RegistryTrust("name", trust),
  "RegistryTrust with `owner: OWNER`": () => new components.RegistryTrust("name", { ...trust, owner: "OWNER" }),
};

/** Types from the outermost parent to the resource itself, and its name. */
function identity({ urn }: Registered): string {
  const [types, name] = urn!.split("::").slice(2);
  return `- \`${types!.replaceAll("$", " › ")}\` ${name}`;
}

describe("names of resources", () => {
  before(mockEngine);

  it("are those that docs/reference/names.md promises: a deployed stack knows its resources by them", async () => {
    const lines: string[] = [];
    for (const [title, make] of Object.entries(each)) {
      const registered = await during(make);
      lines.push(`### ${title}`, "", ...registered.map(identity).sort(), "");
    }
    const text = readFileSync(file, "utf8");
    const written = text.slice(text.indexOf("### RunnerNamespace")).trim();
    assert.equal(
      written,
      lines.join("\n").trim(),
      "A changed type token or name replaces what people have deployed. Give the resource an alias, then change names.md.",
    );
  });

  it("are written down for every component, and every component is exported", () => {
    const folder = join(__dirname, "../../../components");
    const sources = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
    const classes = sources.flatMap((path) =>
      [...readFileSync(join(folder, path), "utf8").matchAll(/class (\w+) extends pulumi\.ComponentResource/g)].map(
        ([, name]) => name!,
      ),
    );
    assert.ok(classes.length >= 5);
    assert.deepEqual(
      classes.filter((name) => !Object.keys(each).some((title) => title.split(" ")[0] === name)),
      [],
      "in this test",
    );
    assert.deepEqual(
      classes.filter((name) => !(name in components)),
      [],
      "in components/index.ts",
    );
  });
});
