/**
 * Programs that the lab builds from Go modules, once per version: `lab/builds/NAME` pins a module and everything that it
 * needs; `lab/oci` and `lab/plugins` are the lab's own. What is built is kept in the cache under a hash of its sources.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { basename, join, relative } from "node:path";
import { runnerVersion } from "../../components/runners/images";
import { withLock } from "../machine/locks";
import { binaries, cache, checkout } from "../machine/places";
import { attempt, run } from "../machine/processes";
import { which } from "../machine/packages";

interface Build {
  /** Folder with the go.mod, under lab/. */
  module: string;
  packages: readonly string[];
  /** Other names of the one program that comes out of it, which does what its name says. */
  links?: readonly string[];
  ldflags?: readonly string[];
  /** Scripts of modules that are put beside the programs as they are. */
  scripts?: readonly { module: string; file: string }[];
  /** What to say while it is built: how long it takes on two cores with nothing cached. */
  about: string;
}

const pulumiVersion = "v3.250.0"; // as lab/builds/pulumi/go.mod
const kubernetesVersion = "v1.36.3"; // as lab/builds/kubernetes/go.mod
const runnerModule = "gitlab.com/gitlab-org/gitlab-runner"; // what is left out: lab/builds/gitlab-runner/standIns
// As lab/builds/engines/go.mod. Docker's module is a beta of September 2026, of the time of 29.9; unnamed it would say 0.0.0.
export const labDockerVersion = "29.9.0";
const buildkitVersion = "v0.33.0";
const containerdVersion = "v2.4.2";
const versionPackage = "k8s.io/component-base/version";

export const builds = {
  oci: { module: "oci", packages: ["./cmd/runc", "./cmd/pause"], about: "a few seconds" },
  pulumi: {
    module: "builds/pulumi",
    packages: ["github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"],
    ldflags: [`-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=${pulumiVersion}`],
    about: "about 5 minutes",
  },
  "language-nodejs": {
    module: "builds/language-nodejs",
    packages: ["github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs"],
    about: "about 20 seconds",
  },
  kubernetes: {
    module: "builds/kubernetes",
    packages: ["."],
    links: ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"],
    ldflags: [
      `-X ${versionPackage}.gitVersion=${kubernetesVersion}`,
      `-X ${versionPackage}.gitMajor=1`,
      `-X ${versionPackage}.gitMinor=${kubernetesVersion.split(".")[1]}`,
    ],
    about: "about 5 minutes",
  },
  "gitlab-runner": {
    module: "builds/gitlab-runner",
    packages: [runnerModule, `${runnerModule}/apps/gitlab-runner-helper`],
    // GitLab gets the version. Every job's log shows the revision, which says that this is not GitLab's own build.
    ldflags: [
      `-X ${runnerModule}/common.VERSION=${runnerVersion}`,
      `-X ${runnerModule}/common.REVISION=features-left-out`,
      `-X ${runnerModule}/common.BRANCH=lab`,
    ],
    about: "about 6 minutes",
  },
  /** Docker with its containerd: for docker:dind, and for nodes of kind docker29. */
  docker: {
    module: "builds/engines",
    packages: [
      "github.com/moby/moby/v2/cmd/dockerd",
      "github.com/moby/moby/v2/cmd/docker-proxy",
      "github.com/containerd/containerd/v2/cmd/containerd",
      "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
    ],
    ldflags: [
      `-X github.com/moby/moby/v2/dockerversion.Version=${labDockerVersion}`,
      `-X github.com/containerd/containerd/v2/version.Version=${containerdVersion}`,
    ],
    about: "about 5 minutes",
  },
  // For tests only.
  buildkit: {
    module: "builds/engines",
    packages: [
      "github.com/moby/buildkit/cmd/buildkitd",
      "github.com/moby/buildkit/cmd/buildctl",
      "github.com/rootless-containers/rootlesskit/v3/cmd/rootlesskit",
      "github.com/containerd/containerd/v2/cmd/ctr",
    ],
    ldflags: [`-X github.com/moby/buildkit/version.Version=${buildkitVersion}`],
    scripts: [{ module: "github.com/moby/buildkit", file: "examples/buildctl-daemonless/buildctl-daemonless.sh" }],
    about: "about 4 minutes",
  },
  // For tests only: a place for Pulumi's state.
  s3: {
    module: "builds/s3",
    packages: ["github.com/versity/versitygw/cmd/versitygw"],
    about: "about 2 minutes",
  },
  plugins: {
    module: "plugins",
    packages: ["./cmd/pulumi-resource-kubernetes", "./cmd/pulumi-resource-random", "./cmd/pulumi-resource-command"],
    about: "about 2 minutes",
  },
} as const satisfies Record<string, Build>;

