/** Puts the images of runners and jobs where they are used: each node's Docker and containerd, and the registry. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gitlabUrl, registryUrl } from "../cluster/controlPlane";
import type { Engine } from "../engine/engine";
import { LabGitlab } from "../gitlab/client";
import { debian } from "./debian";
import { image, type ImageName, images } from "./images";
import { sourceOf } from "./official";
import { imageFiles, type LabNode, registry, server } from "../machine/places";

type Say = (line: string) => void;

/** For jobs: in each node's Docker. */
const forJobs = ["runner", "helper", "cli", "dind"] as const;
/** For pods: in each node's containerd. */
const forPods = ["runner", "pause", "cli", "dind", "helper"] as const;

const alias = (name: ImageName): string => images[name].alias ?? name;

interface ImageSet {
  /** Hash of what is in it. */
  key: string;
  /** A docker-archive in the cache, which every node sees at the same path. */
  file: string;
  /** Name to id. */
  ids: Map<string, string>;
}

export interface ImageSets {
  /** One line per image that could be an official one: where it comes from. */
  sources: string[];
  jobs: ImageSet;
  pods: ImageSet;
}

/** Builds what is missing, the slow ones at the same time, and saves it to files. */
export async function imageSets(engine: Engine, say: Say): Promise<ImageSets> {
  await Promise.all([image(engine, "dind", say), image(engine, "helper", say), image(engine, "runner", say)]);
  await image(engine, "pause", say);
  await image(engine, "cli", say);
  const sources = (["runner", "helper"] as const).flatMap((name) => {
    const { alias, official } = images[name];
    return official ? [`image ${alias}: ${sourceOf(official)}`] : [];
  });
  return { sources, jobs: await save(engine, "jobs", forJobs, say), pods: await save(engine, "pods", forPods, say) };
}

async function save(engine: Engine, name: string, members: readonly ImageName[], say: Say): Promise<ImageSet> {
  const ids = new Map<string, string>();
  for (const member of members) {
    const id = await engine.run(["image", "inspect", "--format", "{{.Id}}", alias(member)]);
    ids.set(alias(member), id.trim());
  }
  const key = createHash("sha256")
    .update(JSON.stringify([...ids]))
    .digest("hex")
    .slice(0, 12);
  const file = join(imageFiles, `${name}-${key}.tar`);
  if (!existsSync(file)) {
    say(`saving images for ${name}`);
    mkdirSync(imageFiles, { recursive: true });
    await engine.run(["save", "--output", `${file}.part`, ...ids.keys()]);
    renameSync(`${file}.part`, file);
    removeOthers(`${name}-`, file);
  }
  return { key, file, ids };
}

function removeOthers(prefix: string, keep: string): void {
  for (const entry of readdirSync(imageFiles).filter((found) => found.startsWith(prefix))) {
    if (join(imageFiles, entry) !== keep) {
      rmSync(join(imageFiles, entry), { force: true });
    }
  }
}

/** Loads what a node's Docker and containerd lack. */
export async function loadImages(engine: Engine, nodes: readonly LabNode[], sets: ImageSets, say: Say): Promise<void> {
  const waiting = [...nodes];
  const worker = async (): Promise<void> => {
    for (let node = waiting.shift(); node; node = waiting.shift()) {
      await loadPods(engine, node, sets.pods, say);
      await loadJobs(engine, node, sets.jobs, say);
    }
  };
  await Promise.all([worker(), worker()]);
}

async function loadJobs(engine: Engine, node: LabNode, { file, ids }: ImageSet, say: Say): Promise<void> {
  const inspect = ["exec", node.container, "docker", "image", "inspect", "--format", "{{.Id}}", ...ids.keys()];
  const found = await engine.attempt(inspect);
  if (found.ok && found.stdout.trim() === [...ids.values()].join("\n")) {
    return;
  }
  say(`${node.name}: loading images into Docker`);
  await engine.exec(node.container, ["docker", "load", "--quiet", "--input", file]);
}

async function loadPods(engine: Engine, node: LabNode, { key, file, ids }: ImageSet, say: Say): Promise<void> {
  const marker = "/var/lib/containerd/pi-lab-images";
  const ctr = ["ctr", "--namespace", "k8s.io", "images"];
  const marked = await engine.attempt(["exec", node.container, "cat", marker]);
  const listed = await engine.attempt(["exec", node.container, ...ctr, "ls", "-q"]);
  const names = listed.stdout.split("\n");
  if (marked.stdout === key && [...ids.keys()].every((name) => names.includes(`docker.io/${name}`))) {
    return;
  }
  say(`${node.name}: importing images into containerd`);
  await engine.exec(node.container, [...ctr, "import", file]);
  await engine.exec(node.container, ["tee", marker], { input: key });
}

/** Images for pods that stack dev does without: they are built, and put into nodes, where something runs that needs them. */
export type FurtherImage = "buildah" | "buildkit" | "registry";

