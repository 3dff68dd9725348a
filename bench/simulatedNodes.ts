/**
 * Many nodes that are none: one sshd on many loopback addresses, with a stand-in for all that a node does. What is real
 * is the controller's side: processes, connections, keys, transfers.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeTrust } from "../components/registryTrust/report";
import { checkout } from "../lab/machine/places";
import { run } from "../lab/machine/processes";
import { needPrograms, which } from "../lab/machine/packages";
import { registry } from "./emptyRegistry";
import type { KnownNode } from "./hosts";
import { say } from "./say";
import { scratch } from "./scratch";
import { whenDone } from "./stops";
import { logEnd } from "./programs";

export interface SimulatedNodes {
  nodes: KnownNode[];
  user: string;
  port: number;
  key: string;
  knownHosts: string;
  /** What plays python for Ansible. */
  python: string;
}

const port = 22022;
const programs = join(checkout, "bench/programs");

/** Host keys and names of nodes that need not be there, for previews that talk to nobody. */
export async function namesOfNodes(count: number): Promise<KnownNode[]> {
  const hostKey = await publicKey(join(scratch("simulated"), "host_key"));
  return addresses(count).map((host, index) => ({ name: `pi${index + 1}`, host, hostKey }));
}

/** 127.0.1.1 and on, 250 to a network. */
const addresses = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `127.0.${1 + Math.floor(index / 250)}.${1 + (index % 250)}`);

/** Starts the one sshd of them all. */
export async function simulatedNodes(count: number): Promise<SimulatedNodes> {
  const folder = scratch("simulated");
  const nodes = await namesOfNodes(count);
  const [key, knownHosts] = [join(folder, "login_key"), join(folder, "known_hosts")];
  writeFileSync(join(folder, "authorized_keys"), `${await publicKey(key)}\n`);
  writeFileSync(knownHosts, nodes.map(({ host, hostKey }) => `[${host}]:${port} ${hostKey}\n`).join(""));
  writeFileSync(join(folder, "report.json"), `${JSON.stringify(report)}\n`);
  await startSshd(folder);
  return { nodes, user: userInfo().username, port, key, knownHosts, python: join(programs, "simulatedPython.sh") };
}

async function publicKey(file: string): Promise<string> {
  const exists = await run("ssh-keygen", ["-y", "-f", file]).catch(() => undefined);
  if (exists === undefined) {
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file]);
  }
  return readFileSync(`${file}.pub`, "utf8").trim();
}

async function startSshd(folder: string): Promise<void> {
  await needPrograms({ sshd: "openssh-server" }, say);
  const sshd = (await which("sshd"))!;
  if (await listens()) {
    throw new Error(
      `Port ${port} is taken, as by a bench that was killed. End what listens there: ss -ltnp 'sport = ${port}'.`,
    );
  }
  const config = join(folder, "sshd_config");
  writeFileSync(config, sshdConfig(folder));
  if (process.getuid?.() === 0) {
    mkdirSync("/run/sshd", { recursive: true });
  }
  const log = join(folder, "sshd.log");
  // In the foreground and in a group of its own, so that it ends when told and not on Ctrl-C.
  const server = spawn(sshd, ["-D", "-f", config, "-E", log], { detached: true, stdio: "ignore" });
  const ended = once(server, "exit");
  whenDone("sshd of the simulated nodes", async () => {
    server.kill();
    await ended;
  });
  for (let tries = 0; !(await listens()); tries++) {
    if (tries === 50) {
      throw new Error(`sshd does not start:\n${logEnd(log)}`);
    }
    await sleep(100);
  }
}

/** It listens on every address, as sshd takes no more than 16 by name, but lets only this machine in. */
function sshdConfig(folder: string): string {
  const variables = { BENCH_SIMULATED: folder, BENCH_SFTP: "/usr/lib/openssh/sftp-server", BENCH_REGISTRY: registry };
  return [
    `Port ${port}`,
    "ListenAddress 0.0.0.0",
    `HostKey ${join(folder, "host_key")}`,
    `AuthorizedKeysFile ${join(folder, "authorized_keys")}`,
    `AllowUsers ${userInfo().username}@127.0.0.0/8`,
    "AuthenticationMethods publickey",
    "PermitRootLogin prohibit-password",
    "PidFile none",
    "StrictModes no",
    "UsePAM no",
    "UseDNS no",
    "PrintMotd no",
    "MaxStartups 1000",
    "Subsystem sftp internal-sftp",
    `SetEnv ${Object.entries(variables)
      .map(([name, value]) => `${name}=${value}`)
      .join(" ")}`,
    `ForceCommand ${join(programs, "simulatedNode.sh")}`,
    "",
  ].join("\n");
}

function listens(): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect(port, "127.0.1.1")
      .on("connect", () => (socket.destroy(), answer(true)))
      .on("error", () => answer(false));
  });
}

/** What a node without a surprise reports. */
const report: NodeTrust = {
  node: "simulated",
  facts: {
    architecture: "aarch64",
    kernel: "simulated",
    system: "simulated",
    python: "3.13.5",
    memoryCgroup: true,
    iptables: null,
    forwardPolicy: null,
    ipForward: true,
    freeMiB: 10_000,
    clock: "2026-01-01T00:00:00Z",
    clockSynchronized: true,
  },
  engines: [
    {
      engine: "docker",
      unit: "docker.service",
      version: "26.1.5+dfsg1",
      config: "/etc/docker/daemon.json",
      how: "reload",
      trusted: [registry],
    },
  ],
  warnings: [],
};
