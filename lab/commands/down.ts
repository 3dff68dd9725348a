/** Takes everything of the lab away, in whatever state it is, and nothing else. The cache of built things stays. */
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Engine, findEngine, pidFile, startEngine } from "../engine/engine";
import { engineProcesses, signal, sweepEngine } from "../engine/leftovers";
import { engineData, runDir, state, stateLink } from "../machine/places";
import { stowImages } from "../images/machineImages";
import { restoreSettings } from "../machine/hostSettings";

type Say = (line: string) => void;

async function removeObjects(engine: Engine, say: Say): Promise<void> {
  const containers = await engine.ours("container");
  say(`removing ${containers.length} containers`);
  if (containers.length > 0) {
    await engine.attempt(["rm", "--force", "--volumes", ...containers]);
  }
  const volumes = await engine.ours("volume");
  if (volumes.length > 0) {
    await engine.attempt(["volume", "rm", "--force", ...volumes]);
  }
  for (const name of await engine.ours("network")) {
    await engine.attempt(["network", "rm", name]);
  }
  const left = [
    ...(await engine.ours("container")),
    ...(await engine.ours("volume")),
    ...(await engine.ours("network")),
  ];
  if (left.length > 0) {
    throw new Error(
      `Docker does not remove ${left.join(", ")}.\nRun down again; else: docker rm -f, docker volume rm.`,
    );
  }
}

async function stopEngine(say: Say): Promise<void> {
  const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, "utf8")) : 0;
  if (engineProcesses().includes(pid)) {
    signal(pid, "SIGTERM");
    for (let waited = 0; waited < 20_000 && engineProcesses().includes(pid); waited += 100) {
      await sleep(100);
    }
  }
  await sweepEngine(say);
  removeSharedFolders();
}

/** Docker and containerd make these whatever folders they are given. Kept where another Docker or containerd lives. */
function removeSharedFolders(): void {
  if (existsSync("/run/docker.sock") || existsSync("/run/containerd/containerd.sock")) {
    return;
  }
  const sockets = "/run/containerd/s";
  const open = readFileSync("/proc/net/unix", "utf8");
  for (const name of existsSync(sockets) ? readdirSync(sockets) : []) {
    if (!open.includes(join(sockets, name))) {
      rmSync(join(sockets, name)); // of a shim that was killed
    }
  }
  for (const folder of ["docker/plugins", "docker", "containerd/s", "containerd"]) {
    removeIfEmpty(join("/run", folder));
  }
}

export async function down(say: Say): Promise<void> {
  const engine = (await findEngine().catch(() => undefined)) ?? (await reviveOwn(say));
  if (engine) {
    await removeObjects(engine, say);
    if (!engine.own) {
      await stowImages(engine, say);
    }
  }
  if (engine?.own !== false || existsSync(runDir)) {
    await stopEngine(say);
    // What the daemon could not read after a power cut, it has not removed either.
    for (const part of ["containers", "volumes"]) {
      rmSync(join(engineData, part), { recursive: true, force: true });
    }
  }
  restoreSettings();
  rmSync(stateLink, { force: true });
  rmSync(state, { recursive: true, force: true });
  removeIfEmpty(dirname(state));
}

/** The lab's own daemon does not run, but its data may hold containers and volumes, which only it removes cleanly. */
async function reviveOwn(say: Say): Promise<Engine | undefined> {
  const folders = ["containers", "volumes"].map((part) => join(engineData, part)).filter(existsSync);
  const holds = folders.some((folder) =>
    readdirSync(folder, { withFileTypes: true }).some((entry) => entry.isDirectory()),
  );
  return holds ? startEngine(say) : undefined;
}

function removeIfEmpty(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length === 0) {
    rmdirSync(folder);
  }
}
