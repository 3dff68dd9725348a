/** Debian packages that the host needs. */
import { access } from "node:fs/promises";
import { writeFile, rm, mkdir } from "node:fs/promises";
import { existsSync } from "node:fs";
import { attempt, run } from "./processes";
import { delimiter, join } from "node:path";

/** A program, and the Debian package that has it. */
const always = {
  mmdebstrap: "mmdebstrap",
  "ssh-keygen": "openssh-client",
  openssl: "openssl",
  ip: "iproute2",
  iptables: "iptables",
  git: "git",
} as const;

const forEngine = { dockerd: "docker.io", containerd: "containerd", runc: "runc" } as const;

const sbin = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** Full path of a program, looked for on PATH and where administrators' programs are. */
export async function which(program: string, except: readonly string[] = []): Promise<string | undefined> {
  const folders = [...(process.env.PATH ?? "").split(delimiter), ...sbin].filter((folder) => !except.includes(folder));
  for (const folder of folders) {
    const path = join(folder, program);
    if (
      folder !== "" &&
      (await access(path, 1).then(
        () => true,
        () => false,
      ))
    ) {
      return path;
    }
  }
  return undefined;
}

/** Installs what the lab needs and is missing. @throws when that is not possible, naming the packages. */
export async function hostPackages(engineToo: boolean, say: (line: string) => void): Promise<void> {
  const keyring = existsSync("/etc/debian_version") && !existsSync("/usr/share/keyrings/debian-archive-keyring.gpg");
  await needPrograms(engineToo ? { ...always, ...forEngine } : always, say, keyring ? ["debian-archive-keyring"] : []);
}

/**
 * Installs the packages of those programs that are missing. No service of theirs is started.
 *
 * @param programs a program, and the Debian package that has it
 * @throws when that is not possible, naming the packages
 */
export async function needPrograms(
  programs: Record<string, string>,
  say: (line: string) => void,
  further: string[] = [],
): Promise<void> {
  const missing = [...further];
  for (const [program, pkg] of Object.entries(programs)) {
    if (!(await which(program))) {
      missing.push(pkg);
    }
  }
  if (missing.length === 0) {
    return;
  }
  if (process.getuid?.() !== 0 || !(await which("apt-get"))) {
    throw new Error(
      `Programs are missing on this machine: they are in the Debian packages ${missing.join(", ")}.\n` +
        "Install them, or run this as root on Debian or Ubuntu, where it installs them itself.",
    );
  }
  say(`installing ${missing.join(", ")}`);
  await withoutServices(() => install(missing, say));
}

async function install(packages: string[], say: (line: string) => void): Promise<void> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const apt = (args: string[]) =>
    attempt("apt-get", ["-o", "DPkg::Lock::Timeout=300", "-qq", ...args], { env, onLine: say });
  const command = ["install", "-y", "--no-install-recommends", ...packages];
  if ((await apt(command)).ok) {
    return;
  }
  await apt(["update"]);
  await run("apt-get", ["-o", "DPkg::Lock::Timeout=300", "-qq", ...command], { env, onLine: say });
}

/** Debian starts a package's services when it is installed; the lab needs the programs only. policy-rc.d says no. */
async function withoutServices(work: () => Promise<void>): Promise<void> {
  const policy = "/usr/sbin/policy-rc.d";
  if (existsSync(policy)) {
    return work();
  }
  await mkdir("/usr/sbin", { recursive: true });
  await writeFile(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await work();
  } finally {
    await rm(policy, { force: true });
  }
}
