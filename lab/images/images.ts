/**
 * Images of the lab, from Debian packages and what `builds.ts` builds. Only the runner's own are pulled, where that is
 * possible. Each is tagged with a hash of all that goes into it, so that what is there already is not built again.
 */
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { images as official, helperImage, runnerVersion } from "../../components/runners/images";
import { type BuildName, built } from "../builds/builds";
import type { Engine } from "../engine/engine";
import { lacksSysResource } from "../machine/capabilities";
import { withLock } from "../machine/locks";
import { cache, checkout, label } from "../machine/places";
import { debian, debianKey, has, type Suite } from "./debian";
import { pulled } from "./official";
import { pulumiFilesKey, putPulumiFiles } from "./pulumiFiles";

interface ImageSpec {
  /** Folder under lab/images with the Dockerfile. */
  folder: string;
  /** Built on this one; default: the Debian base. */
  base?: ImageName;
  /** Debian's release, where it is built on Debian itself; default: trixie. */
  suite?: Suite;
  /** Programs put into the build context: file name to build. */
  programs?: Record<string, BuildName>;
  /** Arguments of the Dockerfile. */
  arguments?: Record<string, string>;
  /** Name under which the lab's stack file knows it. */
  alias?: string;
  /** Further files of the build context, and what the image has to be built again for. */
  files?: { key: () => string; put: (context: string) => Promise<void> };
  /** The real one, taken instead where this machine can pull it; it needs an alias. */
  official?: string;
}

const docker29 = {
  dockerd: "docker",
  "docker-proxy": "docker",
  containerd: "docker",
  "containerd-shim-runc-v2": "docker",
} as const;

const specs = {
  node: { folder: "node", programs: { runc: "oci" } },
  // In Debian 12 the client is in docker.io itself, and there is no package of buildx.
  node12: {
    folder: "node",
    suite: "bookworm",
    programs: { runc: "oci" },
    arguments: { DOCKER: "docker.io" },
  },
  node28: { folder: "node-docker28", base: "node" },
  node29: {
    folder: "node-docker29",
    base: "node",
    programs: {
      ...docker29,
      buildkitd: "buildkit",
      buildctl: "buildkit",
      ctr: "buildkit",
    },
  },
  server: { folder: "server" },
  pause: { folder: "pause", programs: { pause: "oci" }, alias: "pi-lab/pause:1" },
  runner: {
    folder: "gitlab-runner",
    programs: { "gitlab-runner": "gitlab-runner" },
    alias: `pi-lab/gitlab-runner:${runnerVersion}`,
    official: official.runner,
  },
  helper: {
    folder: "gitlab-runner-helper",
    programs: { "gitlab-runner-helper": "gitlab-runner" },
    alias: `pi-lab/gitlab-runner-helper:${runnerVersion}`,
    official: helperImage(process.arch === "x64" ? "amd64" : "arm64"),
  },
  buildah: { folder: "buildah", alias: "pi-lab/buildah:1" },
  registry: { folder: "docker-registry", alias: "pi-lab/registry:2" },
  // For tests only: what jobs of merge requests run in stands on it (deployImage.ts), and where they keep Pulumi's state.
  pulumi: {
    folder: "pulumi-nodejs",
    programs: {
      pulumi: "pulumi",
      "pulumi-language-nodejs": "language-nodejs",
      "pulumi-resource-kubernetes": "plugins",
      "pulumi-resource-random": "plugins",
      "pulumi-resource-command": "plugins",
    },
    files: { key: pulumiFilesKey, put: putPulumiFiles },
  },
  postgres: { folder: "postgres" },
  squid: { folder: "squid" },
  /** Not for every node: the tests that need it load it. */
  buildkit: {
    folder: "buildkit",
    programs: {
      rootlesskit: "buildkit",
      buildkitd: "buildkit",
      buildctl: "buildkit",
      "buildctl-daemonless.sh": "buildkit",
    },
    alias: "pi-lab/buildkit:rootless",
  },
  cli: { folder: "docker-cli", alias: "pi-lab/docker:cli" },
  dind: { folder: "docker-dind", base: "cli", programs: { runc: "oci", ...docker29 }, alias: "pi-lab/docker:dind" },
} as const;

