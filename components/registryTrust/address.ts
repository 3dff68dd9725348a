import { isIP } from "node:net";

/**
 * One label of a host name, as Docker's grammar of image names has it: no underscore, which `docker pull` takes for an
 * invalid reference and dockerd for an invalid host (distribution/reference, regexp.go; moby, registry/config.go).
 */
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

/** Names by which Docker knows Docker Hub; its settings for them are fixed, and are overwritten at each start. */
const dockerHub = ["docker.io", "index.docker.io"];

/**
 * Says what is wrong with a registry's address and what would be right; undefined when nothing is.
 *
 * It is checked before any node is touched, because the engine itself does not: `dockerd --validate` passes
 * `host:5050/group`, which then fails only when it is applied (moby, cmd/dockerd and registry/config.go).
 */
export function addressError(address: string): string | undefined {
  if (typeof address !== "string" || address.trim() === "") {
    return "is empty; give host or host:port, as in image names";
  }
  const given = JSON.stringify(address);
  if (/[\s\u0000-\u001f\u007f]/.test(address)) {
    return `${given} contains white space; write ${JSON.stringify(address.replace(/[\s\u0000-\u001f\u007f]+/g, ""))}`;
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(address);
  if (scheme) {
    const rest = address.slice(scheme[0].length).replace(/\/.*$/, "");
    return `${given} has a scheme (${scheme[1]}); write ${JSON.stringify(rest)}, and for plain HTTP set insecure`;
  }
  if (address.includes("@")) {
    return `${given} contains a user name; write host or host:port only, as credentials belong to docker login`;
  }
  return isNetwork(address) ? networkError(address) : hostAndPortError(address);
}

/** True for a network in CIDR notation, which only Docker knows, and only as insecure. */
export function isNetwork(address: string): boolean {
  return address.includes("/");
}

/**
 * How Docker tells whether two addresses are the same entry: networks by their first address and length, so that
 * `10.0.0.7/24` is `10.0.0.0/24`; hosts letter by letter (moby, registry/config.go).
 */
export function canonicalAddress(address: string): string {
  if (!isNetwork(address) || networkError(address) !== undefined) {
    return address;
  }
  const [ip, bits] = address.split("/") as [string, string];
  const kind = isIP(ip);
  const rest = BigInt((kind === 4 ? 32 : 128) - Number(bits));
  return `IPv${kind} ${((numberOf(ip, kind) >> rest) << rest).toString(16)}/${bits}`;
}

function numberOf(ip: string, kind: number): bigint {
  if (kind === 4) {
    return ip.split(".").reduce((sum, part) => (sum << 8n) + BigInt(part), 0n);
  }
  const [head, tail] = hexadecimal(ip).split("::") as [string, string | undefined];
  const parts = (text: string | undefined): string[] => (text ? text.split(":") : []);
  const zeros = Array<string>(8 - parts(head).length - parts(tail).length).fill("0");
  const all = tail === undefined ? parts(head) : [...parts(head), ...zeros, ...parts(tail)];
  return all.reduce((sum, part) => (sum << 16n) + BigInt(`0x${part}`), 0n);
}

/** An IPv6 address in its shortest form, without dotted numbers at its end. */
function hexadecimal(ip: string): string {
  return new URL(`http://[${ip}]`).hostname.slice(1, -1);
}

/** `a/b` is fine only as a network in CIDR notation. */
function networkError(address: string): string | undefined {
  const given = JSON.stringify(address);
  const slash = address.indexOf("/");
  const [ip, bits] = [address.slice(0, slash), address.slice(slash + 1)];
  const kind = isIP(ip);
  if (kind === 0) {
    return `${given} has a path (${address.slice(slash)}); trust is per host, so write ${JSON.stringify(ip)}`;
  }
  if (ip.includes("%")) {
    return `${given} has a zone (${ip.slice(ip.indexOf("%"))}), which no Docker takes; write ${JSON.stringify(`${ip.replace(/%.*/, "")}/${bits}`)}`;
  }
  const most = kind === 4 ? 32 : 128;
  if (!/^(0|[1-9]\d{0,2})$/.test(bits) || Number(bits) > most) {
    return `${given} has a prefix length that is not a number from 0 to ${most}; write for example "192.168.1.0/24"`;
  }
  const mapped = kind === 6 ? mappedAddress(ip) : undefined;
  if (mapped !== undefined && Number(bits) >= 96) {
    return `${given} is an IPv4 network in the form of IPv6; write "${mapped}/${Number(bits) - 96}"`;
  }
  return undefined;
}

/** The IPv4 address that `::ffff:a.b.c.d` stands for; undefined for any other address. */
function mappedAddress(ip: string): string | undefined {
  const value = numberOf(ip, 6);
  const bytes = [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n);
  return value >> 32n === 0xffffn ? bytes.join(".") : undefined;
}

function hostAndPortError(address: string): string | undefined {
  const given = JSON.stringify(address);
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(address);
  if (bracketed) {
    return bracketedError(given, bracketed[1]!, bracketed[2]);
  }
  const [host, port, more] = address.split(":") as [string, string | undefined, string | undefined];
  if (more !== undefined) {
    return isIP(address) === 6
      ? `${given} is an IPv6 address without brackets; write "[${address}]" or "[${address}]:5000"`
      : `${given} has more than one colon; write host or host:port`;
  }
  return nameError(given, host) ?? portError(given, port) ?? imageNameError(given, host, port);
}

function bracketedError(given: string, ip: string, port: string | undefined): string | undefined {
  if (isIP(ip) !== 6) {
    return `${given} holds no IPv6 address in its brackets; write for example "[fd00::10]:5000"`;
  }
  const suffix = port === undefined ? "" : `:${port}`;
  if (ip.includes("%")) {
    return `${given} has a zone (${ip.slice(ip.indexOf("%"))}), which no Docker takes; give the registry an address that needs none, such as "[fd00::10]${suffix}", or a name`;
  }
  if (ip.includes(".")) {
    const right = mappedAddress(ip) ?? `[${hexadecimal(ip)}]`;
    return `${given} has dots in its brackets, which no image name may have; write "${right}${suffix}"`;
  }
  return portError(given, port);
}

function nameError(given: string, host: string): string | undefined {
  if (host.length > 253 || !host.split(".").every((part) => label.test(part))) {
    const underscore = host.includes("_") ? " (no underscore: no Docker takes it in an image's name)" : "";
    return `${given} is not a name or an IP address; use letters, digits, dots and hyphens${underscore}`;
  }
  if (/^[\d.]+$/.test(host) && isIP(host) !== 4) {
    return `${given} looks like an IPv4 address but is none; write four numbers from 0 to 255`;
  }
  return undefined;
}

function portError(given: string, port: string | undefined): string | undefined {
  if (port === undefined || (/^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65535)) {
    return undefined;
  }
  return `${given} has a port that is not a number from 1 to 65535; write for example "registry.lan:5000"`;
}

/** Addresses that are well-formed, but mean Docker Hub when they stand at the beginning of an image's name. */
function imageNameError(given: string, host: string, port: string | undefined): string | undefined {
  if (port === undefined && dockerHub.includes(host.toLowerCase())) {
    return (
      `${given} is Docker Hub, which every engine reaches by HTTPS with public certificates, whatever is set; ` +
      "name the registry that stands in for it (a mirror belongs to the engine's own settings), or leave it out"
    );
  }
  if (port === undefined && !host.includes(".") && host !== "localhost") {
    return (
      `${given} has neither dot nor port, so ${host}/image would be an image of Docker Hub; ` +
      `write "${host}:80" for HTTP, "${host}:443" for HTTPS, or the full name, and the same in image names`
    );
  }
  return undefined;
}
