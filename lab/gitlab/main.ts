/**
 * A stand-in for GitLab's runner API: what gitlab-runner, git and the lab's tests need of a GitLab, and no more.
 * GitLab itself does not fit into the lab. README.md says what it does and what it does not do.
 *
 *     tsx lab/gitlab/main.ts --state-dir DIR [--runners FILE] [--port 8929]
 */
import { Command, Option } from "commander";
import type { FastifyInstance } from "fastify";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { defaults, readRunners } from "./options";
import { buildServer } from "./server";

interface Flags {
  host: string;
  port: string;
  stateDir: string;
  externalUrl: string;
  registry: string;
  registryKey?: string;
  registryIssuer: string;
  tlsPort?: string;
  tlsCertificate?: string;
  tlsKey?: string;
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
  .addOption(option("--registry-key <file>", "signs tokens for the registry (RSA, PEM)", "LAB_GITLAB_REGISTRY_KEY"))
  .addOption(
    option("--registry-issuer <name>", "issuer of these tokens", "LAB_GITLAB_REGISTRY_ISSUER").default(defaults.issuer),
  )
  .addOption(option("--tls-port <port>", "listen there as well, by HTTPS", "LAB_GITLAB_TLS_PORT"))
  .addOption(option("--tls-certificate <file>", "for the port with TLS (PEM)", "LAB_GITLAB_TLS_CERTIFICATE"))
  .addOption(option("--tls-key <file>", "for the port with TLS (PEM)", "LAB_GITLAB_TLS_KEY"))
  .addOption(option("--runners <file>", "runners that exist from the start (JSON)", "LAB_GITLAB_RUNNERS"))
  .addOption(option("--registration-token <token>", "allow legacy registration", "LAB_GITLAB_REGISTRATION_TOKEN"))
  .addOption(option("--admin-token <token>", "of the API's PRIVATE-TOKEN", "LAB_GITLAB_ADMIN_TOKEN"))
  .addOption(option("--control-token <token>", "asked for by /lab/", "LAB_GITLAB_CONTROL_TOKEN"))
  .addOption(option("--long-poll <seconds>", "hold requests for a job", "LAB_GITLAB_LONG_POLL").default("0"))
  .addOption(option("--trace-interval <seconds>", "told to runners", "LAB_GITLAB_TRACE_INTERVAL").default("3"))
  .addOption(option("--stale-job <seconds>", "fail silent jobs after", "LAB_GITLAB_STALE_JOB").default("3600"));

/** The same calls by HTTPS, as a GitLab with a certificate of a private CA has them. Returns what starts to listen. */
function prepareTls(app: FastifyInstance, { host, tlsPort, tlsCertificate, tlsKey }: Flags): () => void {
  if (tlsPort === undefined) {
    return () => undefined;
  }
  if (tlsCertificate === undefined || tlsKey === undefined) {
    throw new Error("--tls-port needs a certificate and its key: give --tls-certificate and --tls-key.");
  }
  const server = createServer({ cert: readFileSync(tlsCertificate), key: readFileSync(tlsKey) }, (request, response) =>
    app.routing(request, response),
  );
  app.addHook("onClose", async () => void server.close().closeAllConnections());
  return () => void server.listen(Number(tlsPort), host);
}

const registryKey = (file: string, issuer: string) => ({ privateKey: readFileSync(file, "utf8"), issuer });

async function main(): Promise<void> {
  const flags = program.parse().opts<Flags>();
  const app = await buildServer({
    stateDir: flags.stateDir,
    externalUrl: flags.externalUrl.replace(/\/+$/, ""),
    registry: flags.registry,
    registryKey: flags.registryKey === undefined ? undefined : registryKey(flags.registryKey, flags.registryIssuer),
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
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => void app.close());
  }
  const listenByTls = prepareTls(app, flags);
  const address = await app.listen({ host: flags.host, port: Number(flags.port) });
  listenByTls();
  process.stdout.write(`stand-in for GitLab listens on ${address} as ${flags.externalUrl}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`lab/gitlab: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
