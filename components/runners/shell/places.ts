import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import type { ShellRunnerSettings } from "./settings";

/** The folder of a runner's settings on its host, which only root may read. */
export function configFolder(name: string): string {
  return `/etc/pi-runners/${name}`;
}

/** What the service of a runner with a proxy has of it. */
export function proxyFile(name: string): string {
  return `${configFolder(name)}/proxy.env`;
}

/** The folder of a runner's checkouts and local cache. Below it, the shell executor has a folder for each slot. */
export function buildsFolder({ name, user }: Pick<ShellRunnerSettings, "name" | "user">): string {
  return `/var/lib/pi-runners/shell_builds/${name}/${user}`;
}

/** The runner's systemd unit. */
export function unitName(name: string): string {
  return `pi-runners-${name}.service`;
}

/** A gitlab-runner that is a file, on the host. */
export interface HostBinary {
  /** Its name holds its checksum, so a new one lies beside the one that runs. */
  path: string;
  sha256: string;
  /** Where the host fetches it; missing where it is sent. */
  url?: string;
}

/** True where the file is fetched by the host itself. */
export function isAddress(binary: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(binary);
}

/** The file that a runner is to run; undefined where it is the package's. */
export function hostBinary({ binary, sha256 }: Pick<ShellRunnerSettings, "binary" | "sha256">): HostBinary | undefined {
  if (binary === undefined) {
    return undefined;
  }
  const sum = sha256 ?? checksum(localFile(binary));
  const path = `/usr/local/lib/pi-runners/gitlab-runner-${sum.slice(0, 16)}`;
  return { path, sha256: sum, ...(isAddress(binary) ? { url: binary } : {}) };
}

/** A path of this machine, relative to the project or from `~/`. */
export function localFile(binary: string): string {
  return binary.startsWith("~/") ? resolve(homedir(), binary.slice(2)) : resolve(binary);
}

/** What is wrong with a file that is to be sent. */
export function fileError(binary: string): string | undefined {
  const file = localFile(binary);
  if (!existsSync(file) || !statSync(file).isFile()) {
    return `${file} is no file; name one, or an address, or give sha256 where the hosts have it already`;
  }
  return undefined;
}

const sums = new Map<string, string>();

/** The checksum of a file, which is read once. */
function checksum(file: string): string {
  const { size, mtimeMs } = statSync(file);
  const key = `${file} ${size} ${mtimeMs}`;
  const sum = sums.get(key) ?? createHash("sha256").update(readFileSync(file)).digest("hex");
  sums.set(key, sum);
  return sum;
}

/** The path of what runs. */
export function programPath(settings: Pick<ShellRunnerSettings, "binary" | "sha256">): string {
  return hostBinary(settings)?.path ?? "/usr/bin/gitlab-runner";
}
