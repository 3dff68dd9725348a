import * as pulumi from "@pulumi/pulumi";
import type { DockerWay, Risk } from "./ways";
import { dockerRunner, type DockerRunnerArgs, type InnerDaemonArgs } from "./dockerRunner";

/**
 * Where the Docker daemon of a job runs:
 * - `service`: beside the job, with TLS on port 2376.
 * - `in-job`: inside the job itself, on a Unix socket.
 * - `service-without-tls`: beside the job, on port 2375, for everybody who reaches it.
 */
export type DindMode = "service" | "in-job" | "service-without-tls";

/** Settings of DindRunner. */
export interface DindRunnerArgs extends DockerRunnerArgs, Omit<InnerDaemonArgs, "allowTlsOff"> {
  /** Where the daemon runs. Default: `service`. Without TLS only when asked for, by the name that says so. */
  mode?: DindMode;
}

/** What the stack file and the settings call a mode. */
const ways: Record<DindMode, DockerWay> = {
  service: "dind",
  "in-job": "dind-job",
  "service-without-tls": "dind-plain",
};

/**
 * Docker in Docker: a runner on every chosen node, whose jobs build with a Docker daemon of their own. Builds cannot see
 * each other or the node's containers; the daemon runs privileged (see `risk`).
 *
 * @example
 * new DindRunner("dind", { namespace: place.namespace, url: "https://gitlab.lan", token: token.token });
 */
export class DindRunner extends pulumi.ComponentResource {
  /** Name of the runner, as its manager shows in GitLab. */
  public readonly runnerName: pulumi.Output<string>;
  /** Tags as they were given. */
  public readonly tags: pulumi.Output<string[]>;
  /** What a job can do to the node. */
  public readonly risk: pulumi.Output<Risk>;

  public constructor(name: string, args: DindRunnerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pi-runners:index:DindRunner", name, {}, opts);
    const { mode = "service", ...rest } = args;
    const made = dockerRunner(this, name, ways[mode], {
      ...rest,
      ...(mode === "service-without-tls" && { allowTlsOff: true }),
    });
    this.runnerName = made.runnerName;
    this.tags = made.tags;
    this.risk = made.risk;
    this.registerOutputs({ runnerName: this.runnerName, tags: this.tags, risk: this.risk });
  }
}
