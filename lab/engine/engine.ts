/**
 * The Docker that runs the lab: the machine's own where it answers, else a dockerd that the lab starts beside whatever is
 * there, with its own socket, data, network and control group, touching no rule and no bridge but the lab's.
 */
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  openSync,
  closeSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { built } from "../builds/builds";
import { lacksSysResource } from "../machine/capabilities";
import { engineProcesses, sweepEngine } from "./leftovers";
import { which } from "../machine/packages";
import { controlGroup, engineData, label, network, runDir } from "../machine/places";
import { attempt, lastLines, type Result, run, type RunOptions } from "../machine/processes";

const ownSocket = `unix://${runDir}/docker.sock`;
const engineLog = join(runDir, "dockerd.log");
export const pidFile = join(runDir, "docker.pid");

export class Engine {
  constructor(
    /** Value for DOCKER_HOST; undefined = the client's default. */
    readonly host: string | undefined,
    readonly own: boolean,
    private readonly client: string,
  ) {}

  get env(): NodeJS.ProcessEnv {
    return this.host === undefined ? {} : { DOCKER_HOST: this.host, DOCKER_CONTEXT: undefined };
  }

  attempt(args: readonly string[], options: RunOptions = {}): Promise<Result> {
    return attempt(this.client, args, { ...options, env: { ...this.env, ...options.env } });
  }

  run(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return run(this.client, args, { ...options, env: { ...this.env, ...options.env } });
  }

  /** A program in a container. */
  exec(container: string, command: readonly string[], options: RunOptions = {}): Promise<string> {
    return this.run(["exec", ...(options.input === undefined ? [] : ["-i"]), container, ...command], options);
  }

  /** Names of containers, volumes or networks that are the lab's. In its own engine all are, those of a killed build too. */
  async ours(kind: "container" | "volume" | "network"): Promise<string[]> {
    const list = kind === "container" ? ["ps", "-a", "--format", "{{.Names}}"] : [kind, "ls", "--format", "{{.Name}}"];
    const filter = this.own && kind !== "network" ? [] : ["--filter", `label=${label}`];
    const text = await this.run([...list, ...filter]);
    return text.split("\n").filter((name) => name !== "");
  }
}

/** The engine that answers now: the lab's own, else the machine's. Starts nothing. */
export async function findEngine(): Promise<Engine | undefined> {
  const own = new Engine(ownSocket, true, await ownClient());
  if (existsSync(join(runDir, "docker.sock")) && (await answersInTheEnd(own))) {
    return own;
  }
  const host = process.env.DOCKER_HOST;
  if (host === ownSocket) {
    return undefined;
  }
  const machine = new Engine(host, false, "docker");
  if (!(await which("docker")) || !(await answers(machine))) {
    return undefined;
  }
  if (host !== undefined && !host.startsWith("unix://")) {
    throw new Error(
      `The lab needs a Docker on this machine, and DOCKER_HOST is ${host}.\n` +
        "Unset DOCKER_HOST: the lab then uses the machine's Docker, or starts one of its own.",
    );
  }
  return machine;
}

/** A busy daemon may be slow, and must not be taken for a dead one: whoever starts another ends it. */
async function answersInTheEnd(own: Engine): Promise<boolean> {
  for (let tries = 0; tries < 10; tries++) {
    if (await answers(own)) {
      return true;
    }
    const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, "utf8")) : 0;
    if (!engineProcesses().includes(pid)) {
      return false;
    }
    await sleep(500);
  }
  return false;
}

const answers = async (engine: Engine): Promise<boolean> =>
  (await engine.attempt(["version", "--format", "{{.Server.Version}}"], { timeout: 8000 })).ok;

/** A client from the same package as the daemon: a newer one on PATH may refuse to speak with an older daemon. */
async function ownClient(): Promise<string> {
  return existsSync("/usr/bin/docker") ? "/usr/bin/docker" : "docker";
}

