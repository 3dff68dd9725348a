import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";

/** A container registry that nodes, runners and builds are to trust. */
export interface Registry {
  /**
   * `host` or `host:port`, as it stands in image names, for example `registry.lan:5000`; or, for an insecure one,
   * a network such as `192.168.1.0/24`. Never with a scheme or a path.
   */
  address: string;
  /** True: HTTP, or HTTPS without verification. It excludes `ca`, as Docker uses a CA only for secure registries. */
  insecure?: boolean;
  /** The certificate authority that signed the registry's certificate, as PEM text (one or more certificates). */
  ca?: string;
}

const label = /^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$/i;

/**
 * Says what is wrong with a registry's address, in three parts: what, where, what to do; undefined when nothing is.
 *
 * It is checked before any node is touched, because the engine itself does not: `dockerd --validate` passes
 * `host:5050/group`, which then fails only when it is applied (moby, cmd/dockerd and registry/config.go).
 */
export function registryProblem(address: string): string | undefined {
  const where = `registry address ${JSON.stringify(address)}`;
  if (typeof address !== "string" || address.trim() === "") {
    return `The address is empty: ${where}. Give host or host:port, as in image names.`;
  }
  if (/[\s\u0000-\u001f\u007f]/.test(address)) {
    return `The address contains white space: ${where}. Write ${JSON.stringify(address.replace(/[\s\u0000-\u001f\u007f]+/g, ""))}.`;
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(address);
  if (scheme) {
    const rest = address.slice(scheme[0].length).replace(/\/.*$/, "");
    return `The address has a scheme (${scheme[1]}): ${where}. Write ${JSON.stringify(rest)}; for plain HTTP set insecure.`;
  }
  if (address.includes("@")) {
    return `The address contains a user name: ${where}. Write host or host:port only; credentials belong to docker login.`;
  }
  const slash = address.indexOf("/");
  if (slash >= 0) {
    return networkProblem(address, where, slash);
  }
  return hostAndPortProblem(address, where);
}

/** `a/b` is fine only as a network in CIDR notation. */
function networkProblem(address: string, where: string, slash: number): string | undefined {
  const ip = address.slice(0, slash);
  const bits = address.slice(slash + 1);
  const kind = isIP(ip);
  if (kind === 0) {
    const host = JSON.stringify(ip);
    return `The address has a path (${address.slice(slash)}): ${where}. Trust is per host: write ${host}.`;
  }
  const most = kind === 4 ? 32 : 128;
  if (!/^(0|[1-9]\d{0,2})$/.test(bits) || Number(bits) > most) {
    return `The network's prefix length is not a number from 0 to ${most}: ${where}. Write for example "192.168.1.0/24".`;
  }
  return undefined;
}

function hostAndPortProblem(address: string, where: string): string | undefined {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(address);
  if (bracketed) {
    if (isIP(bracketed[1]!) !== 6) {
      return `The brackets hold no IPv6 address: ${where}. Write for example "[fd00::10]:5000".`;
    }
    return bracketed[2] === undefined ? undefined : portProblem(bracketed[2], where);
  }
  const [host, port, more] = address.split(":");
  if (more !== undefined) {
    return isIP(address) === 6
      ? `An IPv6 address needs brackets: ${where}. Write "[${address}]" or "[${address}]:5000".`
      : `The address has more than one colon: ${where}. Write host or host:port.`;
  }
  const name = host!.endsWith(".") ? undefined : host!;
  if (name === undefined || name.length > 253 || !name.split(".").every((part) => label.test(part))) {
    return `The host is not a name or an IP address: ${where}. Use letters, digits, dots and hyphens.`;
  }
  if (/^[\d.]+$/.test(name) && isIP(name) !== 4) {
    return `The host looks like an IPv4 address but is none: ${where}. Write four numbers from 0 to 255.`;
  }
  return port === undefined ? undefined : portProblem(port, where);
}

function portProblem(port: string, where: string): string | undefined {
  if (/^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65535) {
    return undefined;
  }
  return `The port is not a number from 1 to 65535: ${where}. Write for example "registry.lan:5000".`;
}

/** True for a network in CIDR notation, which only Docker knows, and only as insecure. */
export function isNetwork(address: string): boolean {
  return address.includes("/");
}

/**
 * Says what is wrong with a whole registry setting; undefined when nothing is. A certificate that has expired is not
 * refused here: whose clock is wrong is for the node to say.
 */
export function registrySettingProblem(registry: Registry): string | undefined {
  const problem = registryProblem(registry.address);
  if (problem !== undefined) {
    return problem;
  }
  const where = `registry ${registry.address}`;
  if (registry.insecure && registry.ca !== undefined) {
    return (
      `insecure and ca exclude each other: ${where}. Docker uses a CA only while a registry is not insecure; ` +
      "keep ca, and drop insecure."
    );
  }
  if (isNetwork(registry.address) && !registry.insecure) {
    return `A network can only be insecure: ${where}. Set insecure, or name each host with its ca.`;
  }
  return registry.ca === undefined ? undefined : caProblem(registry.ca, where);
}

function caProblem(pem: string, where: string): string | undefined {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    return `The ca holds a private key: ${where}. Give the certificate only, and treat that key as exposed.`;
  }
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) {
    return `The ca is not a PEM certificate: ${where}. Give text that begins with -----BEGIN CERTIFICATE-----.`;
  }
  for (const [index, block] of blocks.entries()) {
    try {
      new X509Certificate(block);
    } catch {
      return `Certificate ${index + 1} of the ca cannot be read: ${where}. Export it again as PEM.`;
    }
  }
  return undefined;
}
