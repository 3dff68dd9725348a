/** The embedded default: everything real that fits on one machine, and the main job on it. */
import { Command, Option } from "commander";
import {
  downCommand,
  environmentCommand,
  jobCommand,
  nodesCommand,
  statusCommand,
  upCommand,
} from "./commands/commands";

const program = new Command("lab").description(
  "a cluster, nodes, a registry and a stand-in for GitLab on this machine",
);

const nodesOption = () => new Option("-n, --nodes <number>", "how many nodes").env("LAB_NODES").default("2");
const wayOption = () =>
  new Option("--way <way>", "which way to build: a runner's way in the stack (default: its first)");

program
  .command("up")
  .description("bring the lab up or heal it, deploy stack dev, run the main job, print the digest of the pushed image")
  .addOption(nodesOption())
  .addOption(wayOption())
  .option("--no-stack", "only the lab")
  .option("--no-job", "the lab and the stack")
  .action((options: { nodes: string; way?: string; stack: boolean; job: boolean }) =>
    upCommand({ ...options, nodes: Number(options.nodes) }),
  );

program
  .command("nodes")
  .description("bring up the engine and the nodes only: hosts with systemd, sshd, Docker and containerd")
  .addOption(nodesOption())
  .action((options: { nodes: string }) => nodesCommand(Number(options.nodes)));

program
  .command("job")
  .description("run the main job on the stack as it is, print the digest of the pushed image")
  .addOption(wayOption())
  .action((options: { way?: string }) => jobCommand(options.way));

program
  .command("status")
  .description("what of the lab is there and healthy; exit code 1 unless all is")
  .action(statusCommand);

program
  .command("env")
  .description('shell lines that lead pulumi, docker and kubectl to the lab: eval "$(tsx lab/lab.ts env)"')
  .action(environmentCommand);

program.command("down").description("remove everything of the lab but its cache of built things").action(downCommand);

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
