import * as pulumi from "@pulumi/pulumi";
import type { Risk } from "../risk";
import { dockerRunner, visible, type DockerRunnerArgs, type InnerDaemonArgs } from "./dockerRunner";
import type { InnerDaemonWay } from "./ways";

/**
 * What `DindRunnerArgs.way` was called first, each with its word of today.
 *
 * @deprecated use `way`
 */
export type DindMode = keyof typeof waysOfModes;

const waysOfModes = {
  service: "dind",
  "in-job": "dind-job",
  "service-without-tls": "dind-plain",
} as const satisfies Record<string, InnerDaemonWay>;

/** Settings of DindRunner. */
export interface DindRunnerArgs extends DockerRunnerArgs, InnerDaemonArgs {
  /**
   * Where the daemon runs, in the words of the stack file: `dind`, beside the job with TLS; `dind-job`, inside the job;
   * `dind-plain`, beside the job without TLS, which needs `allowTlsOff: true`. Default: `dind`.
   */
  way?: InnerDaemonWay;
  /** @deprecated use `way`; `service-without-tls` is `dind-plain` with `allowTlsOff: true` */
  mode?: DindMode;
}

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
    const [way, settings] = modern(args);
    const { mode } = args;
    const shown = { ...visible(name, way, settings), way: args.way, ...(mode === undefined ? {} : { mode }) };
    super("pi-runners:index:DindRunner", name, shown, opts);
    const made = dockerRunner(this, name, way, settings);
    this.runnerName = made.runnerName;
    this.tags = made.tags;
    this.risk = made.risk;
    this.registerOutputs({ runnerName: this.runnerName, tags: this.tags, risk: this.risk });
  }
}

/** The build mode, and the arguments without the words that once named it. */
function modern({ mode, way, ...args }: DindRunnerArgs): [InnerDaemonWay, DockerRunnerArgs] {
  const chosen = way ?? waysOfModes[mode ?? "service"];
  return [chosen, way === undefined && mode === "service-without-tls" ? { allowTlsOff: true, ...args } : args];
}
