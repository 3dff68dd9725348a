import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { createHash, X509Certificate } from "node:crypto";
import { registrySettingProblem, type Registry } from "./registry";
import { Rollout, type TrustRollout } from "../../hosts/rollout";
import { trustCommand, trustInput } from "../../hosts/trustProgram";
import { loginsOf } from "../../hosts/login";
import { probeNodes, type Probe } from "./probe";

export type { TrustRollout };

/** How to reach nodes by SSH. Every field may also be set for one node, which then wins. */
export interface TrustSsh {
  /** User to log in as: root, or a user with sudo. Default: `root`. */
  user?: pulumi.Input<string>;
  /** TCP port of sshd. Default: 22. */
  port?: number;
  /** Private key as PEM text; kept as a secret. Default: the key in `privateKeyFile`, else the SSH agent. */
  privateKey?: pulumi.Input<string>;
  /** File with the private key, read when the program runs; `~/` is the home directory. */
  privateKeyFile?: string;
  /** Passphrase of the private key; kept as a secret. */
  privateKeyPassword?: pulumi.Input<string>;
  /** Socket of an SSH agent. Default: `SSH_AUTH_SOCK`. With an agent no key is in the state. */
  agentSocket?: string;
  /** Password of the SSH login; kept as a secret. Keys are better. */
  password?: pulumi.Input<string>;
  /** Password that sudo asks for; kept as a secret, sent on stdin. Default: none (root, or `NOPASSWD`). */
  sudoPassword?: pulumi.Input<string>;
  /** File(s) with host keys. Default: `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`. */
  knownHostsFile?: string | string[];
  /** A host to go through (jump host). It needs a known key as every node does. */
  bastion?: TrustBastion;
}

/** A jump host. */
export interface TrustBastion {
  host: pulumi.Input<string>;
  port?: number;
  user?: pulumi.Input<string>;
  privateKey?: pulumi.Input<string>;
  privateKeyFile?: string;
  privateKeyPassword?: pulumi.Input<string>;
  password?: pulumi.Input<string>;
  agentSocket?: string;
  hostKey?: pulumi.Input<string>;
}

/** What runs containers on a node and is to trust the registries. */
export type TrustEngine = "docker" | "containerd" | "microk8s" | "k3s" | "buildkit";

/** A host whose engines are to trust the registries. */
export interface TrustNode extends Omit<TrustSsh, "knownHostsFile"> {
  /** Short unique name, part of resource names and of every message. */
  name: string;
  /** Name or address that SSH connects to. */
  host: pulumi.Input<string>;
  /** The host's public key, as in known_hosts or authorized_keys: `ssh-ed25519 AAAA…`. Default: from known_hosts. */
  hostKey?: pulumi.Input<string>;
  /** Engines to configure. Default: every one that the node has; none at all is an error. */
  engines?: TrustEngine[];
  /** Install Docker where there is none: by apt, or as a snap. Default: never. */
  installDocker?: "apt" | "snap";
  /** Overrides `allowRestart` of the component for this node. */
  allowRestart?: boolean;
  /** True: when the node leaves the stack, or on destroy, leave it as it is and do not talk to it. Default: false. */
  retain?: boolean;
}

/** Settings of RegistryTrust. */
export interface RegistryTrustArgs {
  /** The hosts. */
  nodes: TrustNode[];
  /** What they are to trust. */
  registries: pulumi.Input<Registry[]>;
  /** Who adds these entries; entries that several owners added stay until the last one goes. Default: project/stack/name. */
  owner?: string;
  /** How to reach the nodes. */
  ssh?: TrustSsh;
  /** Order and limits. */
  rollout?: TrustRollout;
  /**
   * May an engine be restarted when a reload is not enough? Containers may stop then. Such nodes go one at a time.
   * Default: false.
   */
  allowRestart?: boolean;
  /** Look at every node while previewing, and show what differs. Default: false. */
  probe?: boolean;
  /** Any text; changing it applies everything again on every node, which puts right what `probe` has found. */
  reapply?: string;
}

