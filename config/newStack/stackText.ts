import { stringify } from "yaml";
import type { Answers } from "./answers";

/** The file of a new stack, with a comment wherever somebody will want to change something. */
export function stackText(answers: Answers): string {
  const { name, namespace, kubeconfig, context, gitlab, gitlabCa, hostAliases, architecture, way, runner } = answers;
  return [
    "# yaml-language-server: $schema=./config/stack.schema.json",
    `# Stack ${name}, by make new-stack. docs/reference/configuration.md has every key; all are checked before anything is touched.`,
    "config:",
    kubeconfig === undefined
      ? "  # The cluster is the one that kubectl uses here; in jobs, what the variable KUBECONFIG names."
      : key("kubeconfig", kubeconfig),
    ...(context === undefined ? [] : [key("context", context)]),
    "  # Made and removed by this stack: another stack on the same cluster needs another one.",
    key("namespace", namespace),
    key("gitlab", { url: gitlab, ...(gitlabCa === undefined ? {} : { caFile: gitlabCa }) }),
    "  # What nodes, runners and builds are to trust, and push to.",
    key("registries", [registry(answers)]),
    ...(Object.keys(hostAliases).length === 0
      ? []
      : ["  # Names that only the LAN knows.", key("hostAliases", hostAliases)]),
    ...hosts(answers),
    ...(architecture === undefined ? [] : [key("runnerDefaults", { architecture })]),
    "  # One for each way to build: docs/ways.md. The token of each is a secret of its own:",
    `  #   pulumi config set --path --secret 'tokens.${runner}'`,
    key("runners", [{ name: runner, way, tags: [runner] }]),
    "",
  ].join("\n");
}

function registry({ registry: address, insecure, caFile }: Answers): object {
  return { address, ...(insecure ? { insecure } : {}), ...(caFile === undefined ? {} : { caFile }) };
}

/** Would a node that runs refuse the registry, as its k3s may not be restarted? Of one with a public CA it needs not know. */
export function needsRestart({ nodes, k3s, insecure, caFile }: Answers): boolean {
  return nodes.length > 0 && k3s === true && (insecure || caFile !== undefined);
}

function hosts(answers: Answers): string[] {
  const { nodes, sshUser, sshKey, knownHosts } = answers;
  if (nodes.length === 0) {
    return ["  # No nodes: no host is touched, and none is made to trust the registry."];
  }
  const ssh = {
    user: sshUser,
    ...(sshKey === undefined ? {} : { privateKeyFile: sshKey }),
    ...(knownHosts === undefined ? {} : { knownHostsFile: knownHosts }),
  };
  return [
    "  # Root, or a user who may use sudo without a password.",
    key("ssh", ssh),
    "  # Hosts that are to trust the registries. A host key is this host's alone: one that shows another is not talked to.",
    key("nodes", nodes),
    "  # Previews look at the nodes, and say what differs there.",
    key("trust", { probe: true }),
    ...(needsRestart(answers)
      ? [
          "    # k3s reads its registries only when it starts. Without the next line pulumi up changes no node where it runs; with it,",
          "    # k3s is restarted there, one node at a time, and containers go on. It is yours to decide: take the # away.",
          "    # allowRestart: true",
        ]
      : []),
  ];
}

/** A key of the stack file with its value. */
function key(name: string, value: unknown): string {
  const text = stringify({ [`pi-runners:${name}`]: value }, { lineWidth: 0 }).trimEnd();
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}
