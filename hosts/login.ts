import type { types } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { hostKey, KnownHosts, scanCommand } from "./knownHosts";
import { rolloutProblem } from "./rollout";
import type { RegistryTrustArgs, TrustSsh } from "../components/registryTrust/registryTrust";

/** Connection of one command; the host key is always there. */
export type TrustLogin = types.input.remote.ConnectionArgs;

/** Seconds for one try to connect, and tries after the first: a dead node is given up after about ten seconds. */
const patience = { perDialTimeout: 5, dialErrorLimit: 1 };

/** What a node and a jump host have in common. */
type Login = Pick<TrustSsh, "user" | "port" | "privateKey" | "privateKeyFile" | "privateKeyPassword" | "password"> & {
  agentSocket?: string;
};

/**
 * How to connect to each node, by name.
 *
 * @throws pulumi.RunError naming every mistake at once: duplicate names or hosts, unknown host keys, unreadable keys
 */
export function loginsOf(args: RegistryTrustArgs): Map<string, TrustLogin> {
  const problems = nodeProblems(args);
  const read = new Reader(problems);
  const known = new KnownHosts(read.knownHosts(args.ssh?.knownHostsFile));
  const logins = new Map<string, TrustLogin>();
  for (const node of args.nodes) {
    const ssh = { ...args.ssh, ...defined(node) };
    const bastion = ssh.bastion === undefined ? undefined : { ...loginOnly(args.ssh), ...defined(ssh.bastion) };
    logins.set(node.name, {
      ...read.connection(`node ${node.name}`, node.host, ssh, node.hostKey, known),
      ...(bastion === undefined
        ? {}
        : { proxy: read.connection(`bastion of node ${node.name}`, bastion.host, bastion, bastion.hostKey, known) }),
    });
  }
  if (problems.length > 0) {
    throw new pulumi.RunError([...new Set(problems)].join("\n"));
  }
  return logins;
}

/** Mistakes in the list itself. */
function nodeProblems(args: RegistryTrustArgs): string[] {
  const problems: string[] = [];
  const names = new Set<string>();
  const places = new Map<string, string>();
  for (const node of args.nodes) {
    if (!/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/i.test(node.name)) {
      problems.push(`Not a node name: nodes, ${JSON.stringify(node.name)}. Use letters, digits, dots and hyphens.`);
    }
    if (names.has(node.name)) {
      problems.push(`Two nodes have one name: nodes, ${node.name}. Give each its own.`);
    }
    names.add(node.name);
    if (typeof node.host === "string") {
      const place = `${node.host.toLowerCase()}:${node.port ?? args.ssh?.port ?? 22}`;
      const other = places.get(place);
      if (other !== undefined && node.bastion === undefined) {
        problems.push(`Two nodes are one host: nodes, ${other} and ${node.name} (${place}). Keep one.`);
      }
      places.set(place, node.name);
    }
  }
  const rollout = rolloutProblem([...names], args.rollout ?? {});
  return rollout === undefined ? problems : [...problems, rollout];
}

/** Without keys that are there but undefined, which would hide a default. */
function defined<T extends object>(settings: T): T {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as T;
}

/** A jump host is logged into as nodes are, unless it says otherwise; but its port is its own. */
function loginOnly(ssh: TrustSsh | undefined): Login {
  const { user, privateKey, privateKeyFile, privateKeyPassword, password, agentSocket } = ssh ?? {};
  return defined({ user, privateKey, privateKeyFile, privateKeyPassword, password, agentSocket });
}

type FoundKey = { key: string } | { problem: string };

/** The key from the stack, else from known_hosts; a host without one is never talked to. */
function keyOf(where: string, host: string, port: number, given: string | undefined, known: KnownHosts): FoundKey {
  if (given !== undefined) {
    const key = hostKey(given);
    return key === undefined
      ? { problem: `The host key cannot be read: ${where}. Give it as in known_hosts: ssh-ed25519 AAAA…` }
      : { key };
  }
  const key = known.find(host, port);
  return key === undefined
    ? {
        problem:
          `The host key is not known: ${where} (${host}, port ${port}). Run \`${scanCommand(host, port)}\`, compare the key with ` +
          "the one on the host (/etc/ssh/ssh_host_ed25519_key.pub), and put it into known_hosts, or into the stack file as hostKey.",
      }
    : { key };
}