/** What one node reported when trust was last applied. */
export interface NodeTrust {
  node: string;
  /** Facts that decide whether containers will run well on the node. */
  facts: NodeFacts;
  /** Engines that were looked at, with what was done for each. */
  engines: {
    engine: TrustEngine;
    /** The systemd unit, where there is one. */
    unit?: string;
    version: string;
    /** The settings file, or the folder of settings files. */
    config: string;
    /** How the change took effect: nothing to do, files that are read at each pull, reload (HUP), or restart. */
    how: "none" | "files" | "reload" | "restart";
    trusted: string[];
  }[];
  /** What the node's owner should know, each with its way out. */
  warnings: string[];
}

/** The preflight report of a node. */
export interface NodeFacts {
  /** Machine architecture as the kernel names it: aarch64, armv7l, x86_64. */
  architecture: string;
  kernel: string;
  system: string;
  python: string;
  /** False: limits of containers are ignored (a Raspberry Pi's default). */
  memoryCgroup: boolean;
  /** `iptables v1.8.9 (nf_tables)` or `(legacy)`; null where it is missing. */
  iptables: string | null;
  /** Policy of the FORWARD chain; null where it cannot be read. */
  forwardPolicy: string | null;
  ipForward: boolean;
  /** Free space on `/`, in MiB. */
  freeMiB: number;
  /** The node's clock, in UTC. */
  clock: string;
  /** True when systemd-timesyncd has set the clock; null when unknown. */
  clockSynchronized: boolean | null;
}

/**
 * Makes the container engines of hosts trust private registries, over SSH, and takes that back on destroy.
 *
 * What it promises, which files it touches and how to undo it by hand: docs/registry-trust.md.
 */
export class RegistryTrust extends pulumi.ComponentResource {
  /** What each node reported, by node name. */
  public readonly report: pulumi.Output<Record<string, NodeTrust>>;

  /**
   * @throws pulumi.RunError naming every mistake in `args` at once, among them nodes whose host key is unknown
   */
  constructor(name: string, args: RegistryTrustArgs, opts: pulumi.ComponentResourceOptions = {}) {
    const owner = args.owner ?? `${pulumi.getProject()}/${pulumi.getStack()}/${name}`;
    const registries = pulumi.output(args.registries).apply(checked);
    super("pi-runners:index:RegistryTrust", name, visible(owner, registries, args), opts);
    const logins = loginsOf(args);
    const rollout = new Rollout(
      args.nodes.map((node) => node.name),
      args.rollout,
      new Set(args.nodes.filter((node) => mayRestart(node, args)).map((node) => node.name)),
    );
    const probes: Probe[] = [];
    const commands = args.nodes.map((node) => {
      const childName = args.owner === undefined ? `${name}-${node.name}` : `${name}-${args.owner}-${node.name}`;
      const input = inputOf(node, `${owner}/${node.name}`, registries, args);
      probes.push({ node: node.name, login: logins.get(node.name)!, input });
      const command = new remote.Command(
        childName,
        {
          connection: logins.get(node.name)!,
          create: trustCommand("apply"),
          delete: trustCommand("remove"),
          stdin: inTurn(rollout, node.name, input),
          logging: "none",
          addPreviousOutputInEnv: false,
        },
        { parent: this, deleteBeforeReplace: true, retainOnDelete: node.retain },
      );
      follow(rollout, node.name, command);
      return command;
    });
    if (args.probe && pulumi.runtime.isDryRun()) {
      probeNodes(this, probes);
    }
    const reports = pulumi.all(commands.map((command) => command.stdout));
    this.report = reports.apply((lines) => reportsOf(args.nodes, lines));
    this.registerOutputs({ report: this.report });
  }
}

/** What a preview shows of the component itself: all that matters to a reader, and nothing secret. */
function visible(owner: string, registries: pulumi.Output<Registry[]>, args: RegistryTrustArgs): pulumi.Inputs {
  return {
    owner,
    registries: registries.apply((list) => list.map(describe)),
    nodes: args.nodes.map((node) => node.name),
    ...(args.allowRestart ? { allowRestart: true } : {}),
  };
}

