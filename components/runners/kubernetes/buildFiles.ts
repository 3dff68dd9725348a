import { stringify } from "smol-toml";
import type { Registry } from "../../registryTrust/registry";
import { buildCacheDefaults, type BuildCache } from "./settings";

/** Folder in a job's container from which Buildah, Podman and Skopeo take their settings, and BuildKit its CAs. */
export const containersFolder = "/etc/containers";

/** Folder in a job's container from which BuildKit takes its settings. */
export const buildkitFolder = "/etc/buildkit";

/** Where builds keep images and layers; a volume, as the container's own file system is itself made of layers. */
export const imageStore = "/var/lib/containers";

/**
 * Settings of the builders in jobs' pods, by path below `containersFolder`: containers-registries.conf(5),
 * containers-storage.conf(5), containers-policy.json(5), containers-certs.d(5). The folder takes the place of the image's own,
 * so it has everything that a builder cannot do without.
 */
export function containersFiles(registries: Registry[], mirrors: string[] = []): Record<string, string> {
  const insecure = [...new Set(registries.filter((one) => one.insecure).map(({ address }) => address))].sort();
  const known = [...insecure.map((location) => ({ location, insecure: true })), ...hubByMirrors(mirrors)];
  return {
    // As Docker understands a name without a host.
    "registries.conf": stringify({
      "unqualified-search-registries": ["docker.io"],
      "short-name-mode": "disabled",
      ...(known.length === 0 ? {} : { registry: known }),
    }),
    // Layers as plain folders: all that a pod without privileges can do on every node.
    "storage.conf": stringify({
      storage: { driver: "vfs", graphroot: `${imageStore}/storage`, runroot: "/run/containers/storage" },
    }),
    "policy.json": `${JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }, null, 2)}\n`,
    ...certificates(registries),
  };
}

/**
 * buildkitd.toml for the same registries (BuildKit's docs/buildkitd.toml.md). The daemon of a job removes what is too much a
 * second after it has started (moby/buildkit v0.33.0, control/control.go), so each build does.
 */
export function buildkitFile(registries: Registry[], mirrors: string[] = [], cache?: BuildCache): string {
  const hosts = mirrors.map(hostOf);
  const ofMirrors: [string, object][] =
    mirrors.length === 0
      ? []
      : [
          ["docker.io", { mirrors: hosts }],
          ...mirrors.filter(isPlain).map((url): [string, object] => [hostOf(url), { http: true, insecure: true }]),
        ];
  const ofRegistries = registries.map(({ address, insecure, ca }): [string, object] => [
    address,
    insecure === true
      ? { http: true, insecure: true }
      : ca === undefined
        ? {}
        : { ca: [`${containersFolder}/${certificatePath(address)}`] },
  ]);
  const sections = [...ofMirrors, ...ofRegistries].sort(([a], [b]) => (a < b ? -1 : 1));
  const { maxSize, minFree } = { ...buildCacheDefaults, ...cache };
  // It goes before the guard of the layers (layersGuard.ts), and both before the kubelet.
  const worker = { oci: { gc: true, maxUsedSpace: maxSize, minFreeSpace: `${Math.ceil(minFree * 1.25)}%` } };
  return stringify({ registry: Object.fromEntries(sections), ...(cache === undefined ? {} : { worker }) });
}

/** Docker Hub with the mirrors that are asked before it. */
function hubByMirrors(mirrors: string[]): object[] {
  const mirror = mirrors.map((url) => ({ location: hostOf(url), ...(isPlain(url) ? { insecure: true } : {}) }));
  return mirrors.length === 0 ? [] : [{ location: "docker.io", mirror }];
}

const hostOf = (url: string): string => new URL(url).host;
const isPlain = (url: string): boolean => url.startsWith("http://");

function certificates(registries: Registry[]): Record<string, string> {
  const own = registries.filter(({ ca, insecure }) => ca !== undefined && insecure !== true);
  return Object.fromEntries(own.map(({ address, ca }) => [certificatePath(address), `${ca!.trimEnd()}\n`]));
}

const certificatePath = (address: string): string => `certs.d/${address}/pi-runners.crt`;

/** A ConfigMap's keys take no slash and no colon, so the files are numbered there; `path` is where they go. */
export function containersItems(
  registries: Registry[],
  mirrors?: string[],
): { key: string; path: string; content: string }[] {
  return Object.entries(containersFiles(registries, mirrors)).map(([path, content], index) => ({
    key: path.includes("/") ? `file-${index}` : path,
    path,
    content,
  }));
}
