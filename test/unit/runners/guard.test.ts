import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { guardScript } from "../../../components/runners/docker/guardScript";
import { podTemplate } from "../../../components/runners/docker/pod";
import { systemId } from "../../../components/runners/identity";
import { settingsOf } from "./settings";
import { command } from "./shell";
import { temporaryFolder } from "../../temporaryFolder";

interface Round {
  asked: string[];
  root: string;
}

const day = 86_400;

/** Images that Docker calls dangling, as its client prints them: two without a name, and an old one that was pulled by digest. */
const made = (days: number): string =>
  `${new Date(Date.now() - days * day * 1000).toISOString().slice(0, 19).replace("T", " ")} +0000 UTC`;
const nameless = [
  `<none> ${made(9)} sha256:old`,
  `<none> ${made(3)} sha256:young`,
  `<none> ${made(0.1)} sha256:new`,
  `registry.lan/pinned ${made(400)} sha256:pinned`,
  "",
].join("\\n");

/**
 * One look of the guard, with a Docker that only writes down what it is asked. It has two volumes without a container, one
 * that was used just now and one that was not for ten days, an image that was used when it is said, and one that is new.
 *
 * @param seen days since the image was used
 */
async function round(own: boolean, used: number, jobs = "", seen = 10): Promise<Round> {
  const root = temporaryFolder();
  const bin = join(root, "bin");
  mkdirSync(bin);
  mkdirSync(join(root, "node/used"), { recursive: true });
  writeFileSync(join(root, "node/used/runner-fresh"), "");
  writeFileSync(join(root, "node/used/runner-stale"), "");
  const old = Date.now() / 1000 - 10 * day;
  utimesSync(join(root, "node/used/runner-stale"), old, old);
  writeFileSync(join(root, "node/used/image-1"), "");
  utimesSync(join(root, "node/used/image-1"), old, Date.now() / 1000 - seen * day);
  command(bin, "df", `printf 'Filesystem Size\\n/dev/x 100 ${used} 50 ${used}%% /\\n'`);
  command(
    bin,
    "docker",
    `echo "$*" >>${root}/asked
    case "$*" in
      events*) exec sleep 30 ;;
      "volume ls"*) printf 'runner-fresh\\nrunner-stale\\nrunner-unseen\\n' ;;
      ps*) printf '${jobs}' ;;
      "image ls --no-trunc --filter dangling=true"*) printf '${nameless}' ;;
      "image ls"*) echo sha256:1; echo sha256:2 ;;
      *RepoTags*sha256:1) echo registry.lan/old:1 ;;
      *RepoTags*) echo registry.lan/new:1 ;;
    esac`,
  );
  const script = guardScript(own).replaceAll("/node", join(root, "node"));
  const env = { PRUNE_EVERY: "1", PRUNE_OLDER: "168", PRUNE_FREE: "15", PRUNE_DISK: "/" };
  const names = { NODE_NAME: "pi-1", RUNNER_POOL: "ci/builder" };
  const shell = spawn("sh", ["-c", script], {
    env: { ...env, ...names, TZ: "UTC", PATH: `${bin}:${process.env["PATH"]!}` },
    detached: true,
    stdio: "ignore",
  });
  const asked = (): string[] =>
    existsSync(join(root, "asked")) ? readFileSync(join(root, "asked"), "utf8").trim().split("\n") : [];
  // The second look has begun: the first is complete.
  const looks = (): number => asked().filter((line) => line.startsWith("container prune")).length;
  for (const deadline = Date.now() + 20_000; looks() < 2; await new Promise((done) => setTimeout(done, 50))) {
    assert.ok(Date.now() < deadline, "two looks within 20 s");
  }
  process.kill(-shell.pid!, "SIGKILL");
  const all = asked();
  const second = all.map((line) => line.startsWith("container prune")).lastIndexOf(true);
  return { asked: all.slice(0, second), root };
}

const ours = `label=com.gitlab.gitlab-runner.runner.system_id=${systemId("pi-1", "ci/builder")}`;

describe("the guard of the disk", function () {
  this.timeout(30_000);

  it("removes on the node's Docker only what is this runner's, or has no name, and was unused for a week", async () => {
    const { asked } = await round(false, 50);
    const removals = asked.filter((line) => / (prune|rm) /.test(line));
    assert.deepEqual(removals, [
      `container prune --force --filter ${ours} --filter until=168h`,
      `network prune --force --filter ${ours} --filter until=168h`,
      "image rm sha256:old",
      "builder prune --all --force --filter until=168h",
      "volume rm runner-stale",
    ]);
    assert.ok(asked.includes(`volume ls --quiet --filter ${ours} --filter dangling=true`));
  });

  it("takes what was unused for a day when the disk is nearly full, and no image with a name even then", async () => {
    const { asked, root } = await round(false, 90);
    assert.ok(asked.includes("builder prune --all --force --filter until=24h"));
    assert.deepEqual(
      asked.filter((line) => line.startsWith("image rm")),
      ["image rm sha256:old", "image rm sha256:young"],
    );
    assert.ok(existsSync(join(root, "node/used/runner-unseen")), "whose use nobody saw counts as used now");
  });

  it("removes images by name in the runner's own engine, when the disk is nearly full and no job runs", async () => {
    const { asked } = await round(true, 90);
    assert.deepEqual(
      asked.filter((line) => line.startsWith("image rm registry")),
      ["image rm registry.lan/old:1"],
    );
    assert.ok(
      !(await round(true, 90, "", 0.5)).asked.some((line) => line.startsWith("image rm registry")),
      "used today",
    );
    assert.ok(!(await round(true, 90, "a-job")).asked.some((line) => line.startsWith("image rm registry")));
    assert.ok(!(await round(true, 50)).asked.some((line) => line.startsWith("image rm registry")));
  });

  it("is there unless it is switched off", () => {
    const names = (prune?: object): string[] =>
      (podTemplate(settingsOf("dood", { prune })) as { spec: { containers: { name: string }[] } }).spec.containers.map(
        ({ name }) => name,
      );
    assert.deepEqual(names(), ["runner", "guard"]);
    assert.deepEqual(names({ enabled: false }), ["runner"]);
  });

  it("has a home that it may write to: without one, docker builder prune removes nothing", () => {
    interface Guard {
      env: { name: string; value?: string }[];
      volumeMounts: { mountPath: string; readOnly?: boolean }[];
    }
    const { containers } = (podTemplate(settingsOf("dood")) as unknown as { spec: { containers: Guard[] } }).spec;
    const { env, volumeMounts } = containers[1]!;
    const home = env.find(({ name }) => name === "HOME")!.value;
    assert.ok(volumeMounts.some(({ mountPath, readOnly }) => mountPath === home && readOnly !== true));
  });
});
