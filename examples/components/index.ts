// A program of your own: two runners of one token kind each, in one namespace, on nodes that trust a private registry.
import { Provider } from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import {
  DindRunner,
  DoodRunner,
  RegistryTrust,
  RunnerNamespace,
  RunnerToken,
  type DockerRunnerArgs,
  type Registry,
  type Risk,
  type TrustNode,
} from "pi-runners";

const config = new pulumi.Config();
const gitlabUrl = config.require("gitlabUrl");
const nodes = config.requireObject<TrustNode[]>("nodes");

const registries: Registry[] = [{ address: "registry.lan:5000", insecure: true }];

const cluster = new Provider("cluster", {
  // By name, so that a new address of the same cluster replaces nothing.
  clusterIdentifier: `${pulumi.getProject()}/${pulumi.getStack()}`,
  // A change of settings reaches a running runner through its Secret; no pod is restarted.
  enableSecretMutable: true,
  enableConfigMapMutable: true,
});

const trust = new RegistryTrust("registries", { nodes, registries, ssh: { user: "pi" } });
const place = new RunnerNamespace("gitlab-runners", { gitlabUrl }, { provider: cluster });
const { token } = new RunnerToken("images", { authenticationToken: config.requireSecret("runnerToken") });

/** What both runners have in common. */
const common: DockerRunnerArgs = {
  namespace: place.namespace,
  serviceAccountName: place.serviceAccountName,
  url: gitlabUrl,
  token,
  architecture: "arm64",
  tolerations: [{ key: "ci", operator: "Exists", effect: "NoSchedule" }],
};
const opts = { provider: cluster, deletedWith: place.resource, dependsOn: [trust] };

const dood = new DoodRunner("dood", { ...common, nodeSelector: { ci: "trusted" } }, opts);
const dind = new DindRunner("dind", { ...common, nodeSelector: { ci: "open" }, way: "dind-job", registries }, opts);

/** What a job can do to a node, per runner. */
export const risks: Record<string, pulumi.Output<Risk>> = { dood: dood.risk, dind: dind.risk };