export type ImageName = keyof typeof specs;
export const images: Readonly<Record<ImageName, ImageSpec>> = specs;

type Say = (line: string) => void;

/** Reference of the image; builds it, and what it stands on, where the engine does not have it. */
export async function image(engine: Engine, name: ImageName, say: Say): Promise<string> {
  const spec = images[name];
  if (spec.official && spec.alias && (await pulled(engine, spec.official, spec.alias, say))) {
    return spec.alias;
  }
  const reference = `pi-lab/${spec.folder}:${await key(name, say)}`;
  if (!(await has(engine, reference))) {
    const base = spec.base ? await image(engine, spec.base, say) : await debian(engine, suiteOf(spec), say);
    const lock = join(cache, "locks", `image-${name}`);
    await withLock(
      lock,
      () => say(`${name}: another process builds it, waiting`),
      async () => {
        if (!(await has(engine, reference))) {
          await build(engine, name, base, reference, say);
        }
      },
    );
  }
  if (spec.alias) {
    await engine.run(["tag", reference, spec.alias]);
  }
  return reference;
}

const suiteOf = ({ suite }: ImageSpec): Suite => suite ?? "trixie";

async function build(engine: Engine, name: ImageName, base: string, reference: string, say: Say): Promise<void> {
  const spec = images[name];
  const context = mkdtempSync(join(tmpdir(), "pi-lab-context-"));
  try {
    cpSync(folderOf(spec), context, { recursive: true });
    for (const [file, from] of Object.entries(spec.programs ?? {})) {
      cpSync(join(await built(from, say), file), join(context, file));
    }
    await spec.files?.put(context);
    const options = ["--network", "host", "--label", label, "--build-arg", `BASE=${base}`, "--tag", reference];
    for (const [name, value] of Object.entries(spec.arguments ?? {})) {
      options.push("--build-arg", `${name}=${value}`);
    }
    if (spec.programs?.runc) {
      options.push("--build-arg", `RUNC=${runcArgument()}`);
    }
    await engine.run(["build", ...options, ...proxies(), context], {
      env: { DOCKER_BUILDKIT: "0" }, // the classic builder takes the network of the host as it is
      onLine: (line) => say(`image ${name}: ${line.slice(0, 100)}`),
    });
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

const folderOf = (spec: ImageSpec): string => join(checkout, "lab", "images", spec.folder);

/** Not empty where the lab's runc has to stand before the real one. */
const runcArgument = (): string => (lacksSysResource() ? "needed" : "");

export const proxies = (): string[] =>
  ["http_proxy", "https_proxy", "no_proxy"]
    .flatMap((name) => [name, name.toUpperCase()])
    .flatMap((name) => (process.env[name] ? ["--build-arg", name] : []));

async function key(name: ImageName, say: Say): Promise<string> {
  const spec = images[name];
  const hash = createHash("sha256").update(spec.base ? await key(spec.base, say) : debianKey(suiteOf(spec)));
  for (const [file, text] of filesOf(folderOf(spec))) {
    hash.update(`${file}\0`).update(text);
  }
  for (const from of new Set(Object.values(spec.programs ?? {}))) {
    hash.update(await built(from, say));
  }
  if (spec.files) {
    hash.update(spec.files.key());
  }
  if (spec.arguments) {
    hash.update(JSON.stringify(spec.arguments));
  }
  if (spec.programs?.runc) {
    hash.update(runcArgument());
  }
  return hash.digest("hex").slice(0, 12);
}

function filesOf(folder: string): [string, Buffer][] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => [relative(folder, file), readFileSync(file)]);
}
