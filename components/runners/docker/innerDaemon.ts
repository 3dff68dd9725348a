import type { Registry } from "../../registryTrust/registry";

/** What the Docker daemon inside a DinD job or service is to know. */
interface InnerDaemonSettings {
  /** Registries that it is to trust: the same setting that reaches the nodes. */
  registries: Registry[];
  /** Mirrors of Docker Hub that it asks first. Where none answers, Docker asks Docker Hub itself. */
  mirrors?: string[];
  /** MTU of its bridge, bytes. Needed where the network around it carries less than 1500. */
  mtu?: number;
  /** The release of its Docker, as far as the image's tag tells: some keys are only known from one on. */
  dockerMajor?: number;
  /** True: the daemon is told of changes while it runs. It takes over only what the file names, so lists that are empty, too. */
  reloads?: boolean;
}

/** Most that the logs of one container inside the inner daemon take: they lie on the node's SD card. */
const logOptions = { "max-size": "10m", "max-file": "2" };

/**
 * The files of an inner daemon, by path below `/etc/docker`: its daemon.json, and a CA for every registry that has one.
 *
 * They are files, not flags, because a CA needs a file anyway, and a command would take the TLS defaults of the
 * image's entrypoint away. Keys are those that every release since 20.10 knows; an
 * unknown key would stop the daemon.
 */
export function innerDaemonFiles(settings: InnerDaemonSettings): Record<string, string> {
  const { mirrors = [] } = settings;
  const insecure = [
    ...settings.registries.filter((registry) => registry.insecure).map((registry) => registry.address),
    // BuildKit takes the scheme of a mirror from here (moby, daemon/builder.go: it drops that of `registry-mirrors`).
    ...mirrors.filter((mirror) => mirror.startsWith("http://")).map((mirror) => new URL(mirror).host),
  ];
  const daemon: Record<string, unknown> = { "log-driver": "json-file", "log-opts": logOptions };
  if (insecure.length > 0 || settings.reloads === true) {
    daemon["insecure-registries"] = [...new Set(insecure)].sort();
  }
  if (mirrors.length > 0 || settings.reloads === true) {
    daemon["registry-mirrors"] = mirrors;
  }
  if (settings.mtu !== undefined) {
    daemon["mtu"] = settings.mtu;
    if ((settings.dockerMajor ?? 0) >= 24) {
      // `mtu` reaches the default bridge only; networks that a job makes get theirs from here, known since 24.0.
      daemon["default-network-opts"] = { bridge: { "com.docker.network.driver.mtu": String(settings.mtu) } };
    }
  }
  const files: Record<string, string> = { "daemon.json": JSON.stringify(daemon, null, 2) + "\n" };
  for (const registry of settings.registries) {
    if (registry.ca !== undefined && !registry.insecure) {
      files[`certs.d/${registry.address}/pi-runners.crt`] = registry.ca.trimEnd() + "\n";
    }
  }
  return files;
}

/** The major release in a Docker image's tag, such as 29 in `docker:29.7.2-dind`; undefined when the tag has none. */
export function dockerMajor(image: string): number | undefined {
  const tag = /:v?(\d+)(\.\d+)*([-_][\w.-]+)?(@.*)?$/.exec(image);
  return tag ? Number(tag[1]) : undefined;
}
