import { createHmac, timingSafeEqual } from "node:crypto";

/** One line of a known_hosts file. */
interface KnownHost {
  patterns: string[];
  /** Type and key, as in authorized_keys: `ssh-ed25519 AAAA…`. */
  key: string;
  revoked: boolean;
  /** Where it stands: of two keys of one type the first one counts. */
  place: number;
}

/** Types that are used, the preferred one first. RSA is not: Pulumi's SSH client would ask for SHA-1 signatures with it. */
const types = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"];

/**
 * Host keys from known_hosts files: plain and hashed names, `[host]:port`, patterns, negation, `@revoked`.
 * Certificate authorities (`@cert-authority`) are passed over, as Pulumi's SSH client takes single keys only.
 *
 * The format is that of sshd(8), section SSH_KNOWN_HOSTS FILE FORMAT.
 */
export class KnownHosts {
  /** Lines of plain names, by name: stacks of hundreds of nodes look up each of them. */
  private readonly plain = new Map<string, KnownHost[]>();
  /** Lines that must be compared with every name. */
  private readonly others: KnownHost[] = [];

  /** @param texts contents of the files, in the order in which they are searched */
  constructor(texts: string[]) {
    const lines = texts.flatMap((text) => text.split(/\r?\n/));
    for (const line of lines.flatMap((text, place) => parseLine(text, place))) {
      if (line.patterns.some((pattern) => /[*?!|]/.test(pattern))) {
        this.others.push(line);
        continue;
      }
      for (const pattern of new Set(line.patterns.map((name) => name.toLowerCase()))) {
        this.plain.set(pattern, [...(this.plain.get(pattern) ?? []), line]);
      }
    }
  }

  /** The best key known for a host, as `type base64`; undefined when there is none, or none that can be used. */
  find(host: string, port: number): string | undefined {
    const name = port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;
    const matching = [
      ...(this.plain.get(name) ?? []),
      ...this.others.filter((line) => matches(line.patterns, name)),
    ].sort((a, b) => a.place - b.place);
    const revoked = new Set(matching.filter((line) => line.revoked).map((line) => line.key));
    const keys = matching.filter((line) => !line.revoked && !revoked.has(line.key)).map((line) => line.key);
    for (const type of types) {
      const key = keys.find((candidate) => candidate.startsWith(`${type} `));
      if (key !== undefined) {
        return key;
      }
    }
    return undefined;
  }
}

function parseLine(line: string, place: number): KnownHost[] {
  const fields = line.trim().split(/\s+/);
  const marker = fields[0]?.startsWith("@") ? fields.shift() : undefined;
  const [patterns, type, key] = fields;
  if (patterns === undefined || patterns.startsWith("#") || type === undefined || key === undefined) {
    return [];
  }
  if (marker !== undefined && marker !== "@revoked") {
    return [];
  }
  const valid = hostKey(`${type} ${key}`);
  const revoked = marker === "@revoked";
  return valid === undefined ? [] : [{ patterns: patterns.split(","), key: valid, revoked, place }];
}

function matches(patterns: string[], name: string): boolean {
  if (patterns[0]!.startsWith("|1|")) {
    return matchesHash(patterns[0]!, name);
  }
  const hit = (pattern: string): boolean => wildcard(pattern.toLowerCase()).test(name);
  return (
    !patterns.some((pattern) => pattern.startsWith("!") && hit(pattern.slice(1))) &&
    patterns.some((pattern) => !pattern.startsWith("!") && hit(pattern))
  );
}

/** `|1|salt|hash`: HMAC-SHA1 of the name, keyed with the salt. */
function matchesHash(pattern: string, name: string): boolean {
  const [, , salt, hash] = pattern.split("|");
  const wanted = Buffer.from(hash ?? "", "base64");
  const found = createHmac("sha1", Buffer.from(salt ?? "", "base64"))
    .update(name)
    .digest();
  return wanted.length === found.length && timingSafeEqual(wanted, found);
}

function wildcard(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`);
}

/**
 * A host key as `type base64`, from a line of known_hosts, authorized_keys or a .pub file; undefined when it is none.
 * The key's own first field must repeat its type, so that a truncated or mixed-up line is not taken for one.
 */
export function hostKey(text: string): string | undefined {
  const found = /(?:^|\s)((?:ssh|ecdsa)-[a-z0-9-]+) +([A-Za-z0-9+/]+={0,2})(?:\s|$)/.exec(text.trim());
  if (found === null) {
    return undefined;
  }
  const blob = Buffer.from(found[2]!, "base64");
  const length = blob.length > 4 ? blob.readUInt32BE(0) : 0;
  return blob.subarray(4, 4 + length).toString("ascii") === found[1] ? `${found[1]} ${found[2]}` : undefined;
}

/** Says why a host key that was given cannot be used, and what would be right; undefined when it can. */
export function hostKeyError(text: string): string | undefined {
  const key = hostKey(text);
  if (key === undefined) {
    return "is no host key; give it as it stands in /etc/ssh/ssh_host_ed25519_key.pub: ssh-ed25519 AAAA…";
  }
  const type = key.split(" ")[0]!;
  return types.includes(type)
    ? undefined
    : `is of a type that cannot be used (${type}: Pulumi's SSH client would want SHA-1 for it); ` +
        "give the host's other key, as it stands in /etc/ssh/ssh_host_ed25519_key.pub: ssh-ed25519 AAAA…";
}

/** The command that shows a host's key, for somebody to compare with the one on the host itself. */
export function scanCommand(host: string, port: number): string {
  return `ssh-keyscan -t ed25519 ${port === 22 ? "" : `-p ${port} `}${host}`;
}
