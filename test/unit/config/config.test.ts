import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { parseConfig, type StackConfig } from "../../../config/stackConfig";
import { metaOf } from "../../../components/schema";
import type { DockerRunnerSettings } from "../../../components/runners/docker/settings";
import { ways } from "../../../components/runners/executors";
import { stackSchema } from "../../../config/schema";
import { asText, configOf, hostKey, inPlaceWith, project, stackOf } from "./stackFile";

type Values = Record<string, unknown>;

/** A sound stack, below the namespace. */
const sound: Values = {
  gitlab: { url: "https://gitlab.lan" },
  registries: [{ address: "registry.lan:5000", insecure: true }],
  nodes: [
    { name: "pi1", host: "192.168.1.21", hostKey: hostKey("1") },
    { name: "pi2", host: "192.168.1.22", hostKey: hostKey("2") },
  ],
  runners: [{ name: "dood", way: "dood" }],
  tokens: { dood: "glrt-SeCrEt0123456789ab" },
};

function read(values: Values, others: Record<string, string> = {}, file?: Values): StackConfig {
  const own = Object.entries(values).filter(([, value]) => value !== undefined);
  const all = asText(Object.fromEntries(own.map(([name, value]) => [`pi-runners:${name}`, value])));
  return parseConfig({ ...all, ...others }, () => true, file);
}

/** The settings of a stack's runners, which all have the Docker executor. */
function dockerSettings(config: StackConfig): DockerRunnerSettings[] {
  return config.runners.map((runner) => {
    assert.equal(runner.executor, "docker");
    return runner.settings;
  });
}

/** The keys that are complained about, each with what is said. */
function errorsOf(values: Values, others: Record<string, string> = {}, file?: Values): Record<string, string> {
  try {
    read(values, others, file);
  } catch (error) {
    assert.ok(pulumi.RunError.isInstance(error), String(error));
    const text = error.message;
    assert.doesNotMatch(text, /SeCrEt/, "a secret is in the message");
    const lines = [...text.matchAll(/^ {2}(\S+?): (.*)$/gm)];
    return Object.fromEntries(lines.map((line) => [line[1]!.replace(/^pi-runners:/, ""), line[2]!]));
  }
  return {};
}

/** One error, and only that. */
function oneError(different: Values, where: string, what: RegExp): void {
  const found = errorsOf({ ...sound, ...different });
  assert.deepEqual(Object.keys(found), [where]);
  assert.match(found[where]!, what);
}