/** The engine that answers, or the lab's own, started. */
export async function startEngine(say: (line: string) => void): Promise<Engine> {
  const found = await findEngine();
  if (found) {
    return found;
  }
  const engine = new Engine(ownSocket, true, await ownClient());
  await sweepEngine(say);
  if (await start(engine, say)) {
    return engine;
  }
  const broken = `${engineData}.broken`;
  say("its data does not let it start (a power cut?): starting with empty data");
  await sweepEngine(say);
  rmSync(broken, { recursive: true, force: true });
  if (existsSync(engineData)) {
    renameSync(engineData, broken);
  }
  if (!(await start(engine, say))) {
    throw new Error(
      `The lab's Docker does not start on this machine. Its log ends:\n${logEnd()}\n` +
        "The lab needs root with CAP_SYS_ADMIN and CAP_NET_ADMIN; or start a Docker of your own first.",
    );
  }
  rmSync(broken, { recursive: true, force: true });
  return engine;
}

const logEnd = (): string => (existsSync(engineLog) ? lastLines(readFileSync(engineLog, "utf8"), 15) : "(no log)");

async function start(engine: Engine, say: (line: string) => void): Promise<boolean> {
  mkdirSync(runDir, { recursive: true, mode: 0o711 });
  mkdirSync(engineData, { recursive: true, mode: 0o711 });
  const path = await pathWithRunc(say);
  const log = openSync(engineLog, "a", 0o600);
  let ended = false;
  const daemon = spawn((await which("dockerd")) ?? "dockerd", daemonFlags(), {
    detached: true,
    stdio: ["ignore", log, log],
    env: { ...process.env, PATH: path },
  });
  daemon.on("exit", () => (ended = true)).on("error", () => (ended = true));
  daemon.unref();
  closeSync(log);
  for (let waited = 0; waited < 60_000 && !ended; waited += 200) {
    if (await answers(engine)) {
      return true;
    }
    await sleep(200);
  }
  return false;
}

function daemonFlags(): string[] {
  mkdirSync(dirname(pidFile), { recursive: true });
  return [
    `--host=${ownSocket}`,
    `--data-root=${engineData}`,
    `--exec-root=${join(runDir, "exec")}`,
    `--pidfile=${pidFile}`,
    `--config-file=${emptyConfig()}`, // not the machine's /etc/docker/daemon.json
    "--bridge=none",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--ip-masq=false",
    "--userland-proxy=false",
    "--exec-opt=native.cgroupdriver=cgroupfs",
    `--cgroup-parent=/${controlGroup}`,
    "--log-opt=max-size=5m",
    "--log-level=warn",
  ];
}

function emptyConfig(): string {
  const file = join(runDir, "daemon.json");
  writeFileSync(file, "{}\n", { mode: 0o600 });
  return file;
}

/** PATH for the daemon; where the machine lacks a capability, the lab's runc stands before the real one on it. */
async function pathWithRunc(say: (line: string) => void): Promise<string> {
  const path = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`;
  if (!lacksSysResource()) {
    return path;
  }
  const folder = join(runDir, "path");
  mkdirSync(folder, { recursive: true });
  rmSync(join(folder, "runc"), { force: true });
  symlinkSync(join(await built("oci", say), "runc"), join(folder, "runc"));
  return `${folder}:${path}`;
}

/** The one network of the lab. */
export async function ensureNetwork(engine: Engine): Promise<void> {
  const found = await engine.attempt([
    "network",
    "inspect",
    network.name,
    "--format",
    "{{(index .IPAM.Config 0).Subnet}}",
  ]);
  if (found.ok && found.stdout.trim() === network.subnet) {
    return;
  }
  if (found.ok) {
    await engine.run(["network", "rm", network.name]);
  }
  const options = [
    "--label",
    label,
    "--subnet",
    network.subnet,
    "-o",
    `com.docker.network.bridge.name=${network.bridge}`,
  ];
  await engine.run(["network", "create", ...options, network.name]);
}