function describe(registry: Registry): string {
  if (registry.insecure) {
    return `${registry.address} (insecure)`;
  }
  return registry.ca === undefined ? registry.address : `${registry.address} (CA ${fingerprint(registry.ca)})`;
}

function fingerprint(ca: string): string {
  return `sha256:${createHash("sha256").update(ca).digest("hex").slice(0, 16)}`;
}

/** The registries, if all are in order. */
function checked(registries: Registry[]): Registry[] {
  const problems = registries.flatMap((registry) => registrySettingProblem(registry) ?? []);
  const addresses = registries.map((registry) => registry.address);
  const twice = addresses.find((address, index) => addresses.indexOf(address) !== index);
  if (twice !== undefined) {
    problems.push(`A registry is listed twice: registry ${twice}. List it once.`);
  }
  if (problems.length > 0) {
    throw new pulumi.RunError(problems.join("\n"));
  }
  return registries;
}

function mayRestart(node: TrustNode, args: RegistryTrustArgs): boolean | undefined {
  return node.allowRestart ?? args.allowRestart;
}

/** What goes to the node's stdin; a secret only when it carries sudo's password. */
function inputOf(
  node: TrustNode,
  holder: string,
  registries: pulumi.Output<Registry[]>,
  args: RegistryTrustArgs,
): pulumi.Output<string> {
  const settings = registries.apply((list) => ({
    node: node.name,
    holder,
    registries: list.map((registry) => ({ ...registry, ...validity(registry) })),
    engines: node.engines,
    allowRestart: mayRestart(node, args) || undefined,
    installDocker: node.installDocker,
    reapply: args.reapply,
  }));
  const password = node.sudoPassword ?? args.ssh?.sudoPassword;
  return password === undefined
    ? settings.apply((plain) => trustInput(plain))
    : pulumi.all([settings, pulumi.secret(password)]).apply(([plain, secret]) => trustInput(plain, secret));
}

/** Between which times all certificates of a CA are valid. */
function validity(registry: Registry): { begins?: number; expires?: number } {
  const blocks = registry.ca?.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  const certificates = blocks.map((block) => new X509Certificate(block));
  const seconds = (date: string): number => Date.parse(date) / 1000;
  return certificates.length === 0
    ? {}
    : {
        begins: Math.max(...certificates.map(({ validFrom }) => seconds(validFrom))),
        expires: Math.min(...certificates.map(({ validTo }) => seconds(validTo))),
      };
}

/**
 * Holds a node's registration back until its turn. Only order is made here, no dependency: what would be recorded as
 * one would also order destroy, where a dead node must not keep others from being cleaned. A preview waits for nothing.
 */
function inTurn(rollout: Rollout, node: string, input: pulumi.Output<string>): pulumi.Output<string> {
  if (pulumi.runtime.isDryRun()) {
    return input;
  }
  return input.apply((text) => rollout.turn(node).then(() => text));
}

/**
 * Tells the roll-out how a node's command ended. A failure reaches the program only with --continue-on-error. With
 * --target, a node that is left out and was never made has no output at all: it must not be waited for.
 */
function follow(rollout: Rollout, node: string, command: remote.Command): void {
  const { isKnown } = command.stdout as unknown as { isKnown: Promise<boolean> };
  isKnown.then(
    () => rollout.ended(node, "ok"),
    () => rollout.ended(node, "failed"),
  );
}

/** What the nodes printed, typed; nothing of nodes that --target left out. */
function reportsOf(nodes: TrustNode[], lines: (string | undefined)[]): Record<string, NodeTrust> {
  const found = lines.flatMap((line, index) => (line === undefined ? [] : [[nodes[index]!.name, line] as const]));
  return Object.fromEntries(found.map(([name, line]) => [name, JSON.parse(line) as NodeTrust]));
}