describe("the configuration", () => {
  it("of a sound stack is read, with its defaults", () => {
    const config = read(sound);
    assert.equal(config.namespace, "gitlab-runners");
    assert.equal(config.runners[0]!.settings.url, "https://gitlab.lan");
    assert.deepEqual(config.runners[0]!.tags, ["dood"]);
  });

  it("gives the provider the kubeconfig as it was given: the state is the same wherever the checkout lies", () => {
    const kubeconfig = ".kube/home.yaml";
    assert.equal(inPlaceWith([kubeconfig], () => read({ ...sound, kubeconfig })).kubeconfig, kubeconfig);
    // Left out, the SDK would put in what KUBECONFIG says on this machine.
    assert.equal(read(sound).kubeconfig, "");
  });

  it("hands on how trust is rolled out, a first failure that is one too many included", () => {
    const config = read({ ...sound, trust: { maxFailures: 0, batchSize: 3, reapply: "after the new SD card" } });
    assert.deepEqual(config.rollout, { canary: undefined, batchSize: 3, maxFailures: 0 });
    assert.equal(config.reapply, "after the new SD card");
  });

  it("keeps of a runner's config secret what is encrypted, at whatever level the stack file has encrypted it", async () => {
    const script = (text: unknown): object => ({ runners: [{ pre_build_script: text }] });
    const runner = { name: "dood", way: "dood", config: script("marked") };
    const encrypted = { secure: "v1:x" };
    for (const [runners, secret] of [
      [encrypted, true],
      [[encrypted], true],
      [[{ ...runner, config: encrypted }], true],
      [[{ ...runner, config: script(encrypted) }], true],
      [[runner], false],
      [undefined, true], // from ESC, as Pulumi says that it is encrypted
    ] as const) {
      const config = read({ ...sound, runners: [runner] }, {}, { ...sound, tokens: encrypted, runners });
      const isSecret = await pulumi.isSecret(pulumi.output(config.runners[0]!.settings.config));
      assert.equal(isSecret, secret, JSON.stringify(runners));
    }
  });

  it("keeps of a runner's deployment secret what is encrypted, and shows the rest", async () => {
    const deployment = (value: unknown): object => {
      const containers = [{ name: "runner", env: [{ name: "MINE", value }] }];
      return { spec: { minReadySeconds: 5, template: { spec: { containers } } } };
    };
    const runner = (value: unknown): object => ({ name: "dood", way: "kubernetes", deployment: deployment(value) });
    const encrypted = { secure: "v1:x" };
    const file = { ...sound, tokens: encrypted, runners: [runner(encrypted)] };
    const { settings } = read({ ...sound, runners: [runner("marked")] }, {}, file).runners[0]! as {
      settings: { deployment: { spec: { minReadySeconds: unknown } } };
    };
    assert.equal(await pulumi.isSecret(pulumi.output(settings.deployment)), true);
    assert.equal(settings.deployment.spec.minReadySeconds, 5);
  });

  it("knows the keys of a runner's deployment where all of it is encrypted", async () => {
    const deployment = { spec: { template: { metadata: { annotations: { "example.com/note": "marked" } } } } };
    const runner = { name: "dood", way: "kubernetes", deployment };
    const encrypted = { secure: "v1:x" };
    for (const runners of [encrypted, [{ ...runner, deployment: encrypted }]]) {
      const config = read({ ...sound, runners: [runner] }, {}, { ...sound, tokens: encrypted, runners });
      const { settings } = config.runners[0]! as unknown as { settings: { deployment: typeof deployment } };
      const { annotations } = settings.deployment.spec.template.metadata;
      assert.equal(await pulumi.isSecret(pulumi.output(annotations["example.com/note"])), true);
    }
  });

  it("keeps tokens and passwords secret", async () => {
    const config = read({ ...sound, ssh: { sudoPassword: "SeCrEt" } });
    assert.equal(await pulumi.isSecret(pulumi.output(config.runners[0]!.token.authenticationToken)), true);
    assert.equal(await pulumi.isSecret(config.ssh.sudoPassword as pulumi.Output<string>), true);
  });

  it("gives every runner the defaults, which it may override", () => {
    const config = read({
      ...sound,
      runnerDefaults: { size: "8GB", pullPolicy: "never", dindImage: "mine:dind" },
      runners: [
        { name: "dood", way: "dood", size: "4GB" },
        { name: "dind", way: "dind" },
      ],
      tokens: { dood: "glrt-aaaaaaaaaaaa", dind: "glrt-bbbbbbbbbbbb" },
    });
    assert.deepEqual(
      dockerSettings(config).map(({ size }) => size),
      ["4GB", "8GB"],
    );
    assert.deepEqual(
      dockerSettings(config).map(({ pullPolicy }) => pullPolicy),
      [["never"], ["never"]],
    );
    assert.deepEqual(
      dockerSettings(config).map(({ dindImage }) => dindImage),
      [undefined, "mine:dind"],
    );
    assert.deepEqual(dockerSettings(config)[1]!.registries, [{ address: "registry.lan:5000", insecure: true }]);
  });

  it("has the namespace judge pods as its managers' deployments need it", () => {
    const levelWith = (spec: object): string => {
      const runner = { name: "dood", way: "kubernetes", deployment: { spec: { template: { spec } } } };
      return read({ ...sound, runners: [runner] }).podSecurity;
    };
    assert.equal(levelWith({ schedulerName: "own" }), "baseline");
    assert.equal(levelWith({ hostIPC: true }), "privileged");
  });

  it("has the namespace judge pods as strictly as its runners' ways allow", () => {
    const pods = { name: "pods", way: "kubernetes" };
    const tokens = { dood: "glrt-aaaaaaaaaaaa", pods: "glrt-bbbbbbbbbbbb" };
    const level = (...runners: object[]): string =>
      read({ ...sound, runners, tokens: Object.fromEntries(Object.entries(tokens).slice(-runners.length)) })
        .podSecurity;
    assert.equal(read(sound).podSecurity, "privileged");
    assert.equal(level(pods), "baseline");
    assert.equal(level({ name: "dood", way: "dood" }, pods), "privileged");
  });

  it("gives a default to the runners whose executor knows it, and to no other", () => {
    const config = read({
      ...sound,
      runnerDefaults: { dockerSocket: "/run/other.sock", replicas: 2, concurrent: 7 },
      runners: [
        { name: "dood", way: "dood" },
        { name: "pods", way: "kubernetes" },
      ],
      tokens: { dood: "glrt-aaaaaaaaaaaa", pods: "glrt-bbbbbbbbbbbb" },
    });
    const [dood, pods] = config.runners.map(({ settings }) => settings as unknown as Record<string, unknown>);
    assert.deepEqual(
      [dood!["dockerSocket"], dood!["replicas"], dood!["concurrent"]],
      ["/run/other.sock", undefined, 7],
    );
    assert.deepEqual([pods!["dockerSocket"], pods!["replicas"], pods!["concurrent"]], [undefined, 2, 7]);
    assert.deepEqual(pods!["registries"], [{ address: "registry.lan:5000", insecure: true }]);
  });

  it("gives a host's runner what it knows of the default of `prune`, and its own in place of that", () => {
    const prune = { every: 30, image: "docker:mine" };
    const [dood, host, own] = stackOf(
      [
        { name: "dood", way: "dood" },
        { name: "host", way: "shell", hosts: ["pi1"] },
        { name: "own", way: "shell", hosts: ["pi2"], prune: { enabled: false } },
      ],
      { runnerDefaults: { prune } },
    ).runners.map(({ settings }) => (settings as { prune?: object }).prune);
    assert.deepEqual([dood, host, own], [prune, { every: 30 }, { enabled: false }]);
    const alone = stackOf([{ name: "host", way: "shell", hosts: ["pi1"] }], { runnerDefaults: { prune } });
    assert.deepEqual((alone.runners[0]!.settings as { prune?: object }).prune, { every: 30 });
  });
});

