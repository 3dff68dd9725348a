/** A small SSH server on loopback that runs commands in a shell: enough of a host, or of a bastion, for the command plugin. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { type AuthContext, Server, type ServerChannel, utils } from "ssh2";

export interface SshServer {
  port: number;
  /** As a line of an authorized_keys file. */
  hostKey: string;
  /** The private key that it lets in, in the user's name. */
  clientKey: string;
  /** How many sessions it let in. */
  logins(): number;
  close(): void;
}

export async function sshServer(user: string): Promise<SshServer> {
  const host = utils.generateKeyPairSync("ed25519");
  const client = utils.generateKeyPairSync("ed25519");
  let logins = 0;
  const server = new Server({ hostKeys: [host.private] }, (connection) => {
    connection.on("error", () => {});
    connection.on("authentication", (context) => {
      if (context.username === user && fits(context, client.public)) {
        context.accept();
      } else {
        context.reject(["publickey"]);
      }
    });
    connection.on("tcpip", (accept, reject, { destIP, destPort }) => {
      const onward = connect(destPort, destIP);
      onward.once("error", () => reject());
      onward.once("connect", () => {
        const channel = accept();
        channel.on("error", () => {});
        channel.pipe(onward).pipe(channel);
      });
    });
    connection.on("ready", () => {
      logins++;
      connection.on("session", (accept) => {
        const environment: Record<string, string> = {};
        const session = accept();
        session.on("env", (accepted, rejected, { key, val }) => {
          if (key.startsWith("PULUMI_")) {
            return rejected?.(); // as a server without AcceptEnv for it
          }
          environment[key] = val;
          accepted?.();
        });
        session.on("exec", (accepted, _rejected, { command }) => execute(accepted(), command, environment));
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    hostKey: host.public,
    clientKey: client.private,
    logins: () => logins,
    close: () => void server.close(),
  };
}

function fits(context: AuthContext, publicKey: string): boolean {
  if (context.method !== "publickey") {
    return false;
  }
  const allowed = utils.parseKey(publicKey);
  if (allowed instanceof Error) {
    throw allowed;
  }
  if (!allowed.getPublicSSH().equals(context.key.data)) {
    return false;
  }
  return context.signature === undefined || allowed.verify(context.blob!, context.signature, context.hashAlgo) === true;
}

function execute(channel: ServerChannel, command: string, environment: Record<string, string>): void {
  const child = spawn("/bin/sh", ["-c", command], { env: { PATH: process.env.PATH, ...environment } });
  child.stdin.on("error", () => {}); // a command that reads no input
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  child.on("close", (code) => {
    channel.exit(code ?? 255);
    channel.end();
  });
}
