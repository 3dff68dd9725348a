import { LimitRange } from "@pulumi/kubernetes/core/v1/limitRange";
import { Namespace } from "@pulumi/kubernetes/core/v1/namespace";
import { ResourceQuota } from "@pulumi/kubernetes/core/v1/resourceQuota";
import { ServiceAccount } from "@pulumi/kubernetes/core/v1/serviceAccount";
import { NetworkPolicy } from "@pulumi/kubernetes/networking/v1/networkPolicy";
import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import type { Inputs } from "../schema";
import { networkPolicySpec } from "./network";
import type { namespaceSettings } from "./settings";

/** How strictly Kubernetes judges the pods of a namespace (Pod Security Standards). */
export type PodSecurity = "privileged" | "baseline" | "restricted";

/** What a namespace of runners may have, unless its stack says otherwise. */
export const defaultQuota: Readonly<Record<string, string>> = {
  "services.loadbalancers": "0",
  "services.nodeports": "0",
  persistentvolumeclaims: "0",
};

/** Settings of RunnerNamespace. */
export interface RunnerNamespaceArgs extends Inputs<z.input<z.ZodObject<typeof namespaceSettings>>> {
  /** Name of the Kubernetes namespace. Default: the component's own name. */
  namespace?: pulumi.Input<string>;
  /**
   * The Pod Security Standard that is enforced. Default: `privileged`, which every way that uses the node's Docker needs:
   * its socket is a hostPath volume, and `baseline` forbids those.
   */
  podSecurity?: pulumi.Input<PodSecurity>;
  /** Address of the GitLab instance: runner pods may reach its port, and DNS, and nothing else. Default: port 443. */
  gitlabUrl?: pulumi.Input<string>;
  /** TCP port of the metrics. Default: the port that each pod itself calls `metrics`, as every runner's does. */
  metricsPort?: pulumi.Input<number>;
  /**
   * What a container gets that names no requests or limits of its own, by the LimitRange. Default: requests of 50m CPU
   * and 64Mi, a limit of 256Mi.
   */
  limits?: pulumi.Input<{
    requests?: pulumi.Input<Record<string, pulumi.Input<string>>>;
    limits?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  }>;
  /** How long its deletion may take, as Go writes durations: jobs finish first. Default: `70m`. */
  deleteTimeout?: string;
}

/**
 * A namespace for runners: with the Pod Security level that the ways truly need, a quota, defaults for containers, a
 * network that lets runner pods reach GitLab and DNS only, and an account without a token.
 *
 * @example
 * const place = new RunnerNamespace("gitlab-runners", { gitlabUrl: "https://gitlab.lan" });
 */
export class RunnerNamespace extends pulumi.ComponentResource {
  /** Name of the namespace. */
  public readonly namespace: pulumi.Output<string>;
  /** Name of the ServiceAccount that runner pods run as. */
  public readonly serviceAccountName: pulumi.Output<string>;
  /** The namespace itself, to name in `deletedWith`. */
  public readonly resource: Namespace;

  public constructor(name: string, args: RunnerNamespaceArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    super("pi-runners:index:RunnerNamespace", name, args, opts);
    this.resource = this.makeNamespace(name, args);
    this.namespace = this.resource.metadata.name;
    const inside: pulumi.CustomResourceOptions = { parent: this, deletedWith: this.resource };
    const account = new ServiceAccount(
      `${name}-runner`,
      { metadata: { name: "runner", namespace: this.namespace }, automountServiceAccountToken: false },
      inside,
    );
    this.serviceAccountName = account.metadata.name;
    this.makeLimits(name, args, inside);
    new NetworkPolicy(
      `${name}-network`,
      {
        metadata: { name: "runner", namespace: this.namespace },
        spec: pulumi
          .all([args.gitlabUrl, args.egressPorts, args.metricsFrom, args.metricsPort])
          .apply(([gitlabUrl, egressPorts, metricsFrom, metricsPort]) =>
            networkPolicySpec({ gitlabUrl, egressPorts, metricsFrom, metricsPort }),
          ),
      },
      inside,
    );
    this.registerOutputs({ namespace: this.namespace, serviceAccountName: this.serviceAccountName });
  }

  private makeNamespace(name: string, args: RunnerNamespaceArgs): Namespace {
    const level = args.podSecurity ?? "privileged";
    return new Namespace(
      name,
      {
        metadata: {
          name: args.namespace ?? name,
          labels: {
            "app.kubernetes.io/managed-by": "pi-runners",
            "pod-security.kubernetes.io/enforce": level,
            "pod-security.kubernetes.io/audit": level,
            "pod-security.kubernetes.io/warn": level,
          },
        },
      },
      { parent: this, customTimeouts: { delete: args.deleteTimeout ?? "70m" } },
    );
  }

  private makeLimits(name: string, args: RunnerNamespaceArgs, inside: pulumi.CustomResourceOptions): void {
    new ResourceQuota(
      `${name}-quota`,
      {
        metadata: { name: "runner", namespace: this.namespace },
        spec: {
          hard: args.quota ?? defaultQuota,
        },
      },
      inside,
    );
    const limits = pulumi.output(args.limits);
    new LimitRange(
      `${name}-limits`,
      {
        metadata: { name: "runner", namespace: this.namespace },
        spec: {
          limits: [
            {
              type: "Container",
              defaultRequest: limits.apply((given) => given?.requests ?? { cpu: "50m", memory: "64Mi" }),
              default: limits.apply((given) => given?.limits ?? { memory: "256Mi" }),
            },
          ],
        },
      },
      inside,
    );
  }
}