describe("bad input", () => {
  it("a token in place of a runner's name, without showing it [8.29]", () => {
    const tokens = { ...(sound["tokens"] as object), "glrt-SeCrEtSeCrEt": "dood" };
    const found = errorsOf({ ...sound, tokens });
    assert.match(found["tokens"]!, /in place of a runner's name.*revoke/);
    assert.ok(!JSON.stringify(found).includes("glrt-SeCrEtSeCrEt"), JSON.stringify(Object.keys(found)));
  });

  it("no token", () => oneError({ tokens: {} }, "tokens.dood", /has no token; pulumi config set --path --secret/));
  it("a legacy token where an authentication token is due", () =>
    oneError({ tokens: { dood: "GR1348941SeCrEtSeCrEt" } }, "tokens.dood", /legacy registration token.*New runner/));
  it("the reverse", () =>
    oneError(
      { tokens: {}, registrationTokens: { dood: "glrt-SeCrEtSeCrEt" } },
      "registrationTokens.dood",
      /give it as the authentication token/,
    ));
  it("a token for no runner", () =>
    oneError({ tokens: { ...(sound["tokens"] as object), dod: "glrt-SeCrEtSeCrEt" } }, "tokens.dod", /no runner dod/));
  it("one runner in GitLab for two that take it over, at whatever address it is written", () => {
    const runner = (name: string, id: number, more: object = {}) => {
      const create = { type: "project", projectId: 1, id };
      return { name, way: "dood", create, ...more };
    };
    const gitlab = { url: "https://gitlab.lan", accessToken: "glpat-SeCrEtSeCrEt" };
    const found = (second: object) => errorsOf({ ...sound, gitlab, tokens: {}, runners: [runner("a", 7), second] });
    const same = { gitlab: { ...gitlab, url: "https://GitLab.lan/" } };
    for (const second of [runner("b", 7), runner("b", 7, same)]) {
      assert.match(
        found(second)["runners[1].create.id"]!,
        /runners\[0\] \(a\) takes over too.*worthless; name another one, or leave id out/,
      );
    }
    assert.deepEqual(found(runner("b", 8)), {});
    assert.deepEqual(found(runner("b", 7, { gitlab: { ...gitlab, url: "https://other.lan" } })), {});
  });
  it("one token for two runners", () =>
    oneError(
      {
        runners: [
          { name: "dood", way: "dood" },
          { name: "dind", way: "dind" },
        ],
        tokens: { dood: "glrt-SeCrEtSeCrEt", dind: "glrt-SeCrEtSeCrEt" },
      },
      "tokens.dind",
      /same token as tokens\.dood/,
    ));
  it("a registry with a scheme", () =>
    oneError(
      { registries: [{ address: "http://registry.lan:5000" }] },
      "registries[0].address",
      /scheme.*"registry\.lan:5000"/,
    ));
  it("a registry with a path", () =>
    oneError({ registries: [{ address: "registry.lan/group" }] }, "registries[0].address", /path.*"registry\.lan"/));
  it("a registry both insecure and with a CA", () =>
    inPlaceWith(["ca.pem"], () =>
      oneError(
        { registries: [{ address: "r.lan", insecure: true, caFile: "ca.pem" }] },
        "registries[0].insecure",
        /excludes ca/,
      ),
    ));
  it("the same registry twice", () =>
    oneError({ registries: [{ address: "r.lan" }, { address: "r.lan" }] }, "registries[1].address", /needs its own/));
  it("no registry", () => oneError({ registries: [] }, "registries", /at least 1/));
  it("duplicate node names", () =>
    oneError(
      {
        nodes: [
          { name: "pi1", host: "192.168.1.21", hostKey: hostKey("1") },
          { name: "pi1", host: "192.168.1.22", hostKey: hostKey("2") },
        ],
      },
      "nodes[1].name",
      /needs its own/,
    ));
  it("a node's address with a user", () =>
    oneError(
      { nodes: [{ name: "pi1", host: "pi@192.168.1.21", hostKey: hostKey("1") }] },
      "nodes[0].host",
      /by their own/,
    ));
  it("a host key that is missing, or is none", () => {
    const nodes = [
      { name: "pi1", host: "192.168.1.21" },
      { name: "pi2", host: "192.168.1.22", hostKey: "ssh-ed25519 AAAA" },
    ];
    const found = inPlaceWith([], () => errorsOf({ ...sound, nodes }));
    assert.deepEqual(Object.keys(found), ["nodes[0].hostKey", "nodes[1].hostKey"]);
    assert.match(found["nodes[0].hostKey"]!, /ssh-keyscan -t ed25519 192\.168\.1\.21/);
  });
  it("tokens that stand in the stack file in plain", () => {
    const all = asText(Object.fromEntries(Object.entries(sound).map(([name, value]) => [`pi-runners:${name}`, value])));
    assert.throws(() => parseConfig(all, () => false), /pi-runners:tokens: holds secrets in plain text/);
  });
  it("an unknown way", () =>
    oneError(
      { runners: [{ name: "dood", way: "docker" }] },
      "runners[0].way",
      new RegExp(`one of ${ways.join(", ")}`),
    ));
  it("a setting that another executor has", () => {
    const found = errorsOf({
      ...sound,
      runners: [
        { name: "dood", way: "dood", replicas: 2 },
        { name: "pods", way: "kubernetes", dockerSocket: "/run/docker.sock", replics: 2 },
      ],
    });
    assert.match(found["runners[0].replicas"]!, /is for way kubernetes, .*not for dood/);
    assert.match(found["runners[1].dockerSocket"]!, /is for way dood, dind, .*not for kubernetes/);
    assert.match(found["runners[1].replics"]!, /did you mean replicas\?/);
  });
  it("a part of a setting that another executor has", () => {
    const found = errorsOf({
      ...sound,
      runners: [
        { name: "host", way: "shell", hosts: ["pi1"], prune: { image: "docker:cli", evry: 1 } },
        { name: "dood", way: "dood", prune: { image: "docker:cli", evry: 1 } },
      ],
    });
    assert.deepEqual(Object.keys(found), ["runners[0].prune.image", "runners[0].prune.evry", "runners[1].prune.evry"]);
    assert.match(found["runners[0].prune.image"]!, /is for way dood, dind, .*not for shell; drop it/);
    assert.match(found["runners[0].prune.evry"]!, /did you mean every\?/);
    assert.match(found["runners[1].prune.evry"]!, /did you mean every\?/);
  });
  it("a default that no runner of the stack can use", () =>
    oneError({ runnerDefaults: { replicas: 2 } }, "runnerDefaults.replicas", /no runner of this stack/));
  it("a default of prune in a stack that prunes nothing", () =>
    oneError(
      { runners: [{ name: "dood", way: "kubernetes" }], runnerDefaults: { prune: { every: 5 } } },
      "runnerDefaults.prune",
      /no runner of this stack/,
    ));
  it("duplicate runner names", () =>
    oneError(
      {
        runners: [
          { name: "dood", way: "dood" },
          { name: "dood", way: "dind" },
        ],
      },
      "runners[1].name",
      /needs its own/,
    ));
  it("DooD with privileged", () =>
    oneError(
      { runners: [{ name: "dood", way: "dood", config: { runners: [{ docker: { privileged: true } }] } }] },
      "runners[0].config.runners[0].docker.privileged",
      /choose way dind/,
    ));
  it("TLS off without asking for it", () =>
    oneError({ runners: [{ name: "dood", way: "dind-plain" }] }, "runners[0].allowTlsOff", /allowTlsOff: true/));
  it("an image for another architecture", () =>
    oneError(
      { runners: [{ name: "dood", way: "dood", architecture: "arm64", jobImage: "amd64/docker:cli" }] },
      "runners[0].jobImage",
      /exec format error/,
    ));
  it("a key of config.toml that does not exist", () =>
    oneError(
      { runners: [{ name: "dood", way: "dood", config: { runners: [{ docker: { memroy: "1g" } }] } }] },
      "runners[0].config.runners[0].docker.memroy",
      /did you mean memory\?/,
    ));
  it("a feature flag that does not exist", () =>
    oneError(
      { runners: [{ name: "dood", way: "dood", config: { runners: [{ feature_flags: { FF_USE_FASTZIPP: true } }] } }] },
      "runners[0].config.runners[0].feature_flags.FF_USE_FASTZIPP",
      /FF_USE_FASTZIP/,
    ));
  it("a setting that has its own place", () =>
    oneError(
      { runners: [{ name: "dood", way: "dood", config: { concurrent: 3 } }] },
      "runners[0].config.concurrent",
      /no such/,
    ));
  it("an unknown key, at the top and below", () => {
    const found = errorsOf({
      ...sound,
      runers: [],
      nodes: [{ name: "a", host: "b", hostKey: hostKey("1"), hostkey: "x" }],
    });
    assert.match(found["runers"]!, /did you mean runners\?/);
    assert.match(found["nodes[0].hostkey"]!, /did you mean hostKey\?/);
  });
  it("a key in a misspelt namespace", () => {
    const found = errorsOf(sound, { "pirunners:namespace": "ci" });
    assert.match(found["pirunners:namespace"]!, /write pi-runners:namespace/);
  });
  it("files that are not there", () => {
    const found = errorsOf({
      ...sound,
      kubeconfig: "~/no/kubeconfig",
      ssh: { privateKeyFile: "no-key", knownHostsFile: "no-hosts" },
      registries: [{ address: "r.lan", caFile: "no-ca" }],
    });
    assert.deepEqual(Object.keys(found).sort(), [
      "kubeconfig",
      "registries[0].caFile",
      "ssh.knownHostsFile",
      "ssh.privateKeyFile",
    ]);
  });
  it("names that are no DNS labels", () => {
    const found = errorsOf({
      ...sound,
      namespace: "CI_1",
      runners: [{ name: "Dood", way: "dood" }],
      tokens: { Dood: "glrt-aaaaaaaaaaaa" },
    });
    assert.deepEqual(Object.keys(found).sort(), ["namespace", "runners[0].name"]);
  });
  it("values of the wrong kind", () => {
    const found = errorsOf({ ...sound, gitlab: "https://gitlab.lan", trust: { batchSize: "many" } });
    assert.match(found["gitlab"]!, /must be an object/);
    assert.match(found["trust.batchSize"]!, /must be a number/);
  });
  it("nothing at all", () => {
    assert.deepEqual(Object.keys(errorsOf({})).sort(), ["gitlab", "registries", "runners"]);
  });

  it("is reported in one go, whatever else is wrong", () => {
    const found = errorsOf({
      gitlab: { url: "gitlab.lan" },
      registries: [{ address: "https://r.lan/x" }],
      nodes: [
        { name: "a", host: "h", hostKey: hostKey("1") },
        { name: "a", host: "i", hostKey: hostKey("1") },
      ],
      runnerDefaults: { size: "8GB" },
      runners: [{ name: "x", way: "dodo" }],
      namespce: "x",
    });
    assert.deepEqual(Object.keys(found).sort(), [
      "gitlab.url",
      "namespce",
      "nodes[1].name",
      "registries[0].address",
      "runners[0].way",
    ]);
  });
});

describe("a stack file", () => {
  const plain = (values: Values): Record<string, string> =>
    errorsOf({ ...sound, ...values }, {}, Object.fromEntries(Object.entries({ ...sound, ...values })));

  it("may call a runner constructor, or hasOwnProperty's like [8.31]", () => {
    const runners = [{ name: "constructor", way: "dood" }];
    assert.match(errorsOf({ ...sound, runners, tokens: {} })["tokens.constructor"]!, /has no token/);
    const config = read({ ...sound, runners, tokens: { constructor: "glrt-SeCrEtSeCrEt" } });
    assert.equal(config.runners[0]!.settings.name, "constructor");
  });

  it("may have two nodes with one private address behind different bastions [8.31]", () => {
    const node = (name: string, host: string): object => ({
      name,
      host: "10.0.0.2",
      hostKey: hostKey(name),
      bastion: { host, hostKey: hostKey(host) },
    });
    assert.deepEqual(errorsOf({ ...sound, nodes: [node("a", "b1"), node("b", "b2")] }), {});
    assert.deepEqual(Object.keys(errorsOf({ ...sound, nodes: [node("a", "b1"), node("b", "b1")] })), ["nodes[1].host"]);
  });

  it("gives its namespace longer than any runner may drain [8.28]", () => {
    assert.equal(read(sound).deleteTimeout, "70m");
    const runners = [{ name: "dood", way: "dood", drainTimeout: 86400 }];
    assert.equal(read({ ...sound, runners }).deleteTimeout, "1450m");
    const slow = [{ name: "dood", way: "dood", config: { shutdown_timeout: 7230 } }];
    assert.equal(read({ ...sound, runners: slow }).deleteTimeout, "190m");
  });

  it("merges a runner's requests and limits with everybody's [8.28]", () => {
    const runnerDefaults = { resources: { requests: { memory: "100Mi" }, limits: { cpu: "1" } } };
    const runners = [{ name: "dood", way: "dood", resources: { requests: { cpu: "60m" } } }];
    assert.deepEqual(dockerSettings(read({ ...sound, runnerDefaults, runners }))[0]!.resources, {
      requests: { memory: "100Mi", cpu: "60m" },
      limits: { cpu: "1" },
    });
  });

  it("refuses a host key that Pulumi's SSH client cannot check [8.28]", () => {
    const blob = Buffer.concat([Buffer.from("000000077373682d727361", "hex"), Buffer.alloc(32)]).toString("base64");
    oneError(
      { nodes: [{ name: "pi1", host: "192.168.1.21", hostKey: `ssh-rsa ${blob}` }] },
      "nodes[0].hostKey",
      /ssh_host_ed25519_key/,
    );
  });

  it("refuses an address in which a shell would find words of its own, as it stands in scripts", () => {
    oneError({ gitlab: { url: "https://gitlab.lan/$(id)" } }, "gitlab.url", /no address of a server has/);
    oneError({ gitlab: { url: 'https://gitlab.lan/"; id; "' } }, "gitlab.url", /no address of a server has/);
  });

  it("refuses a CA file that is no certificate [8.28]", () =>
    inPlaceWith(["id_ca"], () =>
      oneError({ gitlab: { url: "https://gitlab.lan", caFile: "id_ca" } }, "gitlab.caFile", /private key/),
    ));

  it("finds the one token that is plain beside an encrypted one [8.29]", () => {
    const tokens = { dood: "glrt-SeCrEt0123456789ab", dind: "glrt-SeCrEt0123456789cd" };
    const runners = [
      { name: "dood", way: "dood" },
      { name: "dind", way: "dind" },
    ];
    const file = { ...sound, runners, tokens: { ...tokens, dood: { secure: "v1:x" } } };
    const found = errorsOf({ ...sound, runners, tokens }, {}, file);
    assert.deepEqual(Object.keys(found), ["tokens.dind"]);
    assert.match(found["tokens.dind"]!, /plain text.*--secret 'tokens\.dind'/);
    const all = { ...file, tokens: { dood: { secure: "v1:x" }, dind: { secure: "v1:y" } } };
    assert.deepEqual(errorsOf({ ...sound, runners, tokens }, {}, all), {});
    assert.deepEqual(errorsOf({ ...sound, runners, tokens }, {}, { ...file, tokens: { secure: "v1:z" } }), {});
  });

  it("finds secrets wherever they may stand [8.29]", () => {
    const config = {
      runners: [
        {
          environment: [
            "API_TOKEN=SeCrEtSeCrEt",
            "SECRET_DETECTION_DISABLED=true",
            "GIT_AUTHOR_NAME=me",
            "PGPASSWORD=SeCrEt",
            "DB_PASS=SeCrEt",
            "MYSQL_PWD=SeCrEt",
          ],
          cache: {
            s3: { SecretKey: "SeCrEt", AccessKey: "me" },
            gcs: { PrivateKey: "SeCrEt" },
            azure: { AccountKey: "SeCrEt" },
          },
          docker: { services: [{ name: "db", environment: ["POSTGRES_PASSWORD=SeCrEt"] }] },
        },
      ],
    };
    const own = "runners[0].config.runners[0]";
    const found = plain({
      tokens: sound["tokens"],
      runners: [{ name: "dood", way: "dood", config }],
      ssh: { privateKey: "SeCrEt", bastion: { host: "b", hostKey: hostKey("b"), password: "SeCrEt" } },
    });
    assert.deepEqual(Object.keys(found).sort(), [
      `${own}.cache.azure.AccountKey`,
      `${own}.cache.gcs.PrivateKey`,
      `${own}.cache.s3.SecretKey`,
      `${own}.docker.services[0].environment[0]`,
      `${own}.environment[0]`,
      `${own}.environment[3]`,
      `${own}.environment[4]`,
      `${own}.environment[5]`,
      "ssh.bastion.password",
      "ssh.privateKey",
      "tokens.dood",
    ]);
    const env = [
      { name: "API_TOKEN", value: "SeCrEtSeCrEt" },
      { name: "TZ", value: "Europe/Berlin" },
      { name: "OTHER", value: "glpat-SeCrEt0123456789ab" },
      { name: "DB_PASSWORD", valueFrom: { secretKeyRef: { name: "db", key: "password" } } },
    ];
    const deployment = { spec: { template: { spec: { containers: [{ name: "runner", env }] } } } };
    assert.deepEqual(
      Object.keys(plain({ runners: [{ name: "dood", way: "kubernetes", deployment }] })).filter((path) =>
        path.includes("deployment"),
      ),
      [0, 2].map((index) => `runners[0].deployment.spec.template.spec.containers[0].env[${index}].value`),
    );
  });
});

describe("the stack files that come with the project", () => {
  const files = (config: Record<string, string>): string[] =>
    [
      ...JSON.stringify(config).matchAll(/[~\w./-]+(?:\.pem|\.yaml|kubeconfig|id_ed25519|known_hosts|gitlab-runner)/g),
    ].map(([file]) => file);

  const labRunners = ["Pulumi.dev.yaml", "Pulumi.ways.yaml"].flatMap(
    (file) => JSON.parse(configOf(join(project, file))["pi-runners:runners"]!) as { name: string; way: string }[],
  );

  for (const file of ["Pulumi.dev.yaml", "Pulumi.ways.yaml", "stacks/Pulumi.microk8s.yaml", "stacks/Pulumi.k3s.yaml"]) {
    it(`${file} is sound`, () => {
      const config = configOf(join(project, file));
      const runners = JSON.parse(config["pi-runners:runners"]!) as { name: string }[];
      const tokens = Object.fromEntries(runners.map(({ name }) => [name, `glrt-${name.padEnd(20, "x")}`]));
      const all = { ...config, "pi-runners:tokens": JSON.stringify(tokens) };
      const read = inPlaceWith([...new Set(files(config))], () => parseConfig(all));
      assert.deepEqual(
        read.runners.map(({ settings }) => settings.name),
        runners.map(({ name }) => name),
      );
      assert.deepEqual(read.warnings, []);
    });
  }

  it("are described key by key in Pulumi.yaml", () => {
    const { config } = parse(readFileSync(join(project, "Pulumi.yaml"), "utf8")) as { config: Record<string, unknown> };
    assert.deepEqual(Object.keys(config).sort(), Object.keys(stackSchema.shape).sort());
  });

  it("name the runners that the lab's stand-in for GitLab knows", () => {
    const known = JSON.parse(readFileSync(join(project, "lab/runners.json"), "utf8")) as { name: string }[];
    assert.deepEqual(labRunners.map(({ name }) => name).sort(), known.map(({ name }) => name).sort());
  });

  it("deploy every way on the lab", () => {
    assert.deepEqual(labRunners.map(({ way }) => way).sort(), [...ways].sort());
  });

  it("are told in the reference what each build mode is", () => {
    for (const { shape } of stackSchema.shape.runners.element.options) {
      const { description } = metaOf(shape.way);
      assert.deepEqual(
        ways.filter((way) => !description!.includes(`\`${way}\``)),
        [],
      );
    }
  });
});
