/** What every image of the lab stands on: a minimal Debian, bootstrapped from its packages. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../engine/engine";
import { withLock } from "../machine/locks";
import { cache, imageFiles, label } from "../machine/places";
import { run } from "../machine/processes";

/** Debian 13, which today's Raspberry Pi OS is made of, and Debian 12, which many nodes still run. */
export type Suite = "trixie" | "bookworm";

/** In every image: what a job, a runner, its helper and a host all need. */
const packages = ["bash", "ca-certificates", "curl", "dumb-init", "git", "iproute2", "iptables", "openssl", "procps"];

type Say = (line: string) => void;

export const debianKey = (suite: Suite): string =>
  createHash("sha256")
    .update(JSON.stringify([suite, packages, 1]))
    .digest("hex")
    .slice(0, 12);

/** Reference of the image, which is made where the engine does not have it. */
export async function debian(engine: Engine, suite: Suite, say: Say): Promise<string> {
  const reference = `pi-lab/debian:${debianKey(suite)}`;
  await withLock(
    join(cache, "locks", `debian-${suite}`),
    () => say(`another process bootstraps Debian ${suite}, waiting`),
    async () => {
      if (await has(engine, reference)) {
        return;
      }
      const change = ["--change", "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8"];
      const file = await bootstrapped(suite, say);
      await engine.run(["import", ...change, "--change", `LABEL ${label}`, file, reference]);
    },
  );
  return reference;
}

export const has = async (engine: Engine, reference: string): Promise<boolean> =>
  (await engine.attempt(["image", "inspect", reference, "--format", "{{.Id}}"])).ok;

async function bootstrapped(suite: Suite, say: Say): Promise<string> {
  const file = join(imageFiles, `debian-${debianKey(suite)}.tar`);
  if (existsSync(file)) {
    return file;
  }
  mkdirSync(imageFiles, { recursive: true });
  const leaveOut = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"];
  const options = leaveOut.map((path) => `--dpkgopt=path-exclude=${path}`);
  await run(
    "mmdebstrap",
    ["--variant=minbase", "--format=tar", `--include=${packages.join(",")}`, ...options, suite, `${file}.part`],
    { onLine: (line) => say(`Debian ${suite}: ${line.slice(0, 100)}`) },
  );
  renameSync(`${file}.part`, file);
  return file;
}
