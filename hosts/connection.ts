import * as pulumi from "@pulumi/pulumi";
import { existsSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { refuseInvalid, type InputError } from "../components/inputErrors";
import { hostKey as parsedHostKey, hostKeyError, KnownHosts, scanCommand } from "./knownHosts";
import { loginSecrets, type HostBastion, type HostLogin, type HostNode, type HostSsh } from "./ssh";

/** How to connect to a host, as @pulumi/command wants it; the host key is always there. */
export interface HostConnection extends Hop {
  /** The bastion on the way. */
  proxy?: Hop;
}

type Hop = {
  host: pulumi.Input<string>;
  port: number;
  user: pulumi.Input<string>;
  hostKey: pulumi.Input<string>;
  agentSocketPath?: string;
  perDialTimeout: number;
  dialErrorLimit: number;
} & { [key in (typeof loginSecrets)[number]]?: pulumi.Output<string> };

/** Seconds for one try to connect, and tries after the first: a dead node is given up after about ten seconds. */
const patience = { perDialTimeout: 5, dialErrorLimit: 1 };

/** Jobs have a file of their own (docs/merge-requests.md): a host's may be that of other jobs, too. */
function defaultKnownHosts(): string[] {
  return [process.env["PI_RUNNERS_KNOWN_HOSTS"] || "~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"];
}

/**
 * How to connect to each host, by its name, and what is wrong with what was given for that: names and addresses that occur
 * twice, unknown host keys, unreadable files. What only the update finds out is judged then.
 */
export function hostConnections(
  nodes: HostNode[],
  ssh: HostSsh = {},
): { connections: Map<string, HostConnection>; errors: InputError[] } {
  const reader = new Reader(ssh.knownHostsFile);
  const connections = new Map<string, HostConnection>();
  for (const [index, node] of nodes.entries()) {
    connections.set(node.name, connectionOf(reader, { path: `nodes[${index}]`, settings: node }, node, ssh));
  }
  return { connections, errors: [...listErrors(nodes, ssh), ...reader.errors()] };
}

/** Settings, and where they stand among the inputs. */
interface Layer {
  path: string;
  settings: HostLogin;
}

function connectionOf(reader: Reader, own: Layer, node: HostNode, ssh: HostSsh): HostConnection {
  const shared: Layer = { path: "ssh", settings: ssh };
  const connection = reader.hop(`node ${node.name}`, node, own, shared);
  const bastion = node.bastion ?? ssh.bastion;
  if (bastion === undefined) {
    return connection;
  }
  const place = { path: `${(node.bastion === undefined ? shared : own).path}.bastion`, settings: bastion };
  const { port: _, ...login } = ssh;
  const who = node.bastion === undefined ? "the bastion" : `the bastion of node ${node.name}`;
  return { ...connection, proxy: reader.hop(who, bastion, place, { path: "ssh", settings: login }) };
}

/** Errors in the list itself. */
function listErrors(nodes: HostNode[], ssh: HostSsh): InputError[] {
  const errors: InputError[] = [];
  const names = new Map<string, number>();
  const places = new Map<string, number>();
  for (const [index, node] of nodes.entries()) {
    const add = (key: string, reason: string): unknown =>
      errors.push({ propertyPath: `nodes[${index}].${key}`, reason });
    if (!/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/i.test(node.name)) {
      add("name", `${JSON.stringify(node.name)} is no node name; use letters, digits, dots and hyphens`);
    }
    if (names.has(node.name)) {
      add("name", `"${node.name}" is the name of nodes[${names.get(node.name)}] too; each needs its own`);
    }
    names.set(node.name, names.get(node.name) ?? index);
    if (typeof node.host !== "string") {
      continue;
    }
    if (/^\w+:\/\/|[\s/@]/.test(node.host) || node.host === "") {
      add("host", `"${node.host}" is no host; write a name or an address, and give user and port by their own keys`);
    }
    const place = placeOf(node.host, node, ssh);
    if (place !== undefined && places.has(place.all)) {
      add("host", `"${place.address}" is the address of nodes[${places.get(place.all)}] too; each needs its own`);
    }
    if (place !== undefined) {
      places.set(place.all, places.get(place.all) ?? index);
    }
  }
  return errors;
}

/** What tells one host from another: behind different bastions, one private address is two hosts. */
function placeOf(host: string, node: HostNode, ssh: HostSsh): { address: string; all: string } | undefined {
  const address = `${host.toLowerCase().replace(/\.$/, "")}:${node.port ?? ssh.port ?? 22}`;
  const bastion = node.bastion ?? ssh.bastion;
  if (bastion === undefined) {
    return { address, all: address };
  }
  return typeof bastion.host === "string"
    ? { address, all: `${bastion.host.toLowerCase()}:${bastion.port ?? 22} ${address}` }
    : undefined;
}

type FoundKey = { key: string } | { reason: string };

/** Builds connections from files and settings, and gathers what is wrong with them, each once. */
class Reader {
  private readonly found = new Map<string, InputError>();
  private readonly files = new Map<string, string | undefined>();
  private readonly known: KnownHosts;
  /** False where a file that was named is missing, of which unknown keys would only be the consequence. */
  private readonly judgesKeys: boolean;

  constructor(private readonly knownHostsFile: string | string[] | undefined) {
    const texts = [knownHostsFile ?? defaultKnownHosts()].flat().map((file, index) => {
      const path = Array.isArray(knownHostsFile) ? `ssh.knownHostsFile[${index}]` : "ssh.knownHostsFile";
      return this.text(knownHostsFile === undefined ? undefined : path, file);
    });
    this.judgesKeys = knownHostsFile === undefined || texts.every((text) => text !== undefined);
    this.known = new KnownHosts(texts.map((text) => text ?? ""));
  }

  errors(): InputError[] {
    return [...this.found.values()];
  }

  hop(who: string, { host, hostKey }: HostNode | HostBastion, own: Layer, shared: Layer): Hop {
    const setting = <K extends keyof HostLogin>(key: K): HostLogin[K] => own.settings[key] ?? shared.settings[key];
    const port = setting("port") ?? 22;
    const secrets = loginSecrets.flatMap((key) => {
      const value = key === "privateKey" ? (this.privateKey(own) ?? this.privateKey(shared)) : setting(key);
      return value === undefined ? [] : [[key, pulumi.secret(value)] as const];
    });
    const agentSocketPath = setting("agentSocket");
    return {
      host,
      port,
      user: setting("user") ?? "root",
      hostKey: this.hostKey(who, `${own.path}.hostKey`, host, port, hostKey),
      ...Object.fromEntries(secrets),
      ...(agentSocketPath === undefined ? {} : { agentSocketPath }),
      ...patience,
    };
  }

  /** The host key; what the program itself has yet to learn of a host is judged once it is known. */
  private hostKey(
    who: string,
    path: string,
    host: pulumi.Input<string>,
    port: number,
    given: pulumi.Input<string> | undefined,
  ): pulumi.Input<string> {
    if (typeof host === "string" && (given === undefined || typeof given === "string")) {
      const found = this.keyOf(who, host, port, given);
      if ("reason" in found && (given !== undefined || this.judgesKeys)) {
        this.add(path, found.reason);
      }
      return "key" in found ? found.key : "";
    }
    return pulumi.all([host, given]).apply(([plainHost, plainKey]) => {
      const found = this.keyOf(who, plainHost, port, plainKey);
      refuseInvalid(`The login of ${who}`, "reason" in found ? [{ propertyPath: path, reason: found.reason }] : []);
      return (found as { key: string }).key;
    });
  }

  /** The key from the stack, else from known_hosts; a host without one is never talked to. */
  private keyOf(who: string, host: string, port: number, given: string | undefined): FoundKey {
    if (given !== undefined) {
      const reason = hostKeyError(given);
      return reason === undefined ? { key: parsedHostKey(given)! } : { reason };
    }
    const key = this.known.find(host, port);
    const files = [this.knownHostsFile ?? defaultKnownHosts()].flat().join(" or ");
    return key === undefined
      ? {
          reason:
            `the host key of ${who} (${host}, port ${port}) is not in ${files}; run ${scanCommand(host, port)}, compare with the ` +
            "host's own /etc/ssh/ssh_host_ed25519_key.pub, and put it there or here",
        }
      : { key };
  }

  private privateKey({ path, settings: { privateKey, privateKeyFile: file } }: Layer): Layer["settings"]["privateKey"] {
    if (privateKey !== undefined || file === undefined) {
      return privateKey;
    }
    const text = this.text(`${path}.privateKeyFile`, file);
    if (text !== undefined && !text.includes("PRIVATE KEY-----")) {
      this.add(`${path}.privateKeyFile`, `${file} holds no private key; name the one without .pub`);
    }
    return text;
  }

  /** Contents of a file, read once; one that cannot be read is an error where a path says whose it is. */
  private text(path: string | undefined, file: string): string | undefined {
    const full = file.startsWith("~/") ? resolve(homedir(), file.slice(2)) : resolve(file);
    if (!this.files.has(full)) {
      this.files.set(full, contents(full));
    }
    const text = this.files.get(full);
    if (text === undefined && path !== undefined) {
      this.add(path, `${full} ${unreadable(full)}`);
    }
    return text;
  }

  private add(propertyPath: string, reason: string): void {
    this.found.set(`${propertyPath} ${reason}`, { propertyPath, reason });
  }
}

function contents(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function unreadable(file: string): string {
  if (!existsSync(file)) {
    return "does not exist; name a file that does, relative to the project or from ~/";
  }
  return statSync(file).isDirectory() ? "is a folder; name a file" : "cannot be read; check who may read it";
}