export type BuildName = keyof typeof builds;

/** At most two builds at a time: each keeps all cores busy, and the linker is hungry for memory. */
const places = 2;

/** Folder with the programs of this build; builds them where the cache has none. */
export async function built(name: BuildName, say: (line: string) => void): Promise<string> {
  const build: Build = builds[name];
  const folder = join(binaries, `${name}-${keyOf(build)}`);
  if (existsSync(folder)) {
    return touched(folder);
  }
  if (!(await which("go"))) {
    throw new Error(
      `Go is not installed on this machine, and ${name} has to be built.\n` +
        "Install Go (version as in lab/builds/*/go.mod) so that `go` is on PATH, and run this again.",
    );
  }
  return withLock(join(cache, "locks", `build-${name}`), waits(say, name), async () => {
    if (existsSync(folder)) {
      return touched(folder);
    }
    await download(name, build, say);
    return inTurn(say, name, () => compile(name, build, folder, say));
  });
}

const waits = (say: (line: string) => void, name: string) => () => say(`${name}: another process builds it, waiting`);

/** Takes one of the places for builds on this machine, whichever process asks. */
async function inTurn<T>(say: (line: string) => void, name: string, work: () => Promise<T>): Promise<T> {
  const slot = Object.keys(builds).indexOf(name) % places;
  return withLock(join(cache, "locks", `slot-${slot}`), () => say(`${name}: waits for its turn`), work);
}

/** Fetches what it is built from, while others compile. What fails here fails there too, with a better message. */
async function download(name: string, build: Build, say: (line: string) => void): Promise<void> {
  const onLine = (line: string): void => {
    if (line.startsWith("go: downloading")) {
      say(`${name}: ${line.slice(4, 100)}`);
    }
  };
  await attempt("go", ["list", "-deps", ...build.packages], { ...surroundings(build), onLine });
}

const surroundings = (build: Build) => ({
  cwd: join(checkout, "lab", build.module),
  env: { CGO_ENABLED: "0", GOFLAGS: "-mod=readonly" },
});

async function compile(name: string, build: Build, folder: string, say: (line: string) => void): Promise<string> {
  const unfinished = `${folder}.part`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  let packages = 0;
  await run(
    "go",
    [
      "build",
      "-v",
      "-trimpath",
      // What `-s -w` throws away needs not be made: a fifth of the compiler's time.
      "-gcflags=all=-dwarf=false",
      "-ldflags",
      ["-s", "-w", ...(build.ldflags ?? [])].join(" "),
      "-o",
      `${unfinished}/`,
    ].concat(build.packages),
    {
      ...surroundings(build),
      onLine: (line) => say(`${name} (${build.about}): ${++packages} packages, ${line.slice(-60)}`),
    },
  );
  const [program = ""] = readdirSync(unfinished);
  for (const link of build.links ?? []) {
    symlinkSync(program, join(unfinished, link));
  }
  for (const { module, file } of build.scripts ?? []) {
    const home = await run("go", ["list", "-m", "-f", "{{.Dir}}", module], surroundings(build));
    copyFileSync(join(home.trim(), file), join(unfinished, basename(file)));
    chmodSync(join(unfinished, basename(file)), 0o755);
  }
  renameSync(unfinished, folder);
  removeOld(name);
  return folder;
}

function keyOf(build: Build): string {
  const hash = createHash("sha256");
  hash.update(
    JSON.stringify([
      build.packages,
      build.ldflags ?? [],
      process.arch,
      ...(build.links ?? []),
      ...(build.scripts ?? []),
    ]),
  );
  const root = join(checkout, "lab", build.module);
  for (const file of goFiles(root)) {
    hash.update(relative(root, file)).update(readFileSync(file));
  }
  return hash.digest("hex").slice(0, 12);
}

function goFiles(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.go$|^go\.(mod|sum)$|\.(json|yaml|tmpl)$/.test(entry.name))
    .filter((entry) => !entry.name.endsWith("_test.go"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** The time of last use, for `removeOld`. */
function touched(folder: string): string {
  utimesSync(folder, new Date(), new Date());
  return folder;
}

const twoWeeks = 14 * 24 * 3600 * 1000;

/** Other versions of the same programs that nobody has used for two weeks. */
function removeOld(name: string): void {
  for (const entry of readdirSync(binaries).filter((found) => found.startsWith(`${name}-`))) {
    const folder = join(binaries, entry);
    if (Date.now() - statSync(folder).mtimeMs > twoWeeks) {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

/** The Pulumi on PATH, else the folder of the one that is built. */
export async function pulumiFolder(say: (line: string) => void): Promise<string | undefined> {
  if ((await attempt("pulumi", ["version"])).ok) {
    return undefined;
  }
  return built("pulumi", say);
}
