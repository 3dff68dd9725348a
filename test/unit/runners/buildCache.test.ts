import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { parse } from "smol-toml";
import { daemonScript, keepLayersScript } from "../../../components/runners/kubernetes/buildCache";
import { buildkitFile } from "../../../components/runners/kubernetes/buildFiles";
import { kubernetesRunnerErrors } from "../../../components/runners/kubernetes/errors";
import { kubernetesRunnerConfig } from "../../../components/runners/kubernetes/kubernetesConfig";
import { podSecurity } from "../../../components/runners/kubernetes/podSecurity";
import { risk } from "../../../components/runners/kubernetes/risk";
import type { KubernetesSection } from "../../../components/runners/kubernetes/settings";
import { allRunnersErrors, stackMirrorErrors, type CheckedRunner } from "../../../config/checks";
import { kubernetesSettings } from "./kubernetesSettings";
import { settingsOf } from "./settings";
import { command, run, shells } from "./shell";
import { temporaryFolder } from "../../temporaryFolder";

const buildCache = { hostFolder: "/mnt/ssd", maxSize: "2GB" };
const settings = kubernetesSettings({ buildCache });
const user = process.getuid!();

/** The layers of a project as a job finds them, and its script; `programs` are what the job's image has besides. */
function job(programs = ["buildkitd"]) {
  const layers = temporaryFolder();
  const bin = temporaryFolder();
  programs.forEach((name) => command(bin, name, "exit 0"));
  writeFileSync(join(bin, "keep-layers.sh"), daemonScript);
  const script = keepLayersScript.replaceAll("/var/lib/pi-runners-layers", layers).replaceAll("/etc/buildkit", bin);
  const env = { PATH: `${bin}:${process.env["PATH"]!}` };
  const say = '\necho "slot=${PI_RUNNERS_LAYERS:-} daemon=${BUILDKITD:-}"';
  return { layers, bin, script: script + say, env };
}

/** Holds a folder as a job does. */
async function hold(folder: string): Promise<() => Promise<void>> {
  const holder = spawn("sh", ["-c", `exec 9<${folder}; flock 9; echo held; exec sleep 60`]);
  await new Promise((held) => holder.stdout.once("data", held));
  return async () => {
    holder.kill();
    await new Promise((done) => holder.once("exit", done));
  };
}

