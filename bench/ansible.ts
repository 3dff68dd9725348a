/** ansible-core, the peer: from PyPI, in a virtual environment in the cache. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { cache, checkout } from "../lab/machine/places";
import { quote } from "../hosts/asRoot";
import { run } from "../lab/machine/processes";
import { knownHostsFile, privateKeyFile } from "../lab/cluster/hostKeys";
import type { KnownNode } from "./hosts";
import { say } from "./say";
import { scratch } from "./scratch";
import { whenDone } from "./stops";

const version = "2.19.14";

async function virtualEnvironment(): Promise<string> {
  const folder = join(cache, `ansible-core-${version}`);
  if (existsSync(join(folder, "done"))) {
    return folder;
  }
  say(`installing ansible-core ${version}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  // A virtual environment cannot be moved, so a mark tells that it is whole.
  await run("python3", ["-m", "venv", folder]);
  await run(join(folder, "bin/pip"), ["install", "--quiet", "--disable-pip-version-check", `ansible-core==${version}`]);
  writeFileSync(join(folder, "half"), "");
  renameSync(join(folder, "half"), join(folder, "done"));
  return folder;
}

export interface Ansible {
  command: string[];
  env: NodeJS.ProcessEnv;
  /** A command line that ends the connections which Ansible keeps open for a minute, so that each run makes its own. */
  disconnect: string;
}

interface AnsibleSettings {
  forks: number;
  /** Module by standard input instead of by file: quicker, off by default. */
  pipelining: boolean;
  registry: string;
  /** How to log in, and what runs modules there. Default: root with the lab's keys, and the node's python. */
  login?: { user: string; port: number; key: string; knownHosts: string; python: string };
}

const ofTheLab = {
  user: "root",
  port: 22,
  key: privateKeyFile,
  knownHosts: knownHostsFile,
  python: "/usr/bin/python3",
};

/** The playbook bench/ansible/trust.yml on these nodes. */
export async function ansible(name: string, nodes: KnownNode[], settings: AnsibleSettings): Promise<Ansible> {
  const login = settings.login ?? ofTheLab;
  const folder = scratch(`ansible-${name}`);
  const sockets = scratch(`ansible-${name}/cp`);
  const bin = join(await virtualEnvironment(), "bin");
  const inventory = join(folder, "inventory.yml");
  const hosts = Object.fromEntries(nodes.map((node) => [node.name, { ansible_host: node.host }]));
  writeFileSync(inventory, stringify({ all: { hosts } }));
  const config = join(folder, "ansible.cfg");
  writeFileSync(config, ""); // not the machine's own
  const env = {
    ANSIBLE_CONFIG: config,
    ANSIBLE_HOME: folder,
    ANSIBLE_FORKS: String(settings.forks),
    ANSIBLE_PIPELINING: String(settings.pipelining),
    ANSIBLE_REMOTE_USER: login.user,
    ANSIBLE_REMOTE_PORT: String(login.port),
    ANSIBLE_PRIVATE_KEY_FILE: login.key,
    ANSIBLE_HOST_KEY_CHECKING: "true",
    ANSIBLE_SSH_COMMON_ARGS: `-o UserKnownHostsFile=${login.knownHosts} -o IdentitiesOnly=yes`,
    ANSIBLE_SSH_CONTROL_PATH_DIR: sockets,
    ANSIBLE_PYTHON_INTERPRETER: login.python,
    // Simulated nodes are this machine: nothing of theirs is to stay.
    ...(settings.login && { ANSIBLE_REMOTE_TEMP: join(folder, "remote") }),
    ANSIBLE_NOCOLOR: "true",
    PATH: `${bin}:${process.env.PATH}`,
  };
  const playbook = join(checkout, "bench/ansible/trust.yml");
  const command = [
    join(bin, "ansible-playbook"),
    "--inventory",
    inventory,
    "--extra-vars",
    `registry=${settings.registry}`,
    playbook,
  ];
  const disconnect = `for s in ${quote(sockets)}/*; do test -S "$s" && ssh -o ControlPath="$s" -O exit x; done; true`;
  whenDone("connections of Ansible", async () => void (await run("sh", ["-c", disconnect])));
  return { command, env, disconnect };
}
