/**
 * What a killed engine leaves behind, found by marks that are the lab's alone: processes by control group or by the
 * lab's folder on their command line, mounts by folder, the bridge by name. Nothing else is touched.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { controlGroup, engineData, network, runDir } from "../machine/places";
import { attempt } from "../machine/processes";

/** Ends and removes everything of the lab's own engine but its data. */
export async function sweepEngine(say: (line: string) => void): Promise<void> {
  await endProcesses(say);
  // What is mounted at the folder itself (a tmpfs, a volume) is somebody else's, and stays.
  await unmountUnder([engineData, `${runDir}/`], say);
  removeGroups();
  await removeLinks();
  removeRunDir();
}

function removeRunDir(): void {
  for (const name of existsSync(runDir) ? readdirSync(runDir) : []) {
    rmSync(join(runDir, name), { recursive: true, force: true });
  }
  if (!mountPoints().includes(runDir)) {
    rmSync(runDir, { recursive: true, force: true });
  }
}

/** The lab's bridge, and what is plugged into it: containers that were killed leave their end behind. */
async function removeLinks(): Promise<void> {
  const ports = `/sys/class/net/${network.bridge}/brif`;
  const links = existsSync(ports) ? readdirSync(ports) : [];
  for (const link of [...links, network.bridge]) {
    await attempt("ip", ["link", "delete", link]);
  }
}

/** First the daemons, so that nobody restarts what is ended; then all that ran in containers. */
async function endProcesses(say: (line: string) => void): Promise<void> {
  for (let round = 0; round < 50; round++) {
    const left = [...engineProcesses(), ...groupProcesses()];
    if (left.length === 0) {
      return;
    }
    if (round === 0) {
      say(`ending ${left.length} processes of an engine that is gone`);
    }
    for (const pid of left) {
      signal(pid, "SIGKILL");
    }
    await sleep(100);
  }
  throw new Error(
    `Processes of the lab do not end: ${[...engineProcesses(), ...groupProcesses()].join(", ")}.\n` +
      "They hang in the kernel; look at `ps -o pid,stat,wchan,args -p …`, or restart the machine.",
  );
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it has ended meanwhile
  }
}

/**
 * dockerd, its containerd and the shims: each names a file in the lab's folder among its arguments. The daemon of another
 * lab, in a container of this machine, names the same folder and is seen from here; it is none of ours.
 */
export function engineProcesses(): number[] {
  const programs = /^(dockerd|containerd|containerd-shim[\w-]*|docker-proxy)$/;
  const here = processNamespace("self");
  return allProcesses().filter((pid) => {
    if (processNamespace(pid) !== here) {
      return false;
    }
    const [program = "", ...args] = commandLine(pid);
    return programs.test(program.split("/").at(-1) ?? "") && args.some((arg) => arg.includes(`${runDir}/`));
  });
}

const allProcesses = (): number[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/** Which processes it counts among its own; undefined when it has ended. */
function processNamespace(pid: number | "self"): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

/** Everything in the lab's control group, in whichever hierarchy. */
function groupProcesses(): number[] {
  const found = new Set<number>();
  for (const group of groups()) {
    try {
      for (const pid of readFileSync(join(group, "cgroup.procs"), "utf8").split("\n")) {
        if (pid) {
          found.add(Number(pid));
        }
      }
    } catch {
      // the group has gone meanwhile
    }
  }
  return [...found].filter((pid) => pid !== 0 && !isZombie(pid));
}

function isZombie(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return true;
  }
}

/** The lab's control groups, parents before children. */
function groups(): string[] {
  const root = "/sys/fs/cgroup";
  if (!existsSync(root)) {
    return [];
  }
  const tops = [root, ...readdirSync(root).map((name) => join(root, name))]
    .map((hierarchy) => join(hierarchy, controlGroup))
    .filter((group) => existsSync(group));
  return tops.flatMap((top) => [
    top,
    ...readdirSync(top, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name)),
  ]);
}

function removeGroups(): void {
  for (const group of groups().reverse()) {
    try {
      rmdirSync(group);
    } catch {
      // not empty yet: the next sweep finds it
    }
  }
}

/** Takes away mounts at or below these folders, the newest first; only below one that ends in a slash. */
async function unmountUnder(folders: readonly string[], say: (line: string) => void): Promise<void> {
  const points = mountPoints().filter((point) =>
    folders.some((folder) => point === folder || point.startsWith(folder.endsWith("/") ? folder : `${folder}/`)),
  );
  if (points.length > 0) {
    say(`unmounting ${points.length} leftovers`);
  }
  for (const point of points.reverse()) {
    await attempt("umount", ["-l", point]);
  }
}

/** In the order of mounting; octal escapes as in fstab(5). */
function mountPoints(): string[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .map((point) => point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))));
}
