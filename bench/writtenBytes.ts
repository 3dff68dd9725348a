/** What comes to the machine's disks, by the kernel's own counters. */
import { existsSync, readFileSync } from "node:fs";
import { run } from "../lab/machine/processes";

/**
 * Does something, and gives what came of it with the megabytes (10^6 bytes) that were written to the machine's disks meanwhile:
 * by everything on it, what the file systems write for themselves included.
 *
 * Whatever waits in memory is written out before and after (`sync`), so a file that is removed before the end may never have come
 * to a disk. The counts of processes (`write_bytes` of /proc/PID/io) would leave the rest of the machine out, but the kernel
 * throws them away where a container's first process is killed: its children are then waited for by nobody. Those of control
 * groups (blkio, version 1) miss what goes through the page cache.
 */
export async function writtenBytes<T>(work: () => Promise<T>): Promise<{ result: T; megabytes: number }> {
  const before = await written();
  const result = await work();
  return { result, megabytes: ((await written()) - before) / 1e6 };
}

async function written(): Promise<number> {
  await run("sync", []);
  const isDisk = (name: string): boolean => existsSync(`/sys/block/${name}/device`);
  return diskBytes(readFileSync("/proc/diskstats", "utf8"), isDisk);
}

/**
 * The bytes written to all disks, by /proc/diskstats (the kernel's Documentation/admin-guide/iostats.rst: the tenth column is
 * sectors written, of 512 bytes whatever the disk's own are).
 *
 * @param isDisk tells a disk from its parts, and from what lies on other disks or in memory
 */
export const diskBytes = (diskstats: string, isDisk: (name: string) => boolean): number =>
  diskstats
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , name]) => isDisk(name!))
    .reduce((sum, columns) => sum + Number(columns[9]) * 512, 0);
