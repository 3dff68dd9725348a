import type { Client, ConnectConfig } from "ssh2";

/** One login, with everything known. */
export interface ProbeLogin {
  host: string;
  port: number;
  user: string;
  /** `type base64`, as in known_hosts. */
  hostKey: string;
  privateKey?: string;
  privateKeyPassword?: string;
  password?: string;
  agentSocket?: string;
}

/** Limits in milliseconds: a node that is off must not hold up a preview. */
const limits = { connect: 4000, all: 20_000 };

/**
 * Runs one command on a host and gives it its stdin; for looking at nodes while previewing, where Pulumi runs nothing.
 *
 * @throws Error with the command's stderr, or what went wrong on the way
 */
export async function sshRun(
  login: ProbeLogin,
  bastion: ProbeLogin | undefined,
  command: string,
  input: string,
): Promise<string> {
  const clients: Client[] = [];
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limits.all / 1000} s`)), limits.all);
  });
  try {
    return await Promise.race([late, connectAndRun(clients, login, bastion, command, input)]);
  } finally {
    clearTimeout(timer);
    for (const client of clients) {
      client.destroy();
    }
  }
}

async function connectAndRun(
  clients: Client[],
  login: ProbeLogin,
  bastion: ProbeLogin | undefined,
  command: string,
  input: string,
): Promise<string> {
  let sock: ConnectConfig["sock"];
  if (bastion !== undefined) {
    const jump = await connect(clients, bastion);
    sock = await new Promise((resolve, reject) =>
      jump.forwardOut("127.0.0.1", 0, login.host, login.port, (error, channel) =>
        error ? reject(error) : resolve(channel),
      ),
    );
  }
  return execute(await connect(clients, login, sock), command, input);
}

/** A connection to a host that has proven itself with the known key; with no other one is a word exchanged. */
async function connect(clients: Client[], login: ProbeLogin, sock?: ConnectConfig["sock"]): Promise<Client> {
  const { Client: SshClient } = await import("ssh2");
  const client = new SshClient();
  clients.push(client);
  const [type, key] = login.hostKey.split(" ");
  return new Promise((resolve, reject) => {
    client.on("ready", () => resolve(client)).on("error", reject);
    client.connect({
      host: login.host,
      port: login.port,
      username: login.user,
      privateKey: login.privateKey,
      passphrase: login.privateKeyPassword,
      password: login.password,
      agent: login.agentSocket ?? process.env.SSH_AUTH_SOCK,
      readyTimeout: limits.connect,
      algorithms: { serverHostKey: [type as "ssh-ed25519"] },
      hostVerifier: (shown: Buffer) => shown.toString("base64").replace(/=+$/, "") === key!.replace(/=+$/, ""),
      sock,
    });
  });
}

function execute(client: Client, command: string, input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error) {
        reject(error);
        return;
      }
      let out = "";
      let err = "";
      channel.on("data", (chunk: Buffer) => (out += chunk.toString()));
      channel.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
      channel.on("close", (status: number | null) =>
        status === 0 ? resolve(out) : reject(new Error(err.trim() || `ended with ${String(status)}`)),
      );
      channel.end(input);
    });
  });
}