describe("the layers that builds in pods keep", () => {
  for (const shell of shells) {
    it(`are in a folder that no other job has at the same time: ${shell[0]}`, async () => {
      const { layers, bin, script, env } = job();
      const first = `${layers}/${user}-1`;
      const { output } = run(shell, script, env);
      assert.equal(output, `slot=${first} daemon=sh ${bin}/keep-layers.sh\n`);
      const release = await hold(first);
      assert.match(run(shell, script, env).output, new RegExp(`slot=${layers}/${user}-2 `));
      await release();
      assert.match(run(shell, script, env).output, new RegExp(`slot=${first} `), "the lock goes with its job");
    });

    it(`end no job that finds no place for them; its log says so: ${shell[0]}`, () => {
      const { layers, script, env } = job();
      for (let slot = 1; slot <= 9; slot++) {
        // What other jobs of the project left there: files, a link, a folder of another user's.
        writeFileSync(join(layers, `${user}-${slot}`), "");
      }
      rmSync(join(layers, `${user}-2`));
      symlinkSync("/nowhere", join(layers, `${user}-2`));
      if (user === 0) {
        rmSync(join(layers, `${user}-3`));
        mkdirSync(join(layers, `${user}-3`), { mode: 0o700 });
        chownSync(join(layers, `${user}-3`), 65534, 65534);
      }
      const { status, output } = run(shell, `${script}\necho goes on`, env);
      assert.equal(status, 0, output);
      assert.match(output, /^slot= daemon=\ngoes on\npi-runners: there is no place for layers[^\n]*\n$/);
    });

    it(`are not taken where the guard has just removed the folder: ${shell[0]}`, () => {
      const { layers, bin, script, env } = job();
      // Between opening and locking.
      command(bin, "flock", `[ -e ${bin}/once ] || { touch ${bin}/once; rm -rf ${layers}/${user}-1; }; exit 0`);
      const { status, output } = run(shell, script, env);
      assert.equal(status, 0, output);
      assert.match(output, new RegExp(`slot=${layers}/${user}-2 `));
    });
  }

  it("are no business of a job without BuildKit, or with a daemon of its own", () => {
    const without = job([]);
    assert.equal(run(["sh"], without.script, without.env).output, "slot= daemon=\n");
    const own = job();
    assert.equal(run(["sh"], own.script, { ...own.env, BUILDKITD: "mine" }).output, "slot= daemon=mine\n");
    assert.deepEqual([readdirSync(without.layers), readdirSync(own.layers)], [[], []]);
  });

  it("are those of the project that GitLab names, whatever variables a job has, in a folder that the guard makes", () => {
    const patch = patchOf();
    assert.deepEqual(patch.volumes[0].hostPath, { path: "/mnt/ssd/ci/pods/layers", type: "Directory" });
    const [build, ...others] = patch.containers;
    assert.deepEqual([build.name, others], ["build", []], "helper and services have none of it");
    const { fieldPath } = build.env[0].valueFrom.fieldRef;
    assert.equal(fieldPath, "metadata.labels['project.runner.gitlab.com/id']");
    assert.equal(build.volumeMounts[0].subPathExpr, `project-$(${build.env[0].name})`);
    const labelled = patchOf({ ...buildCache, seLinuxOptions: { level: "s0" } });
    assert.deepEqual(labelled.securityContext, { seLinuxOptions: { level: "s0" } });
  });

  it("have a limit, are a reason for level privileged, and need none of it unless they are asked for", () => {
    const { worker } = parse(buildkitFile([], [], buildCache)) as { worker: { oci: Record<string, unknown> } };
    assert.deepEqual({ ...worker.oci }, { gc: true, maxUsedSpace: "2GB", minFreeSpace: "25%" });
    assert.equal(podSecurity(settings), "privileged");
    assert.match(risk(settings).meaning, /branches of a project share the layers/);
    const without = kubernetesSettings();
    assert.doesNotMatch(buildkitFile([]), /worker/);
    assert.equal(podSecurity(without), "baseline");
    assert.equal(kubernetesRunnerConfig(without, "t").runners![0]!.pre_build_script, undefined);
  });

  it("change no image of a job, and the one that builds is always allowed", () => {
    const section = (allowedImages?: string[]): KubernetesSection =>
      kubernetesRunnerConfig(kubernetesSettings({ buildCache: { ...buildCache, image: "kit:1" }, allowedImages }), "t")
        .runners![0]!.kubernetes!;
    assert.equal(section().image, kubernetesRunnerConfig(kubernetesSettings(), "t").runners![0]!.kubernetes!.image);
    assert.deepEqual([section().allowed_images, section(["a:*"]).allowed_images], [undefined, ["a:*", "kit:1"]]);
  });

  it("are refused where they could not be kept, or not safely", () => {
    const paths = (kubernetes: KubernetesSection, different: object = {}): string[] => {
      const given = kubernetesSettings({ buildCache, config: { runners: [{ kubernetes }] }, ...different });
      return kubernetesRunnerErrors(given).map(({ propertyPath }) => propertyPath.replace(/^config.*kubernetes\./, ""));
    };
    assert.deepEqual(paths({}), []);
    for (const [key, value] of Object.entries({
      pod_spec: [{ name: "x", patch: "{}" }],
      node_tolerations: { a: "NoSchedule" },
      node_tolerations_overwrite_allowed: ".*",
      node_selector_overwrite_allowed: ".*",
      runtime_class_name: "kata",
      allowed_images: ["other"],
    })) {
      assert.deepEqual(paths({ [key]: value }), [key]);
      assert.deepEqual(paths({ [key]: value }, { buildCache: undefined }), [], `${key} is nobody's concern without`);
    }
    assert.deepEqual(paths({}, { hostUsers: false }), ["hostUsers"]);
    const inside = { buildCache: { hostFolder: "/var/lib/pi-runners/layers" } };
    assert.deepEqual(paths({}, inside), ["buildCache.hostFolder"]);
    assert.throws(() => kubernetesSettings({ buildCache: { hostFolder: "/mnt/../etc" } }));
  });
});

describe("the layers of a stack's runners", () => {
  const pods = (name: string, hostFolder: string): CheckedRunner => ({
    executor: "kubernetes",
    settings: kubernetesSettings({ name, buildCache: { hostFolder } }),
  });
  const reasons = (...runners: CheckedRunner[]): string[] =>
    allRunnersErrors(runners, []).map(({ propertyPath, reason }) => `${propertyPath} ${reason}`);

  it("are in nobody's way", () => {
    assert.deepEqual(reasons(pods("a", "/mnt/ssd"), pods("b", "/mnt/ssd")), []);
    const docker: CheckedRunner = { executor: "docker", settings: settingsOf("dood", { name: "a-layers" }) };
    assert.match(reasons(pods("a", "/mnt/ssd"), docker)[0]!, /^runners\[0\]\.name .* object a-layers/);
    assert.deepEqual(reasons(pods("b", "/mnt/ssd"), docker), []);
    const inside = reasons(pods("a", "/mnt/ssd"), pods("b", "/mnt/ssd/ci/a/layers"));
    assert.match(
      inside[1]!,
      /^runners\[1\]\.buildCache\.hostFolder its layers would be in \/mnt\/ssd\/ci\/a\/layers\/ci\/b/,
    );
  });

  it("share no folder with the mirror of Docker Hub", () => {
    const mirror = (hostFolder: string): string[] => {
      const given = { remoteUrl: "https://hub.lan", image: "registry:3", nodeSelector: { a: "b" }, hostFolder };
      return stackMirrorErrors(given, [pods("a", "/mnt/ssd/layers")]).map(({ reason }) => reason);
    };
    assert.match(mirror("/mnt/ssd/layers/mirror")[0]!, /^is in \/mnt\/ssd\/layers/);
    assert.match(mirror("/mnt/ssd")[0]!, /^has \/mnt\/ssd\/layers in it/);
    assert.deepEqual(mirror("/mnt/ssd/mirror"), []);
  });
});

