import assert from "node:assert/strict";
import { driftTitle, hasDrift } from "../../../ci/driftIssue";
import { noteOf } from "../../../ci/report/note";
import { readPreview, type Preview } from "../../../ci/report/preview";
import { reportOf, terraformReport, type Report } from "../../../ci/report/report";
import { environmentSecrets, longestFirst, secretTexts, without, withoutSecrets } from "../../../ci/report/secrets";
import { codeQuality } from "../../../ci/report/stackFileErrors";
import { described } from "../../../components/registryTrust/look";
import { podTemplate, secretFiles } from "../../../components/runners/docker/pod";
import type { DockerRunnerInput } from "../../../components/runners/docker/settings";
import { otherValues, settingsOf } from "../runners/settings";
import { runnerPreview, step, trustPreview } from "./preview";

const report = (preview: Preview): Report => reportOf("home", preview);
const kinds = (preview: Preview): string[] => report(preview).consequences.map(({ kind }) => kind);

describe("what a preview's report counts", () => {
  it("is one for each resource: the halves of a replacement are not counted beside the whole", () => {
    const type = "kubernetes:core/v1:ConfigMap";
    const steps = ["create-replacement", "replace", "delete-replaced"].map((op) => step(op, type, "files", {}, {}));
    const found = report({ steps: [...steps, step("same", type, "other", {}, {})] });
    assert.deepEqual(found.counts, { create: 0, update: 0, replace: 1, delete: 0 });
    // GitLab's widget knows no replacement.
    assert.deepEqual(terraformReport(found), { create: 1, update: 0, delete: 1 });
  });

  it("is nothing when nothing changes", () => {
    const found = report({ steps: [step("same", "pi-runners:index:DoodRunner", "dood", {}, {})] });
    assert.equal(found.result, "none");
    assert.match(noteOf(found), /### Preview of `home`: no changes/);
  });
});

describe("what a report says of a setting that changes", () => {
  it("is the setting, before and after", () => {
    assert.match(noteOf(report(runnerPreview({ concurrent: 2 }))), /^~ {5}concurrent: 1 => 2$/m);
  });

  for (const key of Object.keys(otherValues) as (keyof DockerRunnerInput)[]) {
    it(`is what it does: ${key}`, () => {
      const different = { [key]: otherValues[key] };
      const [before, after] = [settingsOf("dind"), settingsOf("dind", different)];
      const differs = (make: (settings: typeof before) => unknown): boolean =>
        JSON.stringify(make(before)) !== JSON.stringify(make(after));
      const rolls = differs(podTemplate);
      const reloads = differs((settings) => secretFiles(settings, "token"));
      assert.deepEqual(kinds(runnerPreview(different)), rolls ? ["roll"] : reloads ? ["reload"] : []);
    });
  }

  it("is on top when it lets pods wait for their jobs, with how long that may take", () => {
    const note = noteOf(report(runnerPreview({ image: "gitlab/gitlab-runner:v19.3.0", drainTimeout: 60 })));
    assert.match(
      note,
      /Look at this first\*\*\n\n- :warning: the pods of runner `builder` are replaced one node at a time.*at most 105 s/,
    );
  });

  it("is that a secret changed, and not what it is", () => {
    assert.match(noteOf(report(runnerPreview({ concurrent: 2 }))), /data\["config.toml"\]: changed \(secret\)/);
  });
});

describe("what a report says of the mirror", () => {
  const type = "pi-runners:index:RegistryMirror";
  const deployment = `${type}$kubernetes:apps/v1:Deployment`;
  const spec = (image: string): object => ({ spec: { template: { spec: { containers: [{ image }] } } } });
  const [old, now] = [{ ...spec("registry:3.0") }, { ...spec("registry:3.1") }];
  const told = (...steps: Preview["steps"] & object): string[] =>
    report({ steps }).consequences.map(({ kind, text, warn }) => `${kind} ${warn}: ${text}`);

  it("is not what is said of a runner: no job waits for it, as Docker Hub is asked without it", () => {
    const mirror = "mirror `mirror` of Docker Hub";
    assert.deepEqual(told(step("create", type, "mirror"), step("create", deployment, "mirror", undefined, now)), [
      `start false: ${mirror} is new; until it answers, Docker Hub itself is asked`,
    ]);
    assert.deepEqual(told(step("delete", deployment, "mirror", old)), [
      `stop false: ${mirror} goes; Docker Hub itself is asked from then on`,
    ]);
    assert.deepEqual(told(step("update", deployment, "mirror", old, now)), [
      `roll false: the pod of ${mirror} is replaced; while it is away, Docker Hub itself is asked`,
    ]);
    const metadata = { ...now, metadata: { labels: { of: "somebody" } } };
    assert.deepEqual(told(step("update", deployment, "mirror", now, metadata)), []);
  });
});

describe("what a report says of nodes", () => {
  const plain = { address: "registry.lan:5000", insecure: true };

  it("is which registry comes, not that the node's stdin is another one", () => {
    const note = noteOf(report(trustPreview({}, { registries: [plain] })));
    assert.match(
      note,
      /\+ +settings\.registries\["registry\.lan:5000"\]: \{"address":"registry\.lan:5000","insecure":true\}/,
    );
    assert.doesNotMatch(note, /stdin|IFS=/);
    assert.match(
      note,
      /registry trust is applied on node `node1`; engines are reloaded where that is needed, never restarted/,
    );
  });

  it("is whether engines may be restarted", () => {
    const before = { allowRestart: true };
    const note = noteOf(report(trustPreview(before, { ...before, registries: [plain] })));
    assert.match(note, /node `node1`; an engine may be restarted where a reload is not enough \(`allowRestart`\)/);
  });

  it("is what each found on itself: a restart on top, and whether it is allowed; who is silent as well", () => {
    const look = (how: "reload" | "restart") =>
      JSON.stringify({
        engines: [{ engine: "k3s", how, differs: ["~ /etc/rancher/k3s/registries.yaml"] }],
        warnings: [],
      });
    const said = (message: string, severity = "info") => ({ message: `${message}\n`, severity });
    const found = report({
      diagnostics: [
        said(described("a", JSON.stringify({ engines: [], warnings: [] }), false)),
        said(described("b", look("reload"), false)),
        said(described("c", look("restart"), true)),
        said(described("d", look("restart"), false)),
        said("warning: node e (192.0.2.1) could not be looked at: no answer within 20 s\nCheck the node.", "warning"),
      ],
    });
    assert.deepEqual(
      found.consequences.map(({ kind, subject, warn }) => `${kind} ${subject} ${warn}`),
      ["reload b false", "restart c true", "refused d true"],
    );
    const note = noteOf(found);
    assert.match(note, /:warning: node e \\?\(192\.0\.2\.1\\?\) could not be looked at/);
    assert.match(note, /Changed on the nodes, outside of this program[^]*@ b\n~ k3s: /);
    assert.match(note, /1 of 5 nodes are as the stack wants them/);
  });
});

describe("errors of a stack file", () => {
  const text = [
    "config:",
    "  pi-runners:namespace: ci",
    "  pi-runners:runners:",
    "    - name: dood",
    "      way: doof",
    "    - name: second",
  ].join("\n");
  const file = { name: "Pulumi.home.yaml", text };
  const message =
    "error: The configuration of this stack has 3 errors; nothing was touched.\n" +
    "  pi-runners:runners[0].way: must be one of dood, dind\n" +
    "  pi-runners:runners[1].way: is missing\n  pi-runners:gitlab: is missing\n" +
    "docs/reference/configuration.md describes every key.";

  it("have the line of their key or, where it is missing, of where it would be; GitLab shows them there", () => {
    const failed = reportOf("home", { diagnostics: [{ severity: "error", message }] }, "error: failed", file);
    assert.deepEqual(
      failed.errors.map(({ key, line }) => [key, line]),
      [
        ["pi-runners:runners[0].way", 5],
        ["pi-runners:runners[1].way", 6],
        ["pi-runners:gitlab", 2],
      ],
    );
    assert.equal(failed.result, "error");
    assert.match(noteOf(failed), /`Pulumi\.home\.yaml:5` `pi-runners:runners\[0\]\.way`: must be one of dood, dind/);
    const [finding] = codeQuality(failed.errors);
    assert.deepEqual(finding!.location, { path: "Pulumi.home.yaml", lines: { begin: 5 } });
  });

  it("are told when Pulumi gives no JSON at all, with the line where YAML ends to be YAML", () => {
    const failure = "error: getting stack configuration: invalid YAML file: yaml: line 3: did not find expected node";
    assert.deepEqual(reportOf("home", {}, failure, file).errors, [
      { reason: failure.replace("error: ", ""), file: "Pulumi.home.yaml", line: 3 },
    ]);
  });
});

describe("a preview that looks for drift", () => {
  const type = "pi-runners:index:RunnerNamespace$kubernetes:core/v1:ResourceQuota";
  const quota = (jobs: string): object => ({ spec: { hard: { jobs } } });
  const component = step("update", "pi-runners:index:DoodRunner", "dood", { concurrent: 1 }, { concurrent: 2 });

  it("tells what somebody has changed apart from what the update does, and counts it once", () => {
    const steps = [
      step("refresh", "kubernetes:core/v1:Namespace", "place", {}, {}),
      step("update", type, "place-quota", { ...quota("5") }, { ...quota("9") }),
      component,
      step("update", type, "place-quota", { ...quota("9") }, { ...quota("5") }),
    ];
    const told = report({ steps });
    assert.deepEqual(told.counts, { create: 0, update: 2, replace: 0, delete: 0 });
    assert.deepEqual(
      told.found.map(({ name, differences }) => ({ name, differences })),
      [{ name: "place-quota", differences: [{ path: "spec.hard.jobs", before: "5", after: "9" }] }],
    );
    const [, found] = noteOf(told).split("outside of this program**");
    assert.match(found!, /^\n\n```diff\n@ changed: ResourceQuota place-quota\n.*spec\.hard\.jobs: 5 => 9\n```/);
  });

  it("tells as somebody's, and as drift, what the stack file says by now, too", () => {
    const steps = [
      step("refresh", "kubernetes:core/v1:Namespace", "place", {}, {}),
      step("same", "kubernetes:core/v1:Namespace", "place", {}, {}),
      step("update", type, "place-quota", { ...quota("5") }, { ...quota("9") }),
      step("same", type, "place-quota", { ...quota("9") }, { ...quota("9") }),
    ];
    const told = report({ steps });
    assert.deepEqual([told.result, told.found.map(({ name }) => name)], ["none", ["place-quota"]]);
    assert.match(noteOf(told), /no changes, 1 changed outside of the program\n[^]*spec\.hard\.jobs: 5 => 9/);
    assert.equal(hasDrift(told), true);
    assert.equal(driftTitle(told), "Drift of home: 1 changed outside of the program");
    const [namespace, same] = steps;
    assert.equal(hasDrift(report({ steps: [namespace!, same!] })), false);
  });

  it("tells it, too, where Pulumi's look says nothing of it: another setting, what is gone, a secret", () => {
    const secret = "pi-runners:index:DoodRunner$kubernetes:core/v1:Secret";
    const [set, gone, blind] = ["place-quota", "place-limits", "dood-config"];
    const steps = [
      step("refresh", type, set, { ...quota("5") }, { ...quota("5") }),
      step("update", type, set, { ...quota("9") }, { ...quota("5") }),
      step("refresh", type, gone, { ...quota("5") }, { ...quota("5") }),
      step("create", type, gone, undefined, { ...quota("5") }),
      step("refresh", secret, blind, { data: "[secret]" }, { data: "[secret]" }),
      {
        ...step("update", secret, blind, { data: "[secret]" }, { data: "[secret]" }),
        detailedDiff: { 'data["config.toml"]': { kind: "update", inputDiff: true } },
      },
    ];
    const told = ({ found }: Report): string[] => found.map(({ operation, name }) => `${operation} ${name}`);
    assert.deepEqual(told(report({ steps })), [`update ${set}`, `delete ${gone}`, `update ${blind}`]);
    // The program's own change of a secret is nobody else's.
    assert.deepEqual(told(report({ steps: [...steps, component] })), [`update ${set}`, `delete ${gone}`]);
  });

  it("takes nobody's change for one that somebody made: a provider may act by the clock", () => {
    const steps = [
      step("refresh", "kubernetes:core/v1:Namespace", "place", {}, {}),
      step("update", type, "place-quota", { ...quota("5") }, { ...quota("5") }),
      step("replace", type, "place-quota", { ...quota("5") }, { ...quota("5") }),
    ];
    const told = report({ steps });
    assert.deepEqual([told.found, told.counts.replace], [[], 1]);
  });

  it("finds a change of the program in every other preview, though a resource has several steps", () => {
    const steps = ["create-replacement", "replace", "delete-replaced"].map((op) => step(op, type, "q", {}, {}));
    assert.deepEqual(report({ steps }).found, []);
    assert.equal(report({ steps: [component, ...steps] }).changes.length, 2);
  });
});

describe("secrets of the stack file", () => {
  it("are found wherever they are encrypted, and taken out of every text", () => {
    const file = {
      "pi-runners:tokens": { dood: { secure: "v1:x" } },
      "pi-runners:runners": [{ name: "dood", config: { runners: [{ environment: [{ secure: "v1:y" }, "A=plain"] }] } }],
      namespace: { secure: "v1:z" },
    };
    const objects = {
      "pi-runners:tokens": { dood: "glrt-marked-token" },
      "pi-runners:runners": [{ name: "dood", config: { runners: [{ environment: ["B=marked\nlines", "A=plain"] }] } }],
    };
    const decrypted = {
      ...Object.fromEntries(Object.entries(objects).map(([key, objectValue]) => [key, { objectValue, secret: true }])),
      "pi-runners:namespace": { value: "marked-namespace", secret: true },
      "pi-runners:context": { value: "not-marked" },
    };
    const secrets = secretTexts(file, decrypted);
    assert.deepEqual(secrets, [
      "glrt-marked-token",
      "marked-namespace",
      "B=marked\\nlines",
      "B=marked\nlines",
      "B=marked",
    ]);
    assert.deepEqual(without(secrets, { "a glrt-marked-token": ["x B=marked", 1, null] }), {
      "a [secret]": ["x [secret]", 1, null],
    });
  });

  it("are found in a key that was set as JSON, and in one that the stack file does not have", () => {
    const value = JSON.stringify([{ name: "dood", config: { log_level: "marked one" } }]);
    for (const file of [{ "pi-runners:runners": { secure: "v1:x" } }, {}]) {
      const secrets = secretTexts(file, { "pi-runners:runners": { value, secret: true } });
      assert.ok(secrets.includes("marked one"), secrets.join("; "));
    }
  });

  it("are taken out of errors, too, where a variable of the job holds them", () => {
    const env = {
      PULUMI_BACKEND_URL: "postgres://pi:S3cret%40Db@10.0.0.5:5432/pulumi",
      PULUMI_CONFIG_PASSPHRASE: "marked passphrase",
      AWS_SECRET_ACCESS_KEY: "marked/key+of-s3",
      https_proxy: "http://user:marked-proxy@proxy.lan:3128",
      CI_PROJECT_DIR: "/builds/group/project",
      PULUMI_SKIP_UPDATE_CHECK: "true",
    };
    const said = [
      "unable to open bucket postgres://pi:S3cret%40Db@10.0.0.5:5432/pulumi: failed to ping: S3cret@Db is wrong, S3cret%40Db",
      "proxyconnect marked-proxy; marked/key+of-s3; marked passphrase; /builds/group/project true http://proxy.lan:3128",
    ];
    assert.deepEqual(without(environmentSecrets(env), said), [
      "unable to open bucket [secret]: failed to ping: [secret] is wrong, [secret]",
      "proxyconnect [secret]; [secret]; [secret]; /builds/group/project true http://proxy.lan:3128",
    ]);
    const nothing = {
      PULUMI_BACKEND_URL: "s3://state?region=eu",
      HOME: "/root",
      PWD: process.cwd(),
      PI_RUNNERS_SSH_KEY: "/builds/a.tmp/PI_RUNNERS_SSH_KEY",
      GOOGLE_APPLICATION_CREDENTIALS: __filename,
      CACHE_FALLBACK_KEY: "default",
      CI_COMMIT_MESSAGE: "see https://wiki.lan:8443/x by @bob",
      ORIGIN: "ssh://builder@git.lan/x",
    };
    assert.deepEqual(environmentSecrets(nothing), []);
  });

  for (const [address, said, shown] of [
    [
      "postgres://u:S3cretPart/restOfIt@h:5432/p",
      'parse "postgres://u:S3cretPart/restOfIt@h:5432/p": invalid port ":S3cretPart" after host',
      'parse "[secret]": invalid port ":[secret]" after host',
    ],
    ["postgres://admin@srv:S3cretPw@srv.lan:5432/p", "S3cretPw is wrong", "[secret] is wrong"],
    ["postgres://u:S3cretPw@h:5432/p?application_name=a@b", "S3cretPw is wrong", "[secret] is wrong"],
    ["postgres://h/p?user=u&password=S3cretPw", "S3cretPw is wrong", "[secret] is wrong"],
    [" https://a:S3cret-1@c,https://d:S3cret-2@e", "S3cret-1, S3cret-2", "[secret], [secret]"],
    ["https://glpat-marked-token@git.lan/x", "glpat-marked-token at git.lan", "[secret] at git.lan"],
  ] as const) {
    it(`are found in an address: ${address}`, () => {
      assert.equal(without(environmentSecrets({ ADDRESS: address }), said), shown);
    });
  }

  it("leave nothing of a longer one that they are part of, whichever was found first", () => {
    const [short, long] = [["marked"], environmentSecrets({ DB_PASS: "marked-and-longer" })];
    assert.equal(without(longestFirst([...short, ...long]), "is marked-and-longer, marked"), "is [secret], [secret]");
  });

  it("are found by the names of variables", () => {
    const names = ["DB_PASS", "PGPASSWORD", "AZURE_STORAGE_KEY", "DEPLOY_TOKEN_PROD", "GITLAB_PAT", "API_KEY"];
    for (const name of names) {
      assert.deepEqual(environmentSecrets({ [name]: "marked" }), ["marked"], name);
    }
    const auth = JSON.stringify({ auths: { "registry.lan": { auth: "bWFya2Vk" } } });
    assert.ok(environmentSecrets({ DOCKER_AUTH_CONFIG: auth }).includes("bWFya2Vk"));
  });

  it("change nothing of what came out, whatever word somebody took for a password", () => {
    const before = reportOf("home", runnerPreview({ concurrent: 4, drainTimeout: 100 }));
    const after = withoutSecrets(["update", "changes", "reload", "DindRunner", "concurrent"], before);
    assert.equal(after.result, "changes");
    assert.deepEqual(after.counts, before.counts);
    assert.deepEqual(
      after.changes.map(({ operation, type }) => [operation, type]),
      before.changes.map(({ operation, type }) => [operation, type]),
    );
    assert.deepEqual(
      after.consequences.map(({ kind }) => kind),
      before.consequences.map(({ kind }) => kind),
    );
    assert.doesNotMatch(JSON.stringify(after.changes.map(({ differences }) => differences)), /concurrent/);
  });
});

describe("a preview of which nobody can read what would change", () => {
  it("has failed, and is not one without changes", () => {
    for (const stdout of ["", "no json", '{"sequence":1}\n{"sequence":2}\n', "{}"]) {
      const { preview, failure } = readPreview({ code: 0, stdout, stderr: "warning: w" });
      assert.equal(reportOf("home", preview, failure).result, "error", stdout);
    }
    assert.deepEqual(readPreview({ code: 0, stdout: 'x\n{"steps":[]}', stderr: "" }), { preview: { steps: [] } });
    assert.equal(readPreview({ code: 255, stdout: "", stderr: "warning: w\nerror: e" }).failure, "error: e");
  });
});
