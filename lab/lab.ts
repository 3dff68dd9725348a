/** The embedded default: everything real that fits on one machine, and the main job on it. */
import { Command } from "commander";
import { nodesCommand } from "./commands";

const program = new Command("lab").description(
  "a cluster, nodes, a registry and a stand-in for GitLab on this machine",
);

const nodesOption = ["-n, --nodes <number>", "how many nodes", process.env.LAB_NODES ?? "2"] as const;

program
  .command("nodes")
  .description("bring up the engine and the nodes only: hosts with systemd, sshd, Docker and containerd")
  .option(...nodesOption)
  .action((options: { nodes: string }) => nodesCommand(Number(options.nodes)));

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
