/** What the lab's nodes write to their disks, by the kernel's own counters. */
import { clusterNodes } from "./labRunners";
import { onEach } from "./rawSsh";

/**
 * Does something, and gives what came of it with the megabytes (10^6 bytes) that processes of the cluster's nodes wrote to
 * files of a disk meanwhile, those of containers included.
 *
 * Linux counts them for each process (`write_bytes` of /proc/PID/io, man 5 proc_pid_io), and adds those of one that has ended to
 * the parent that waited for it. So the sum over all processes of a node only grows. The counters of control groups (blkio,
 * version 1) miss what goes through the page cache, and /proc/diskstats has the whole machine's.
 */
export async function writtenBytes<T>(work: () => Promise<T>): Promise<{ result: T; megabytes: number }> {
  const before = await written();
  const result = await work();
  return { result, megabytes: ((await written()) - before) / 1e6 };
}

async function written(): Promise<number> {
  // A process may end between the shell's list and the look at it.
  const outputs = await onEach(clusterNodes(), "cat /proc/[0-9]*/io 2>/dev/null || true");
  return [...outputs.values()].reduce((sum, text) => sum + writeBytes(text), 0);
}

/** The sum over the processes whose /proc/PID/io this is. What was written and cut off again is in it: a card may have had it. */
export const writeBytes = (text: string): number =>
  [...text.matchAll(/^write_bytes: (\d+)$/gm)].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
