import * as pulumi from "@pulumi/pulumi";
import type { Risk } from "../risk";
import { dockerRunner, visible, type DockerRunnerArgs } from "./dockerRunner";

/** Settings of DoodRunner: those of every runner on the Docker of the nodes, and no others. */
export interface DoodRunnerArgs extends DockerRunnerArgs {}

/**
 * Docker out of Docker: a runner on every chosen node, whose jobs build with the Docker of that node. Not privileged, and
 * as quick as the node, its layer cache included; but a job can be root on the node through the socket (see `risk`).
 *
 * @example
 * new DoodRunner("dood", { namespace: place.namespace, url: "https://gitlab.lan", token: token.token });
 */
export class DoodRunner extends pulumi.ComponentResource {
  /** Name of the runner, as its manager shows in GitLab. */
  public readonly runnerName: pulumi.Output<string>;
  /** Tags as they were given. */
  public readonly tags: pulumi.Output<string[]>;
  /** What a job can do to the node. */
  public readonly risk: pulumi.Output<Risk>;

  public constructor(name: string, args: DoodRunnerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pi-runners:index:DoodRunner", name, visible(name, "dood", args), opts);
    const made = dockerRunner(this, name, "dood", args);
    this.runnerName = made.runnerName;
    this.tags = made.tags;
    this.risk = made.risk;
    this.registerOutputs({ runnerName: this.runnerName, tags: this.tags, risk: this.risk });
  }
}