/** Puts these images into the containerd of nodes that lack them. */
export async function loadForPods(
  engine: Engine,
  nodes: readonly LabNode[],
  names: readonly FurtherImage[],
  say: Say,
): Promise<void> {
  for (const name of names) {
    const reference = await image(engine, name, say);
    const marker = `/var/lib/containerd/pi-lab-${name}`;
    const there = `cat ${marker}; ctr --namespace k8s.io images ls -q name==docker.io/${alias(name)}`;
    const found = await Promise.all(
      nodes.map(({ container }) => engine.attempt(["exec", container, "sh", "-c", there])),
    );
    const waiting = nodes.filter((_, at) => found[at]!.stdout.trim() !== `${reference}\ndocker.io/${alias(name)}`);
    const file = join(imageFiles, `${name}-${process.pid}.tar`);
    rmSync(file, { force: true });
    try {
      for (const { name: node, container } of waiting) {
        if (!existsSync(file)) {
          await engine.run(["save", "--output", file, alias(name)]);
        }
        say(`${node}: importing ${alias(name)} into containerd`);
        await engine.exec(container, ["ctr", "--namespace", "k8s.io", "images", "import", file]);
        await engine.exec(container, ["tee", marker], { input: `${reference}\n` });
      }
    } finally {
      rmSync(file, { force: true });
    }
  }
}

/** The image that sample projects build on; in GitLab's registry it belongs to a public project. */
export const baseImage = { repository: "base", tag: "1", project: "base", projectRepository: "lab/base" } as const;

export async function pushBaseImage(engine: Engine, say: Say): Promise<void> {
  const reference = await debian(engine, "trixie", say);
  const key = reference.split(":")[1] ?? "";
  const readme = "The image that sample projects build on. Everybody may pull it.\n";
  await new LabGitlab(gitlabUrl).createProject(baseImage.project, { files: { "README.md": readme }, public: true });
  const targets = [baseImage.repository, baseImage.projectRepository].flatMap((repository) =>
    [baseImage.tag, key].map((tag) => ({ repository, tag })),
  );
  const there = await Promise.all(targets.map(({ repository, tag }) => manifestDigest(repository, tag)));
  if (there.every((digest) => digest !== undefined)) {
    return;
  }
  const file = join(imageFiles, `base-${key}.tar`);
  if (!existsSync(file)) {
    await engine.run(["save", "--output", `${file}.part`, reference]);
    renameSync(`${file}.part`, file);
    removeOthers("base-", file);
  }
  for (const { repository, tag } of targets) {
    say(`pushing ${registry.address}/${repository}:${tag}`);
    const destination = `docker://localhost:${registry.port}/${repository}:${tag}`;
    const copy = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", `docker-archive:${file}`, destination];
    await engine.exec(server.container, copy);
  }
}

/** Images for jobs of an engine that begins empty, as the one in a runner's pod: it pulls them, as on a real node. */
const forEngines = ["helper", "cli", "dind"] as const;

/** Pushes these to the registry, under the names that the nodes know them by. */
export async function pushJobImages(engine: Engine, { jobs }: ImageSets, say: Say): Promise<void> {
  for (const [repository = "", tag = ""] of forEngines.map((name) => alias(name).split(":"))) {
    const name = `${repository}:${tag}`;
    if ((await imageId(repository, tag)) !== jobs.ids.get(name)) {
      say(`pushing ${registry.address}/${name}`);
      const [from, to] = [`docker-archive:${jobs.file}:${name}`, `docker://localhost:${registry.port}/${name}`];
      await engine.exec(server.container, ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", from, to]);
    }
  }
}

/** What Docker calls the id of the image that the registry has under this name. */
async function imageId(repository: string, tag: string): Promise<string | undefined> {
  const response = await fetch(`${registryUrl}/v2/${repository}/manifests/${tag}`, {
    headers: { Accept: manifestTypes[0]! },
    signal: AbortSignal.timeout(10_000),
  });
  const manifest = (await response.json()) as { config?: { digest?: string } };
  return manifest.config?.digest;
}

const manifestTypes = [
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.index.v1+json",
];

/** Digest of an image as the registry holds it; undefined where it has none of that name. */
export async function manifestDigest(repository: string, tag: string): Promise<string | undefined> {
  const url = `${registryUrl}/v2/${repository}/manifests/${tag}`;
  const response = await fetch(url, {
    headers: { Accept: manifestTypes.join(", ") },
    signal: AbortSignal.timeout(10_000),
  });
  await response.arrayBuffer();
  if (response.status === 404) {
    return undefined;
  }
  if (!response.ok) {
    throw new Error(`The lab's registry answers ${response.status} to ${url}.\nRun make up again.`);
  }
  return response.headers.get("docker-content-digest") ?? undefined;
}
