/**
 * The image of merge requests' jobs, by ci/Dockerfile as users build it, but on the lab's stand-in for pulumi/pulumi-nodejs,
 * and pushed to the lab's registry.
 */
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Engine } from "../engine/engine";
import { checkout, imageFiles, label, registry, server } from "../machine/places";
import { has } from "./debian";
import { image, proxies } from "./images";
import { manifestDigest } from "./nodeImages";

type Say = (line: string) => void;

/** All that ci/Dockerfile needs of the checkout; .dockerignore lets nothing else in. */
const files = ["ci/Dockerfile", "package.json", "package-lock.json", "lab/package.json"];

/** Name by which jobs on the lab take the image. Builds it, and pushes it, where it is not there. */
export async function deployImage(engine: Engine, say: Say): Promise<string> {
  const base = await image(engine, "pulumi", say);
  const hash = createHash("sha256").update(base);
  for (const file of files) {
    hash.update(`${file}\0`).update(readFileSync(join(checkout, file)));
  }
  const tag = hash.digest("hex").slice(0, 12);
  const reference = `pi-lab/deploy:${tag}`;
  if (!(await has(engine, reference))) {
    await build(engine, base, reference, say);
  }
  await push(engine, reference, tag, say);
  return `${registry.address}/deploy:${tag}`;
}

async function build(engine: Engine, base: string, reference: string, say: Say): Promise<void> {
  const context = mkdtempSync(join(tmpdir(), "pi-lab-context-"));
  try {
    for (const file of files) {
      mkdirSync(dirname(join(context, file)), { recursive: true });
      cpSync(join(checkout, file), join(context, file));
    }
    const options = ["--file", join(context, "ci/Dockerfile"), "--build-arg", `BASE=${base}`, "--tag", reference];
    await engine.run(["build", "--network", "host", "--label", label, ...options, ...proxies(), context], {
      env: { DOCKER_BUILDKIT: "0" }, // the classic builder takes the network of the host as it is
      onLine: (line) => say(`image deploy: ${line.slice(0, 100)}`),
    });
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

async function push(engine: Engine, reference: string, tag: string, say: Say): Promise<void> {
  if ((await manifestDigest("deploy", tag)) !== undefined) {
    return;
  }
  say(`pushing ${registry.address}/deploy:${tag}`);
  const file = join(imageFiles, `deploy-${tag}.tar`); // the cache is where the server sees it at the same path
  mkdirSync(imageFiles, { recursive: true });
  try {
    await engine.run(["save", "--output", file, reference]);
    const [from, to] = [`docker-archive:${file}`, `docker://localhost:${registry.port}/deploy:${tag}`];
    await engine.exec(server.container, ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", from, to]);
  } finally {
    rmSync(file, { force: true });
  }
}

/** Puts onto a node what the jobs need, by the commands that docs/merge-requests.md has for a runner of way shell. */
export async function deployHost(engine: Engine, container: string, reference: string): Promise<void> {
  const guide = readFileSync(join(checkout, "docs/merge-requests.md"), "utf8");
  const [, commands] = /### By a runner of way `shell`[^]*?```sh\n([^]*?)```/.exec(guide)!;
  const own = commands!
    .replaceAll(/^docker log(in|out) .*\n/gm, "")
    .replaceAll("REGISTRY/GROUP/PROJECT/deploy:latest", reference);
  // What stands for an installation of Pulumi is where the image's base has it.
  const pulumi = [
    "docker cp deploy:/usr/local/bin - | tar -x -C /usr/local --wildcards 'bin/pulumi*'",
    "docker cp -q deploy:/usr/local/lib/pulumi-language-nodejs /usr/local/lib",
  ];
  const script = ["set -eu", own.replace("docker rm deploy", [...pulumi, "docker rm deploy"].join("\n"))];
  await engine.exec(container, ["sh"], { input: script.join("\n") });
}

/** Takes it away again. */
export async function removeDeployHost(engine: Engine, container: string): Promise<void> {
  const programs = "/usr/local/bin/pulumi* /usr/local/lib/pulumi-language-nodejs";
  const paths = `/opt/pi-runners /node_modules /etc/profile.d/pi-runners.sh ${programs}`;
  await engine.exec(container, ["sh", "-c", `docker rm --force deploy; rm -rf ${paths}`]);
}
