/**
 * Images of the lab, from Debian packages and what `builds.ts` builds: nothing is pulled. Each is tagged with a hash of
 * all that goes into it, so that what is there already is not built again.
 */
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { type BuildName, built } from "./builds";
import { lacksSysResource } from "./capabilities";
import type { Engine } from "./engine";
import { withLock } from "./locks";
import { cache, checkout, imageFiles, label } from "./places";
import { run } from "./processes";

/** Debian release of everything in the lab: the one with Docker 20.10. */
const suite = "bookworm";

/** In every image: what a job, a runner, its helper and a host all need. */
const basePackages = [
  "bash",
  "ca-certificates",
  "curl",
  "dumb-init",
  "git",
  "iproute2",
  "iptables",
  "openssl",
  "procps",
];

interface ImageSpec {
  /** Folder under lab/images with the Dockerfile. */
  folder: string;
  /** Built on this one; default: the Debian base. */
  base?: ImageName;
  /** Programs put into the build context: file name to build. */
  programs?: Record<string, BuildName>;
  /** Name under which the lab's stack file knows it. */
  alias?: string;
}

export const images = {
  node: { folder: "node", programs: { runc: "oci" } },
  server: { folder: "server" },
  pause: { folder: "pause", programs: { pause: "oci" }, alias: "pi-lab/pause:1" },
  runner: {
    folder: "gitlab-runner",
    programs: { "gitlab-runner": "gitlab-runner" },
    alias: "pi-lab/gitlab-runner:12.8.0",
  },
  helper: {
    folder: "gitlab-runner-helper",
    programs: { "gitlab-runner-helper": "gitlab-runner" },
    alias: "pi-lab/gitlab-runner-helper:12.8.0",
  },
  cli: { folder: "docker-cli", alias: "pi-lab/docker:cli" },
  dind: { folder: "docker-dind", base: "cli", programs: { runc: "oci" }, alias: "pi-lab/docker:dind" },
} as const satisfies Record<
  string,
  { folder: string; base?: string; programs?: Record<string, BuildName>; alias?: string }
>;

export type ImageName = keyof typeof images;

type Say = (line: string) => void;

/** Reference of the image; builds it, and what it stands on, where the engine does not have it. */
export async function image(engine: Engine, name: ImageName, say: Say): Promise<string> {
  const spec: ImageSpec = images[name];
  const reference = `pi-lab/${spec.folder}:${await key(name)}`;
  if (!(await has(engine, reference))) {
    const base = spec.base ? await image(engine, spec.base, say) : await debian(engine, say);
    const lock = join(cache, "locks", `image-${name}`);
    await withLock(
      lock,
      () => say(`${name}: another process builds it, waiting`),
      async () => {
        if (!(await has(engine, reference))) await build(engine, name, base, reference, say);
      },
    );
  }
  if (spec.alias) await engine.run(["tag", reference, spec.alias]);
  return reference;
}

export const has = async (engine: Engine, reference: string): Promise<boolean> =>
  (await engine.attempt(["image", "inspect", reference, "--format", "{{.Id}}"])).ok;

async function build(engine: Engine, name: ImageName, base: string, reference: string, say: Say): Promise<void> {
  const spec: ImageSpec = images[name];
  const context = mkdtempSync(join(tmpdir(), "pi-lab-context-"));
  try {
    cpSync(folderOf(spec), context, { recursive: true });
    for (const [file, from] of Object.entries(spec.programs ?? {})) {
      cpSync(join(await built(from, say), file), join(context, file));
    }
    const options = ["--network", "host", "--label", label, "--build-arg", `BASE=${base}`, "--tag", reference];
    if (spec.programs?.runc) options.push("--build-arg", `RUNC=${runcArgument()}`);
    await engine.run(["build", ...options, ...proxies(), context], {
      env: { DOCKER_BUILDKIT: "0" }, // 20.10's classic builder takes the network of the host as it is
      onLine: (line) => say(`image ${name}: ${line.slice(0, 100)}`),
    });
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

const folderOf = (spec: ImageSpec): string => join(checkout, "lab", "images", spec.folder);

/** Not empty where the lab's runc has to stand before the real one. */
const runcArgument = (): string => (lacksSysResource() ? "needed" : "");

const proxies = (): string[] =>
  ["http_proxy", "https_proxy", "no_proxy"].flatMap((name) => (process.env[name] ? ["--build-arg", name] : []));

async function key(name: ImageName): Promise<string> {
  const spec: ImageSpec = images[name];
  const hash = createHash("sha256").update(spec.base ? await key(spec.base) : debianKey());
  for (const [file, text] of filesOf(folderOf(spec))) hash.update(`${file}\0`).update(text);
  for (const from of Object.values(spec.programs ?? {})) hash.update(await built(from, () => undefined));
  if (spec.programs?.runc) hash.update(runcArgument());
  return hash.digest("hex").slice(0, 12);
}

function filesOf(folder: string): [string, Buffer][] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => [relative(folder, file), readFileSync(file)]);
}

const debianKey = (): string =>
  createHash("sha256")
    .update(JSON.stringify([suite, basePackages, 1]))
    .digest("hex")
    .slice(0, 12);

/** The base of all: a minimal Debian, bootstrapped from its packages. */
export async function debian(engine: Engine, say: Say): Promise<string> {
  const reference = `pi-lab/debian:${debianKey()}`;
  await withLock(
    join(cache, "locks", "debian"),
    () => say("another process bootstraps Debian, waiting"),
    async () => {
      if (await has(engine, reference)) return;
      const change = ["--change", "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8"];
      await engine.run(["import", ...change, "--change", `LABEL ${label}`, await bootstrap(say), reference]);
    },
  );
  return reference;
}

async function bootstrap(say: Say): Promise<string> {
  const file = join(imageFiles, `debian-${debianKey()}.tar`);
  if (existsSync(file)) return file;
  mkdirSync(imageFiles, { recursive: true });
  const leaveOut = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"];
  const options = leaveOut.map((path) => `--dpkgopt=path-exclude=${path}`);
  await run(
    "mmdebstrap",
    ["--variant=minbase", "--format=tar", `--include=${basePackages.join(",")}`, ...options, suite, `${file}.part`],
    { onLine: (line) => say(`Debian base: ${line.slice(0, 100)}`) },
  );
  renameSync(`${file}.part`, file);
  return file;
}