// eslint-disable-next-line @typescript-eslint/no-explicit-any
function patchOf(cache: NonNullable<typeof settings.buildCache> = buildCache): any {
  const [runner] = kubernetesRunnerConfig(kubernetesSettings({ buildCache: cache }), "t").runners!;
  return JSON.parse(runner!.kubernetes!.pod_spec![0]!.patch!);
}

describe("the daemon of builds that keep layers", () => {
  /** A daemon that runs until it is asked to stop, as buildkitd does, and then says 1, or what `dies` says before. */
  function daemon(dies = "") {
    const { layers, bin, env } = job();
    const slot = join(layers, "1000-1");
    mkdirSync(join(slot, "store"), { recursive: true });
    writeFileSync(join(slot, "store/layer"), "");
    const runs = `trap 'kill $!; exit 1' TERM; echo up; sleep 60 & wait`;
    command(bin, "buildkitd", `echo "$*" >${bin}/args; ls -A ${slot} >${bin}/saw; ${dies === "" ? runs : dies}`);
    const start = async (): Promise<number | null> => {
      const script = spawn("sh", [join(bin, "keep-layers.sh"), "--addr=x"], {
        env: { ...env, PI_RUNNERS_LAYERS: slot },
      });
      const ended = new Promise<number | null>((done) => script.once("exit", done));
      if (dies === "") {
        await new Promise<void>((up) => script.stdout.on("data", (said) => /^up$/m.test(String(said)) && up()));
        script.kill("SIGTERM");
      }
      return ended;
    };
    return { layers, bin, slot, start, read: (file: string) => readFileSync(join(bin, file), "utf8") };
  }

  it("is marked while it runs, and not once it was asked to stop and did", async () => {
    const { slot, start, read } = daemon();
    assert.equal(await start(), 1);
    assert.equal(read("args"), `--addr=x --root=${slot}/store\n`);
    assert.equal(read("saw"), "daemon\nin-use\nstore\n");
    assert.deepEqual(readdirSync(slot), ["daemon", "store"]);
    await start();
    assert.deepEqual(readdirSync(join(slot, "store")), ["layer"], "the next one has what it left");
  });

  for (const dies of ["kill -9 $$", "exit 1", "exit 0"]) {
    it(`begins with an empty store after one that stopped unasked (${dies})`, async () => {
      const killed = daemon(dies);
      await killed.start();
      assert.deepEqual(readdirSync(killed.slot).sort(), ["daemon", "in-use", "store"]);
      await killed.start();
      assert.deepEqual(readdirSync(killed.slot), ["daemon", "in-use"], "put away before the second one began");
      assert.equal(killed.read("saw"), "daemon\nin-use\n");
      assert.equal(readdirSync(killed.layers).filter((name) => name.startsWith("broken.")).length, 1);
    });
  }

  it("has a store of its own while another daemon of the job lives, and leaves that one its own", async () => {
    const { layers, slot, start, read } = daemon();
    const holder = spawn("sh", [
      "-c",
      `mkdir ${slot}/daemon; exec 9<${slot}/daemon/.; flock 9; touch ${slot}/in-use; echo held; exec sleep 60`,
    ]);
    await new Promise((held) => holder.stdout.once("data", held));
    await start();
    holder.kill();
    assert.equal(read("args"), "--addr=x\n");
    assert.deepEqual(readdirSync(slot), ["daemon", "in-use", "store"]);
    assert.deepEqual(readdirSync(layers), ["1000-1"]);
  });

  for (const [what, left] of [
    ["a pipe", "mkfifo"],
    ["a link to a file", "ln -s /etc/hostname"],
    ["a file", "touch"],
  ]) {
    it(`is neither held up nor led elsewhere by ${what} in place of its lock`, async () => {
      const { slot, start, read } = daemon();
      run(["sh"], `${left} ${slot}/daemon`, {});
      await start();
      assert.equal(read("args"), "--addr=x\n");
    });
  }

  it("has a store of its own where the folder cannot be used", async () => {
    const { bin, slot, start, read } = daemon("exit 0");
    command(bin, "sync", "exit 1");
    assert.equal(await start(), 0);
    assert.equal(read("args"), "--addr=x\n");
    assert.ok(existsSync(join(slot, "store/layer")));
  });
});
