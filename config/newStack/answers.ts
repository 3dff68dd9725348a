import { parseArgs } from "node:util";
import { dockerWays } from "../../components/runners/docker/ways";

/** Ways that a new stack's first runner may have: those that need no further settings. */
export const firstWays = [...dockerWays.filter((way) => way !== "dind-plain"), "kubernetes"] as const;

/** A node as the stack file has it. */
export interface NewNode {
  name: string;
  host: string;
  /** Left out where a known_hosts file has it. */
  hostKey?: string;
  /** As the cluster says. */
  memory?: string;
}

/** All that a stack's first file says. */
export interface Answers {
  name: string;
  gitlab: string;
  gitlabCa?: string;
  namespace: string;
  kubeconfig?: string;
  context?: string;
  way: (typeof firstWays)[number];
  /** Name of the runner, which is also its tag. */
  runner: string;
  registry: string;
  insecure: boolean;
  caFile?: string;
  hostAliases: Record<string, string>;
  architecture?: string;
  /** Is the cluster k3s, as its nodes say? */
  k3s?: boolean;
  sshUser: string;
  sshKey?: string;
  knownHosts?: string;
  nodes: NewNode[];
  token?: string;
}

/** What was given by flags; the rest is asked for, or has a default. */
export interface Given extends Partial<Omit<Answers, "nodes" | "hostAliases">> {
  hostAliases: Record<string, string>;
  nodes?: NewNode[];
  /** Fingerprints of host keys that the user has compared. */
  fingerprints: string[];
  tokenFromStdin: boolean;
  questions: boolean;
}

export const usage = `Makes the stack file of a new cluster, checks it, and makes the stack in Pulumi.

  make new-stack [NAME=home] [ARGS="--gitlab https://gitlab.lan …"]
  npx tsx config/newStack/main.ts [flags]

Asks for what the flags leave open. Where stdin is no terminal, or with --no-questions, nothing is asked: --name, --gitlab and
--registry are then needed. Nothing is written unless the file passes the checks that pulumi preview makes, and no file is
written over. Pulumi has to be logged in; of a state of your own it wants PULUMI_CONFIG_PASSPHRASE.

  --name NAME            the stack; its file is Pulumi.NAME.yaml
  --gitlab URL           GitLab's address
  --gitlab-ca FILE       the private CA of its certificate, PEM
  --registry HOST:PORT   the registry that builds push to
  --insecure             it has no TLS, or a certificate that nobody can check
  --ca FILE              its private CA, PEM; better than --insecure
  --way WAY              ${firstWays.join(", ")}; default: dood
  --runner NAME          the runner, and its tag; default: the way
  --namespace NAME       in the cluster, for this stack alone; default: gitlab-runners
  --kubeconfig FILE      the cluster; default: what kubectl uses. --context NAME
  --node NAME=ADDRESS    a node; may be repeated. Default: the cluster's nodes; --no-nodes: no host is touched
  --ssh-user NAME        who logs in there: root, or one with sudo; default: root
  --ssh-key FILE         private key; default: the SSH agent
  --known-hosts FILE     the nodes' host keys; default: ~/.ssh/known_hosts
  --host-key SHA256:…    fingerprint of a node's host key that you have compared; may be repeated. Of a node that known_hosts
                         does not have, the key is fetched by ssh-keyscan, and taken only if you know it
  --alias NAME=ADDRESS   a name that only the LAN knows; may be repeated
  --token-stdin          read the runner's token (glrt-…) from stdin; else it is asked for, or left for later
  --no-questions         ask nothing
  --help                 print this

Exit code: 0 made, 1 not made (nothing was written, unless it says so), 130 stopped by you.`;

const options = {
  name: { type: "string" },
  gitlab: { type: "string" },
  "gitlab-ca": { type: "string" },
  registry: { type: "string" },
  insecure: { type: "boolean" },
  ca: { type: "string" },
  way: { type: "string" },
  runner: { type: "string" },
  namespace: { type: "string" },
  kubeconfig: { type: "string" },
  context: { type: "string" },
  node: { type: "string", multiple: true },
  "no-nodes": { type: "boolean" },
  "ssh-user": { type: "string" },
  "ssh-key": { type: "string" },
  "known-hosts": { type: "string" },
  "host-key": { type: "string", multiple: true },
  alias: { type: "string", multiple: true },
  "token-stdin": { type: "boolean" },
  "no-questions": { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** Reads the command line; undefined where help is wanted. @throws on a flag that is unknown or wrong */
export function givenBy(args: string[]): Given | undefined {
  const { values } = parseArgs({ args, options });
  if (values.help) {
    return undefined;
  }
  const way = firstWays.find((one) => one === values.way);
  if (values.way !== undefined && way === undefined) {
    throw new Error(
      `--way ${values.way} is none of ${firstWays.join(", ")}. Another way is written into the file later.`,
    );
  }
  const nodes = values["no-nodes"]
    ? []
    : values.node && pairs("--node", values.node).map(([name, host]) => ({ name, host }));
  const tokenFromStdin = values["token-stdin"] ?? false;
  return {
    ...defined({
      ...{ name: values.name, gitlab: values.gitlab, gitlabCa: values["gitlab-ca"], way },
      ...{ registry: values.registry, caFile: values.ca },
      ...{ runner: values.runner, namespace: values.namespace, kubeconfig: values.kubeconfig, context: values.context },
      ...{ sshUser: values["ssh-user"], sshKey: values["ssh-key"], knownHosts: values["known-hosts"], nodes },
      insecure: values.insecure ?? (values.ca === undefined ? undefined : false),
    }),
    hostAliases: Object.fromEntries(pairs("--alias", values.alias ?? [])),
    fingerprints: values["host-key"] ?? [],
    tokenFromStdin,
    questions: !values["no-questions"] && !tokenFromStdin && process.stdin.isTTY === true,
  };
}

function pairs(flag: string, given: string[]): [string, string][] {
  return given.map((text) => {
    const [, name, address] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    if (name === undefined || address === undefined) {
      throw new Error(`${flag} ${text} is not of the form NAME=ADDRESS, such as pi1=192.168.1.21.`);
    }
    return [name, address];
  });
}

/** Without what is undefined. */
function defined<T extends object>(table: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined)) as never;
}
