import type * as pulumi from "@pulumi/pulumi";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { Client, ConnectConfig } from "ssh2";
import type { HostConnection } from "./connection";

/** A connection with everything known. */
type SshConnection = pulumi.Unwrap<HostConnection>;

type Hop = Omit<SshConnection, "proxy">;

/** Limits in milliseconds: a node that is off must not hold up a preview. */
const limits = { connect: 4000, all: 20_000, send: 1_800_000 };

/**
 * Runs one command on a host and gives it its stdin; for looking at nodes while previewing, where Pulumi runs nothing.
 *
 * @throws Error with the command's stderr, or what went wrong on the way
 */
export function sshRun(connection: SshConnection, command: string, input: string): Promise<string> {
  return within(limits.all, connection, (client) => execute(client, command, input));
}

/**
 * Runs a command on a host that takes a file after its stdin, unless the host has it: the command's first line says `send`
 * or `have`.
 *
 * @throws Error with the command's stderr, or what went wrong on the way
 */
export function sshSend(connection: SshConnection, command: string, input: string, file: string): Promise<string> {
  return within(limits.send, connection, (client) => execute(client, command, input, file));
}

/** Does something over a connection, which is closed afterwards, within a time in milliseconds. */
async function within<T>(time: number, connection: SshConnection, work: (client: Client) => Promise<T>): Promise<T> {
  const clients: Client[] = [];
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${time / 1000} s`)), time);
  });
  try {
    return await Promise.race([late, reach(clients, connection).then(work)]);
  } finally {
    clearTimeout(timer);
    for (const client of clients) {
      client.destroy();
    }
  }
}

/** A connection to the host, through its bastion if there is one. */
async function reach(clients: Client[], { proxy, ...host }: SshConnection): Promise<Client> {
  let sock: ConnectConfig["sock"];
  if (proxy !== undefined) {
    const jump = await connect(clients, proxy);
    sock = await new Promise((resolve, reject) =>
      jump.forwardOut("127.0.0.1", 0, host.host, host.port, (error, channel) =>
        error ? reject(error) : resolve(channel),
      ),
    );
  }
  return connect(clients, host, sock);
}

/** A connection to a host that has proven itself with the known key; with no other one is a word exchanged. */
async function connect(clients: Client[], hop: Hop, sock?: ConnectConfig["sock"]): Promise<Client> {
  const { Client: SshClient } = await import("ssh2");
  const client = new SshClient();
  clients.push(client);
  const [type, key] = hop.hostKey.split(" ");
  let other = false;
  return new Promise((resolve, reject) => {
    const otherKey = `${hop.host} shows another host key than the one that is known (${type} ${key}): the host was reinstalled, or it is another one`;
    client.on("ready", () => resolve(client)).on("error", (error) => reject(other ? new Error(otherKey) : error));
    client.connect({
      host: hop.host,
      port: hop.port,
      username: hop.user,
      privateKey: hop.privateKey,
      passphrase: hop.privateKeyPassword,
      password: hop.password,
      agent: hop.agentSocketPath ?? process.env.SSH_AUTH_SOCK,
      readyTimeout: limits.connect,
      algorithms: { serverHostKey: [type as "ssh-ed25519"] },
      hostVerifier: (shown: Buffer) => {
        other = shown.toString("base64").replace(/=+$/, "") !== key!.replace(/=+$/, "");
        return !other;
      },
      sock,
    });
  });
}

function execute(client: Client, command: string, input: string, file?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error) {
        reject(error);
        return;
      }
      let out = "";
      let err = "";
      channel.on("data", (chunk: Buffer) => {
        out += chunk.toString();
        if (file !== undefined && out.includes("\n")) {
          const wanted = file;
          file = undefined;
          pipeline(out.startsWith("send\n") ? createReadStream(wanted) : [], channel).catch(reject);
        }
      });
      channel.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
      channel.on("close", (status: number | null) =>
        status === 0 ? resolve(out) : reject(new Error(err.trim() || `ended with ${String(status)}`)),
      );
      if (file === undefined) {
        channel.end(input);
      } else {
        channel.write(input);
      }
    });
  });
}
