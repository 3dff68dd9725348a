/** What further nodes cost: previews of up to 500 without contact, and 200 simulated nodes applied, against Ansible. */
import { join } from "node:path";
import { ansible } from "./ansible";
import { registry } from "./emptyRegistry";
import { figure, median, ratio, type Figure, type Section } from "./figures";
import { time } from "./hyperfine";
import { peakMemory } from "./memory";
import { PulumiProject } from "./pulumiProject";
import type { KnownNode } from "./hosts";
import { say } from "./say";
import { scratch } from "./scratch";
import { namesOfNodes, simulatedNodes, type SimulatedNodes } from "./simulatedNodes";
import { trustSettings } from "./trust";

/** Numbers of nodes that are previewed. */
const sizes = [8, 100, 500] as const;
const many = 200;

export async function growth(runs: number): Promise<Section> {
  const figures = [...(await previews(runs)), ...(await applied(Math.min(runs, 3)))];
  return {
    title: "Growth with the number of nodes",
    about: [
      "Preview: RegistryTrust with so many nodes in a stack that is not deployed yet; no node is contacted.",
      `Applied: ${many} **simulated** nodes: one sshd on this machine's loopback addresses, whose forced command takes everything and answers as a node without doing a node's work (\`bench/programs/simulatedNode.sh\`); the same for Ansible's modules (\`simulatedPython.sh\`). Connections, keys and transfers are real, and sshd's own work is on the same cores. Pulumi with RegistryTrust's own roll-out (a canary, then batches of 10), Ansible with 50 forks and pipelining, once and while its memory is watched, as it takes minutes.`,
      "Memory: largest sum of proportional set sizes over the program and all processes below it, in a run of its own. Connections that Ansible leaves in the background are not counted.",
    ],
    figures,
  };
}

async function projectOf(name: string, nodes: KnownNode[], ssh: object): Promise<PulumiProject> {
  return PulumiProject.make("trust", { BENCH_TRUST: trustSettings(name, { nodes, ssh }) }, name);
}

async function previews(runs: number): Promise<Figure[]> {
  const projects = new Map<number, PulumiProject>();
  for (const size of sizes) {
    projects.set(size, await projectOf(`preview-${size}`, await namesOfNodes(size), { user: "pi", privateKey }));
  }
  say(`growth: previews of ${sizes.join(", ")} nodes, ${runs} rounds`);
  const programs = sizes.map((size) => {
    const project = projects.get(size)!;
    return { name: `preview-${size}`, command: project.preview(), env: project.env };
  });
  const seconds = await time(programs, runs);
  const [few, , most] = sizes;
  const perNode = (1000 * (median(seconds[`preview-${most}`]!) - median(seconds[`preview-${few}`]!))) / (most - few);
  const log = join(scratch("memory"), "preview.log");
  const { command, env } = programs.at(-1)!;
  const memory = await peakMemory({ command, env, log });
  return [
    ...sizes.map((size) => figure(`preview of ${size} nodes`, "s", seconds[`preview-${size}`]!)),
    { what: `preview, each further node (${few} to ${most})`, value: perNode, unit: "ms", goal: { most: 15 }, note },
    { what: `preview of ${most} nodes, peak memory`, value: memory, unit: "MiB", goal: { most: 1024 } },
  ];
}

const note =
  "Two thirds of it is the program that goes to each node (32 KB): Pulumi from 3.246 on writes every property that it " +
  "passes on to a log of its own, packed, about eight times a resource";

/** A login is needed only in form. */
const privateKey = "-----BEGIN OPENSSH PRIVATE KEY-----\nnone\n-----END OPENSSH PRIVATE KEY-----\n";

async function applied(runs: number): Promise<Figure[]> {
  const simulated = await simulatedNodes(many);
  const few = await applier(simulated, 8);
  const all = await applier(simulated, many);
  const peer = await ansible("simulated", simulated.nodes, {
    forks: 50,
    pipelining: true,
    registry,
    login: simulated,
  });
  say(`growth: ${many} simulated nodes, ${runs} rounds`);
  // Each takes long enough for caches not to matter.
  const seconds = await time([few, all], runs, { warmUp: false });
  all.project.forgetNow();
  const memory = await peakMemory({ ...all, log: join(scratch("memory"), "pulumi.log") });
  say("growth: the same by Ansible, once, which takes minutes");
  const started = performance.now();
  const others = await peakMemory({ ...peer, log: join(scratch("memory"), "ansible.log") });
  const other = [(performance.now() - started) / 1000];
  const [eight, pulumi] = [few.name, all.name].map((name) => seconds[name]!);
  const perNode = (1000 * (median(pulumi!) - median(eight!))) / (many - 8);
  return [
    figure(`${many} simulated nodes applied, Pulumi`, "s", pulumi!),
    figure(`${many} simulated nodes applied, Ansible`, "s", other),
    ratio(`${many} simulated nodes, Ansible : Pulumi`, other, pulumi!),
    { what: `applied by Pulumi, each further node (8 to ${many}, simulated)`, value: perNode, unit: "ms" },
    { what: `${many} simulated nodes applied, Pulumi, peak memory`, value: memory, unit: "MiB" },
    { what: `${many} simulated nodes applied, Ansible, peak memory`, value: others, unit: "MiB" },
  ];
}

/** The first apply of that many simulated nodes. */
async function applier({ nodes, user, port, key }: SimulatedNodes, count: number) {
  const name = `apply-${count}`;
  const project = await projectOf(name, nodes.slice(0, count), { user, port, privateKeyFile: key });
  return { name, project, command: project.up(), env: project.env, prepare: ["sh", "-c", project.forget()] };
}
