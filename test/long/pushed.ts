/** What a pipeline has pushed to the lab's registry, as the registry itself tells it. */
import assert from "node:assert/strict";
import { registryUrl } from "../lab/stack/lab";

export interface Pushed {
  repository: string;
  digest: string;
}

/** The image of this repository that a trace names last. */
export function pushed(trace: string, repository: string): Pushed {
  const named = [...trace.matchAll(/\S+?\/(\S+)@(sha256:[0-9a-f]{64})/g)].filter(([, name]) => name === repository);
  const digest = named.at(-1)?.[2];
  assert.ok(digest !== undefined, `the trace names no image of ${repository}:\n${trace}`);
  return { repository, digest };
}

interface Manifest {
  manifests?: { platform: { architecture: string } }[];
  config?: { digest: string };
}

/** The architectures of an image: of all that its name stands for, or of the one that it is. Attestations have none. */
export async function platformsOf({ repository, digest }: Pushed): Promise<string[]> {
  const manifest = (await get(`${repository}/manifests/${digest}`)) as Manifest;
  if (manifest.manifests === undefined) {
    const { architecture } = (await get(`${repository}/blobs/${manifest.config!.digest}`)) as { architecture: string };
    return [architecture];
  }
  const found = manifest.manifests.map(({ platform }) => platform.architecture);
  return found.filter((one) => one !== "unknown").sort();
}

async function get(path: string): Promise<unknown> {
  const types = ["docker.distribution.manifest.list.v2", "docker.distribution.manifest.v2"]
    .map((name) => `application/vnd.${name}+json`)
    .concat("application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json");
  const response = await fetch(`${registryUrl}/v2/${path}`, { headers: { Accept: types.join(", ") } });
  assert.equal(response.status, 200, `${path}: ${response.status}`);
  return JSON.parse(await response.text());
}
