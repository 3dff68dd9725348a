/**
 * A stand-in for GitLab's runner API: what gitlab-runner, git and the lab's tests need of a GitLab, and no more.
 * GitLab itself does not fit into the lab. README.md says what it does and what it does not do.
 *
 *     tsx lab/gitlab/main.ts --state-dir DIR [--runners FILE] [--port 8929]
 */
import { Command, Option } from "commander";
import { defaults, readRunners } from "./options";
import { buildServer } from "./server";

interface Flags {
  host: string;
  port: string;
  stateDir: string;
  externalUrl: string;
  registry: string;
  runners?: string;
  registrationToken?: string;
  adminToken?: string;
  controlToken?: string;
  longPoll: string;
  traceInterval: string;
  staleJob: string;
}

const option = (flags: string, description: string, env: string) => new Option(flags, description).env(env);

const program = new Command("lab-gitlab")
  .description("a stand-in for GitLab's runner API; every flag is also an environment variable")
  .addOption(option("--host <address>", "address to listen on", "LAB_GITLAB_HOST").default("0.0.0.0"))
  .addOption(option("--port <port>", "port to listen on", "LAB_GITLAB_PORT").default("8929"))
  .addOption(option("--state-dir <folder>", "repositories and artifacts", "LAB_GITLAB_STATE").makeOptionMandatory())
  .addOption(option("--external-url <url>", "what runners call", "LAB_GITLAB_URL").default(defaults.externalUrl))
  .addOption(option("--registry <host:port>", "what jobs push to", "LAB_GITLAB_REGISTRY").default(defaults.registry))
  .addOption(option("--runners <file>", "runners that exist from the start (JSON)", "LAB_GITLAB_RUNNERS"))
  .addOption(option("--registration-token <token>", "allow legacy registration", "LAB_GITLAB_REGISTRATION_TOKEN"))
  .addOption(option("--admin-token <token>", "of the API's PRIVATE-TOKEN", "LAB_GITLAB_ADMIN_TOKEN"))
  .addOption(option("--control-token <token>", "asked for by /lab/", "LAB_GITLAB_CONTROL_TOKEN"))
  .addOption(option("--long-poll <seconds>", "hold requests for a job", "LAB_GITLAB_LONG_POLL").default("0"))
  .addOption(option("--trace-interval <seconds>", "told to runners", "LAB_GITLAB_TRACE_INTERVAL").default("3"))
  .addOption(option("--stale-job <seconds>", "fail silent jobs after", "LAB_GITLAB_STALE_JOB").default("3600"));

async function main(): Promise<void> {
  const flags = program.parse().opts<Flags>();
  const app = await buildServer({
    stateDir: flags.stateDir,
    externalUrl: flags.externalUrl.replace(/\/+$/, ""),
    registry: flags.registry,
    runners: readRunners(flags.runners),
    registrationToken: flags.registrationToken,
    adminToken: flags.adminToken,
    controlToken: flags.controlToken,
    longPollSeconds: Number(flags.longPoll),
    traceIntervalSeconds: Number(flags.traceInterval),
    staleJobSeconds: Number(flags.staleJob),
    maxArtifactBytes: defaults.maxArtifactBytes,
    log: (line) => process.stdout.write(`${line}\n`),
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void app.close());
  const address = await app.listen({ host: flags.host, port: Number(flags.port) });
  process.stdout.write(`stand-in for GitLab listens on ${address} as ${flags.externalUrl}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`lab/gitlab: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