/** Reads keys and known hosts, and gathers what is wrong with them. */
class Reader {
  private readonly files = new Map<string, string | undefined>();

  constructor(private readonly problems: string[]) {}

  connection(
    where: string,
    host: pulumi.Input<string>,
    login: Login,
    given: pulumi.Input<string> | undefined,
    known: KnownHosts,
  ): TrustConnection {
    const port = login.port ?? 22;
    const key = login.privateKey ?? (login.privateKeyFile === undefined ? undefined : this.privateKey(where, login));
    return {
      host,
      port,
      user: login.user ?? "root",
      hostKey: this.hostKey(where, host, port, given, known),
      ...(key === undefined ? {} : { privateKey: pulumi.secret(key) }),
      ...(login.privateKeyPassword === undefined
        ? {}
        : { privateKeyPassword: pulumi.secret(login.privateKeyPassword) }),
      ...(login.password === undefined ? {} : { password: pulumi.secret(login.password) }),
      ...(login.agentSocket === undefined ? {} : { agentSocketPath: login.agentSocket }),
      ...patience,
    };
  }

  /** The host key; what the program itself has yet to learn of a host is judged once it is known. */
  private hostKey(
    where: string,
    host: pulumi.Input<string>,
    port: number,
    given: pulumi.Input<string> | undefined,
    known: KnownHosts,
  ): pulumi.Input<string> {
    if (typeof host === "string" && (given === undefined || typeof given === "string")) {
      return this.orProblem(keyOf(where, host, port, given, known));
    }
    return pulumi.all([host, given]).apply(([plainHost, plainKey]) => {
      const found = keyOf(where, plainHost, port, plainKey, known);
      if ("problem" in found) {
        throw new pulumi.RunError(found.problem);
      }
      return found.key;
    });
  }

  private orProblem(found: FoundKey): string {
    if ("problem" in found) {
      this.problems.push(found.problem);
      return "";
    }
    return found.key;
  }

  private privateKey(where: string, login: Login): string | undefined {
    const text = this.file(login.privateKeyFile!);
    if (text === undefined) {
      this.problems.push(`The private key cannot be read: ${where}, ${login.privateKeyFile}. Check the path.`);
    } else if (!text.includes("PRIVATE KEY-----")) {
      this.problems.push(
        `The file holds no private key: ${where}, ${login.privateKeyFile}. Name the one without .pub.`,
      );
      return undefined;
    }
    return text;
  }

  /** Contents of the known_hosts files; the default ones may be missing. */
  knownHosts(setting: string | string[] | undefined): string[] {
    const paths = setting === undefined ? ["~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"] : [setting].flat();
    return paths.map((path) => {
      const text = this.file(path);
      if (text === undefined && setting !== undefined) {
        this.problems.push(`The known_hosts file cannot be read: ${path}. Check knownHostsFile.`);
      }
      return text ?? "";
    });
  }

  private file(path: string): string | undefined {
    const full = path.replace(/^~(?=\/)/, homedir());
    if (!this.files.has(full)) {
      try {
        this.files.set(full, readFileSync(full, "utf8"));
      } catch {
        this.files.set(full, undefined);
      }
    }
    return this.files.get(full);
  }
}

/** The fields that a node's and a jump host's connection share. */
interface TrustConnection {
  host: pulumi.Input<string>;
  port: number;
  user: pulumi.Input<string>;
  hostKey: pulumi.Input<string>;
  privateKey?: pulumi.Output<string>;
  privateKeyPassword?: pulumi.Output<string>;
  password?: pulumi.Output<string>;
  agentSocketPath?: string;
  perDialTimeout: number;
  dialErrorLimit: number;
}
