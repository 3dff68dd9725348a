import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { spawn } from "node:child_process";
import { once } from "node:events";

/**
 * Does `work` while no other process of this machine holds the lock of this file. The lock is flock(1)'s, held by a child
 * whose standard input is ours: whatever ends us, kill -9 included, ends it.
 */
export async function withLock<T>(file: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  const holder = spawn("flock", [file, "sh", "-c", "echo held; cat >/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(holder, "close").catch(() => undefined);
  const waiting = setTimeout(onWait, 1000);
  try {
    const held = await Promise.race([once(holder.stdout, "data"), ended.then(() => undefined)]);
    if (!held) {
      throw new Error(`Cannot lock ${file}: flock (package util-linux) failed.`);
    }
    clearTimeout(waiting);
    return await work();
  } finally {
    clearTimeout(waiting);
    holder.stdin.end();
    await ended;
  }
}
