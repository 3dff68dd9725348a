import { clusterNodes, type ClusterNodes } from "./clusterNodes";
import { firstWays, type Answers, type Given, type NewNode } from "./answers";
import { withHostKeys, type Judge } from "./hostKeys";
import { pathOf } from "../checks";

/** The answers without a question: by flags, the cluster, and defaults. @throws naming what is missing */
export async function withoutQuestions(given: Given): Promise<Answers> {
  const missing = (["name", "gitlab", "registry"] as const).filter((flag) => given[flag] === undefined);
  if (missing.length > 0) {
    throw new Error(
      `${missing.map((flag) => `--${flag}`).join(", ")} must be given where nothing is asked; --help has all flags.`,
    );
  }
  const cluster = given.nodes === undefined ? await looked(given) : { nodes: given.nodes };
  const judge: Judge = async (_node, fingerprint) => given.fingerprints.includes(fingerprint);
  return complete(given, cluster, await withHostKeys(cluster.nodes, given.knownHosts, judge));
}

/** The same, asking for what the flags leave open. */
export async function asked(given: Given): Promise<Answers> {
  const { checkbox, confirm, input, password, select } = await import("@inquirer/prompts");
  const required = (text: string): true | string => text.trim() !== "" || "cannot be empty";
  const ask = (value: string | undefined, message: string, fallback?: string): Promise<string> =>
    value === undefined
      ? input({ message, validate: required, ...(fallback === undefined ? {} : { default: fallback }) })
      : Promise.resolve(value);
  const name = await ask(given.name, "Name of the stack, which is one cluster:", "home");
  const gitlab = await ask(given.gitlab, "GitLab's address:", "https://gitlab.lan");
  const registry = await ask(
    given.registry,
    "Registry that builds push to (host:port):",
    URL.canParse(gitlab) ? `${new URL(gitlab).hostname}:5050` : undefined,
  );
  const insecure = given.insecure ?? (await confirm({ message: "Is it without TLS (insecure)?", default: false }));
  const way =
    given.way ??
    (await select({ message: "How are images built? (docs/ways.md)", choices: [...firstWays], default: "dood" }));
  const file = given.kubeconfig ?? (await input({ message: "Kubeconfig file (empty: what kubectl uses):" }));
  const place = { ...given, ...(file === "" ? {} : { kubeconfig: file }) };
  const cluster = given.nodes === undefined ? await looked(place) : { nodes: given.nodes };
  const nodes = given.nodes ?? (await chosen(cluster.nodes));
  const sshUser =
    given.sshUser ??
    (nodes.length === 0 ? "root" : await ask(undefined, "SSH user on the nodes (root, or with sudo):", "root"));
  const judge: Judge = async (node, fingerprint) =>
    given.fingerprints.includes(fingerprint) ||
    confirm({
      message:
        `${node.name} (${node.host}) shows the host key ${fingerprint}.\n` +
        "  On the node, ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub says which it has. Is it the same?",
      default: false,
    });
  const known = await withHostKeys(nodes, given.knownHosts, judge);
  const token = await password({ message: "The runner's token, glrt-… (empty: later):", mask: true });
  const answers = { ...place, name, gitlab, registry, insecure, way, sshUser, ...(token === "" ? {} : { token }) };
  return complete(answers, cluster, known);

  async function chosen(found: NewNode[]): Promise<NewNode[]> {
    const choices = found.map((node) => ({ name: `${node.name} (${node.host})`, value: node, checked: true }));
    return checkbox({ message: "Nodes that are to trust the registry:", choices });
  }
}

function complete(given: Given, { architecture, k3s }: Partial<ClusterNodes>, nodes: NewNode[]): Answers {
  const { fingerprints: _fingerprints, tokenFromStdin: _stdin, questions: _questions, ...rest } = given;
  const way = given.way ?? "dood";
  return {
    ...rest,
    ...{ name: given.name!, gitlab: given.gitlab!, registry: given.registry! },
    ...{ insecure: given.insecure ?? false, namespace: given.namespace ?? "gitlab-runners" },
    ...{ way, runner: given.runner ?? way, sshUser: given.sshUser ?? "root" },
    ...(architecture === undefined ? {} : { architecture }),
    ...(k3s === true ? { k3s } : {}),
    nodes,
  };
}

async function looked({ kubeconfig, context }: Given): Promise<ClusterNodes> {
  try {
    return await clusterNodes(kubeconfig === undefined ? undefined : pathOf(kubeconfig), context);
  } catch (error) {
    throw new Error(
      `The cluster's nodes cannot be read (${kubeconfig ?? "what kubectl uses"}): ${(error as Error).message}\n` +
        "Check --kubeconfig and --context, or name the nodes: --node NAME=ADDRESS, or --no-nodes.",
    );
  }
}
