/** Containers that are hosts: systemd inside, a fixed address, the LAN's names in /etc/hosts. */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Engine } from "./engine";
import { label, lanNames, network } from "../machine/places";
import { lastLines } from "../machine/processes";

export interface Host {
  container: string;
  hostname: string;
  address: string;
  image: string;
  /** Volumes of the engine: name to path. */
  volumes: Record<string, string>;
  /** Whether another container gets the volumes of the one before. A new machine has empty disks. */
  keepVolumes: boolean;
  /** Read-only folders of this machine: path there to path in the container. */
  mounts: Record<string, string>;
  names: Record<string, string>;
  /** Units that must be active. */
  units: readonly string[];
  /** Anything else whose change asks for another container. */
  generation?: string;
}

type Say = (line: string) => void;

/**
 * Makes the container run and its units active: as it is when it does, started when it is stopped, recreated when it is
 * of another make, and recreated with empty volumes when nothing less helps.
 */
export async function ensureHost(engine: Engine, host: Host, say: Say, beforeMaking = () => {}): Promise<void> {
  const make = fingerprint(host);
  const state = await inspect(engine, host.container);
  if (state?.make === make) {
    if (!state.running) {
      say(`${host.container}: starting`);
      await engine.attempt(["start", host.container]);
    }
    if (await becomesHealthy(engine, host, 60)) {
      return;
    }
    say(`${host.container}: is not healthy, recreated`);
  }
  beforeMaking();
  await remove(engine, host, !host.keepVolumes);
  await create(engine, host, make, say);
  if (await becomesHealthy(engine, host, 60)) {
    return;
  }
  say(`${host.container}: is not healthy, recreated with empty volumes`);
  await remove(engine, host, true);
  await create(engine, host, make, say);
  if (!(await becomesHealthy(engine, host, 90))) {
    throw await sick(engine, host);
  }
}

async function inspect(engine: Engine, container: string): Promise<{ running: boolean; make: string } | undefined> {
  const format = '{{.State.Running}} {{index .Config.Labels "pi-lab.make"}}';
  const found = await engine.attempt(["container", "inspect", container, "--format", format]);
  const [running, make] = found.stdout.trim().split(" ");
  return found.ok ? { running: running === "true", make: make ?? "" } : undefined;
}

/** All that a change of asks for another container. */
const fingerprint = (host: Host): string =>
  createHash("sha256")
    .update(JSON.stringify([host, 4]))
    .digest("hex")
    .slice(0, 12);

async function remove(engine: Engine, host: Host, volumesToo: boolean): Promise<void> {
  await engine.attempt(["rm", "--force", "--volumes", host.container]);
  if (!volumesToo) {
    return;
  }
  for (const volume of Object.keys(host.volumes)) {
    await engine.attempt(["volume", "rm", "--force", volume]);
  }
}

async function create(engine: Engine, host: Host, make: string, say: Say): Promise<void> {
  say(`${host.container}: creating`);
  for (const volume of Object.keys(host.volumes)) {
    await engine.run(["volume", "create", "--label", label, volume]);
  }
  const pairs = (option: string, map: Record<string, string>, suffix = "") =>
    Object.entries(map).flatMap(([from, to]) => [option, `${from}:${to}${suffix}`]);
  await engine.run([
    "run",
    "--detach",
    ...["--name", host.container, "--hostname", host.hostname, "--label", label, "--label", `pi-lab.make=${make}`],
    ...["--network", network.name, "--ip", host.address],
    // systemd mounts and makes control groups, Docker and containerd run containers in here, kubelet sets kernel values.
    "--privileged",
    // Its own control groups: systemd and kubelet of two hosts would share a tree otherwise.
    "--cgroupns=private",
    // As a host has them: empty after a boot. Units and hooks run programs from there.
    ...["--tmpfs", "/run:exec", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec"],
    // Tells systemd where it runs, which then leaves devices and the clock alone.
    ...["--env", "container=docker"],
    ...pairs("--volume", host.volumes),
    ...pairs("--volume", host.mounts, ":ro"),
    ...pairs("--add-host", { ...lanNames, ...host.names }),
    host.image,
  ]);
}

async function becomesHealthy(engine: Engine, host: Host, seconds: number): Promise<boolean> {
  const end = Date.now() + seconds * 1000;
  do {
    const asked = ["exec", host.container, "systemctl", "is-active", ...host.units];
    const states = (await engine.attempt(asked, { timeout: 10_000 })).stdout.trim().split("\n");
    if (states.length === host.units.length && states.every((state) => state === "active")) {
      return true;
    }
    if ((await inspect(engine, host.container))?.running === false) {
      return false;
    }
    await sleep(300);
  } while (Date.now() < end);
  return false;
}

async function sick(engine: Engine, host: Host): Promise<Error> {
  const failed = await engine.attempt(["exec", host.container, "systemctl", "--no-pager", "list-units", "--failed"]);
  const journal = await engine.attempt([
    "exec",
    host.container,
    "journalctl",
    "--no-pager",
    "-n",
    "30",
    "-p",
    "warning",
  ]);
  const logs = await engine.attempt(["logs", "--tail", "20", host.container]);
  return new Error(
    `${host.container} does not become healthy: of ${host.units.join(", ")} not all are active.\n` +
      `${lastLines(failed.all, 10)}\n${lastLines(journal.all, 30)}\n${lastLines(logs.all, 20)}\n` +
      "Run `lab.ts down` and `up` again; if that does not help, this machine lacks something that systemd or Docker needs.",
  );
}
