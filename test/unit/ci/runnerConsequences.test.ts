import assert from "node:assert/strict";
import { noteOf } from "../../../ci/report/note";
import type { Step } from "../../../ci/report/preview";
import { reportOf } from "../../../ci/report/report";
import { checkShellRunner } from "../../../components/runners/shell/errors";
import { startMark } from "../../../components/runners/shell/unit";
import { step, urn } from "./preview";

const shell = "pi-runners:index:ShellRunner";
const given = {
  name: "builder",
  way: "shell",
  url: "https://gitlab.lan",
  sha256: "0".repeat(64),
  binary: "https://a.lan/x",
};

/** For every setting of a runner on hosts that a stack file may change, another value. */
const others: Record<string, unknown> = {
  url: "https://gitlab.example",
  concurrent: 2,
  checkInterval: 9,
  metricsPort: 9300,
  drainTimeout: 60,
  binary: "https://b.lan/x",
  sha256: "1".repeat(64),
  user: "ci",
  docker: true,
  prune: { every: 30 },
};

/** What a preview has when settings of a runner on a host change: the host's own are blinded. */
function shellSteps(op: string, before: object | undefined, after: object | undefined): Step[] {
  const host = step(
    op,
    `${shell}$command:remote:Command`,
    "builder-pi1",
    before && { stdin: "[secret]" },
    after && { stdin: "[secret]" },
  );
  for (const state of [host.oldState, host.newState]) {
    Object.assign(state ?? {}, { parent: urn(shell, "builder") });
  }
  return [step(op, shell, "builder", before && { ...before }, after && { ...after }), host];
}

const said = (steps: Step[]): string[] =>
  reportOf("home", { steps }).consequences.map(({ kind, warn, text }) => `${kind}${warn ? "!" : ""} ${text}`);

describe("what a report says of a runner on hosts", () => {
  for (const [key, value] of Object.entries(others)) {
    it(`is what its host does about it: ${key}`, () => {
      const different = { ...given, [key]: value };
      const [before, after] = [given, different].map((one) => startMark(checkShellRunner(one).settings!));
      const [line = ""] = said(shellSteps("update", given, different));
      assert.match(
        line,
        before === after ? /^reload the service of runner `builder`.*jobs go on$/ : /^roll! .*restarts, once its jobs/,
      );
    });
  }

  for (const [from, to] of [
    ["a binary", "the package"],
    ["the package", "a binary"],
  ]) {
    it(`is that it restarts when it turns from ${from} to ${to}`, () => {
      const { sha256: _sha256, ...ofFile } = { ...given, binary: "./gitlab-runner" };
      const { binary: _binary, ...ofPackage } = ofFile;
      const [before, after] = from === "a binary" ? [ofFile, ofPackage] : [ofPackage, ofFile];
      assert.match(said(shellSteps("update", before, after))[0]!, /^roll! .*restarts, once its jobs/);
    });
  }

  it("is that it may restart where something may be another one that a preview does not see", () => {
    const { binary: _binary, sha256: _sha256, ...ofPackage } = given;
    const steps = (more: object): Step[] =>
      shellSteps("update", { ...ofPackage, ...more, concurrent: 1 }, { ...ofPackage, ...more, concurrent: 2 });
    const proxy = { https: "http://proxy.lan:3128" }; // the component does not show the login
    assert.match(said(steps({ proxy }))[0]!, /jobs go on; where `proxy` has another login, it restarts once its jobs/);
    assert.match(said(steps({}))[0]!, /jobs go on$/);
    const [, host] = steps({ proxy }); // nothing that the component shows
    assert.match(
      said([host!])[0]!,
      /jobs go on; where `binary` is another file or `proxy` has another login, it restarts/,
    );
  });

  it("is that it comes, and that it goes after its jobs", () => {
    assert.match(
      said(shellSteps("create", undefined, given))[0]!,
      /^start runner `builder` is installed .* host `pi1`/,
    );
    assert.match(
      said(shellSteps("delete", given, undefined))[0]!,
      /^stop! runner `builder` goes from host `pi1`.*once its jobs/,
    );
  });

  it("is apart from what trust found on the same node", () => {
    const message = (type: string, name: string, text: string): object => ({
      urn: urn(type, name),
      severity: "info",
      message: text,
    });
    const diagnostics = [
      message("pi-runners:index:RegistryTrust", "registries", "node pi1: as the stack wants it"),
      message(shell, "builder", "node pi1: differs\n  ~ /etc/pi-runners/builder/config.toml"),
      message(shell, "builder", "node pi2: as the stack wants it"),
    ];
    const note = noteOf(reportOf("home", { diagnostics }));
    assert.match(note, /outside of this program[^]*@ pi1, runner builder\n~ \/etc\/pi-runners\/builder\/config\.toml/);
    assert.match(note, /1 of 2 nodes are as the stack wants them/);
  });
});

describe("what a report says of runners in GitLab", () => {
  const type = (name: string): string => `pi-runners:index:RunnerToken$pulumi-nodejs:dynamic/pi-runners:${name}`;

  it("is which are deleted or unregistered there, on top, and which stay", () => {
    const steps = [
      step("delete", type("GitlabRunner"), "created", {}),
      step("delete", type("GitlabRunner"), "taken", { adopt: 7 }),
      step("delete", type("RegisteredRunner"), "legacy", {}),
      step("create", type("GitlabRunner"), "new", undefined, {}),
      step("update", type("GitlabToken"), "rotated", {}, {}),
    ];
    assert.deepEqual(said(steps), [
      "unregister! runner `created` is deleted in GitLab, once its jobs have ended",
      "unregister runner `taken` stays in GitLab, as it was there before this stack",
      "unregister! runner `legacy` is unregistered in GitLab",
      "register runner `new` is created in GitLab, or taken over there",
      "reload runner `rotated` gets a new token from GitLab; jobs go on",
    ]);
  });
});

describe("what a report says of layers that builds in pods keep", () => {
  const pods = "pi-runners:index:KubernetesRunner";
  const cleanup = "pi-runners:index:LayersCleanup";

  function inComponent(type: string, one: Step): Step {
    for (const state of [one.oldState, one.newState]) {
      Object.assign(state ?? {}, { parent: urn(type, "pods") });
    }
    return one;
  }
  const guard = (op: string, before?: Record<string, unknown>, after?: Record<string, unknown>): Step =>
    inComponent(pods, step(op, `${pods}$kubernetes:apps/v1:DaemonSet`, "pods-layers", before, after));
  const removed = (op: string): Step =>
    inComponent(
      cleanup,
      step(
        op,
        `${cleanup}$command:remote:Command`,
        "pods-layers-pi1",
        { delete: "a" },
        op === "delete" ? undefined : { delete: "b" },
      ),
    );

  it("is that they go, and nothing of a manager that starts or stops", () => {
    assert.deepEqual(said([guard("create", undefined, { spec: {} })]), []);
    assert.deepEqual(said([guard("update", { spec: { template: 1 } }, { spec: { template: 2 } })]), []);
    assert.deepEqual(said([guard("delete", { spec: {} }), removed("delete")]), [
      "delete! the layers that builds of runner `pods` kept on node `pi1` are removed there, after the builds that have them",
    ]);
    assert.match(said([removed("replace")]).join(), /^delete! the layers that builds of runner `pods` kept/);
    assert.deepEqual(said([removed("update")]), []);
  });
});
