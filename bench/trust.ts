/** Trust on eight real nodes: Pulumi against raw parallel ssh with the same script, and against Ansible. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RegistryTrustArgs } from "../components/registryTrust/args";
import { trustCommand, trustInput } from "../components/registryTrust/trustProgram";
import { run } from "../lab/machine/processes";
import { ansible } from "./ansible";
import { figure, ratio, type Figure, type Section } from "./figures";
import { registry, startEmptyRegistry } from "./emptyRegistry";
import { type KnownNode, eightNodes, ssh } from "./hosts";
import { time, type Timed } from "./hyperfine";
import { PulumiProject } from "./pulumiProject";
import { parallel } from "./rawSsh";
import { say } from "./say";
import { scratch } from "./scratch";

export const owner = "bench";

/** On the node: the engine forgets the registry, and the settings file is again what it was before anybody came. */
const reset = `set -e
mkdir -p /etc/docker
if grep -qs ${registry} /etc/docker/daemon.json; then
  echo '{"debug": false, "insecure-registries": []}' >/etc/docker/daemon.json
  systemctl reload docker
  while docker info --format '{{json .RegistryConfig.IndexConfigs}}' | grep -q ${registry}; do sleep 0.1; done
fi
echo '{"debug": false}' >/etc/docker/daemon.json
rm -rf /var/lib/pi-runners
`;

/** A script file that brings all nodes to their first state. */
export const resetScript = (nodes: KnownNode[]): string => parallel("reset", nodes, "sh", () => reset);

/** The settings of bench/programs/trust, in a file. */
export function trustSettings(name: string, args: Partial<RegistryTrustArgs> & { nodes: KnownNode[] }): string {
  const file = join(scratch("settings"), `${name}.json`);
  const settings = { registries: [{ address: registry, insecure: true }], owner, ssh, ...args };
  writeFileSync(file, JSON.stringify(settings));
  return file;
}

export async function trust(runs: number): Promise<Section> {
  const nodes = await eightNodes();
  await startEmptyRegistry();
  const forget = resetScript(nodes);
  const registries = [{ address: registry, insecure: true }];
  const raw = parallel("apply", nodes, trustCommand("apply"), (node) =>
    trustInput({ node: node.name, owner: `${owner}/${node.name}`, registries }),
  );
  const project = await PulumiProject.make("trust", { BENCH_TRUST: trustSettings("eight", { nodes }) });
  const peers = {
    ansible: await ansible("eight", nodes, { forks: 8, pipelining: false, registry }),
    pipelined: await ansible("eight-pipelined", nodes, { forks: 8, pipelining: true, registry }),
  };
  const programs = (prepare: string): Timed[] => [
    { name: "raw", command: ["sh", raw], prepare: ["sh", "-c", prepare] },
    { name: "pulumi", command: project.up(), env: project.env, prepare: ["sh", "-c", prepare] },
    ...Object.entries(peers).map(([name, { command, env, disconnect }]) => ({
      name,
      command,
      env,
      prepare: ["sh", "-c", `${prepare}\n${disconnect}`],
    })),
  ];
  say(`trust on 8 nodes, first apply: ${runs} rounds`);
  const first = await time(programs(`sh ${forget} && ${project.forget()}`), runs);
  say(`trust on 8 nodes, nothing to do: ${runs} rounds`);
  project.forgetNow();
  await run("sh", [forget]);
  await run("pulumi", project.up().slice(1), { env: project.env });
  const again = await time(programs("true"), runs);
  return {
    title: "Registry trust on 8 nodes",
    about: [
      "Eight hosts (containers with systemd, sshd and Docker 26.1), all on this machine, whose work counts in, and a stand-in for a registry that has no image, which every node asks once (Ansible does not do that).",
      "Raw: `ssh` to all nodes at once with the very same on-node script and input. Pulumi: `pulumi up --yes --skip-preview` of RegistryTrust alone (`bench/programs/trust`), canary first. Ansible: ansible-core with 8 forks, `bench/ansible/trust.yml`, no facts gathered, connections shared within a run.",
      "First apply: no node trusts the registry, the stack is empty. Nothing to do: both know it already; Pulumi compares with its state and asks no node, the others ask each.",
    ],
    figures: [
      ...figuresOf("first apply", first, { raw: { most: 1.8 }, ansible: { least: 4 } }),
      ...figuresOf("nothing to do", again, { ansible: { least: 5.5 } }),
    ],
  };
}

type Goals = { raw?: { most: number }; ansible: { least: number } };

function figuresOf(what: string, seconds: Record<string, number[]>, goals: Goals): Figure[] {
  const [raw, pulumi, plain, pipelined] = ["raw", "pulumi", "ansible", "pipelined"].map((name) => seconds[name]!);
  return [
    figure(`${what}, raw parallel ssh`, "s", raw!),
    figure(`${what}, Pulumi`, "s", pulumi!),
    figure(`${what}, Ansible`, "s", plain!),
    figure(`${what}, Ansible with pipelining`, "s", pipelined!),
    ratio(`${what}, Pulumi : raw`, pulumi!, raw!, goals.raw),
    { ...ratio(`${what}, Ansible : Pulumi`, plain!, pulumi!), note: "for comparison" },
    ratio(`${what}, Ansible with pipelining : Pulumi`, pipelined!, pulumi!, goals.ansible),
  ];
}
