import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { orphansScript } from "../../../components/runners/kubernetes/orphans";
import { temporaryFolder } from "../../temporaryFolder";
import { command, run, shells } from "./shell";

const script = orphansScript({ namespace: "ci", name: "pods" });

/** What the API server answers, as it does to a list of metadata. */
const listOf = (...names: string[]): string =>
  JSON.stringify({
    kind: "PartialObjectMetadataList",
    metadata: { resourceVersion: "7" },
    items: names.map((name) => ({ metadata: { name, namespace: "ci", labels: { "x/name": "no-pod" } } })),
  });

interface Answers {
  managers: string | undefined;
  jobs: string;
}

/** Runs the script with a curl that answers so, and writes its arguments down. */
function start(shell: string[], { managers, jobs }: Answers): { status: number; output: string; calls: string[] } {
  const folder = temporaryFolder();
  const file = join(folder, "calls");
  const answer = managers === undefined ? "exit 22" : `echo '${managers}'`;
  command(
    folder,
    "curl",
    `cat >/dev/null; echo "$*" >>${file}; case "$*" in *instance*) ${answer};; *jobs-of*) echo '${jobs}';; esac`,
  );
  const env = { PATH: `${folder}:/usr/bin:/bin`, POD_NAME: "me", KUBERNETES_SERVICE_HOST: "10.0.0.1" };
  const ended = run(shell, `set -u\n${script}\necho the manager starts`, env);
  return { ...ended, calls: existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [] };
}

const removed = (calls: string[]): string[] =>
  calls.filter((call) => call.includes("DELETE")).map((call) => /\/namespaces\/ci\/pods\/(.*)$/.exec(call)![1]!);

for (const shell of shells) {
  describe(`what a manager does about the pods of a killed one, in ${shell.join(" ")}`, () => {
    it("removes them where it is the only manager, and nothing else", () => {
      const { status, output, calls } = start(shell, { managers: listOf("me"), jobs: listOf("job-1", "job-2") });
      assert.equal(status, 0, output);
      assert.deepEqual(removed(calls), ["job-1", "job-2"]);
      assert.match(output, /removes job-1[\s\S]*the manager starts/);
      assert.ok(calls.some((call) => call.includes("labelSelector=pi-runners%2Fjobs-of%3Dpods")));
    });

    it("counts no manager that was evicted, whose pod stays behind as one that has failed", () => {
      const { calls } = start(shell, { managers: listOf("me"), jobs: listOf() });
      const asked = decodeURIComponent(calls.find((call) => call.includes("instance"))!);
      assert.match(asked, /&fieldSelector=status\.phase!=Failed,status\.phase!=Succeeded$/);
    });

    it("leaves them to another manager, whose jobs they may be", () => {
      const { calls, output } = start(shell, { managers: listOf("me", "another"), jobs: listOf("job-1") });
      assert.deepEqual(removed(calls), []);
      assert.match(output, /the manager starts/);
    });

    it("removes nothing and starts all the same when the API server does not answer", () => {
      const { status, calls, output } = start(shell, { managers: undefined, jobs: listOf("job-1") });
      assert.equal(status, 0);
      assert.deepEqual(removed(calls), []);
      assert.match(output, /the manager starts/);
    });
  });
}
