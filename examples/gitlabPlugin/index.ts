// A program of your own: Pulumi's GitLab plugin creates a runner in GitLab, and its token goes to the pods that run it.
import * as gitlab from "@pulumi/gitlab";
import { Provider } from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { DoodRunner, RunnerNamespace, RunnerToken } from "pi-runners";

const config = new pulumi.Config();
const gitlabUrl = config.require("gitlabUrl");

const cluster = new Provider("cluster", {
  // By name, so that a new address of the same cluster replaces nothing.
  clusterIdentifier: `${pulumi.getProject()}/${pulumi.getStack()}`,
  // A change of settings reaches a running runner through its Secret; no pod is restarted.
  enableSecretMutable: true,
  enableConfigMapMutable: true,
});
const place = new RunnerNamespace("gitlab-runners", { gitlabUrl }, { provider: cluster });

const created = new gitlab.UserRunner("dood", {
  runnerType: "project_type",
  projectId: config.requireNumber("projectId"),
  tagLists: ["arm64", "docker"],
  untagged: false,
});
const { token } = new RunnerToken("dood", { authenticationToken: created.token });

// Made after the runner in GitLab, so it also goes before it: its jobs end while GitLab still knows them.
const dood = new DoodRunner(
  "dood",
  {
    namespace: place.namespace,
    serviceAccountName: place.serviceAccountName,
    url: gitlabUrl,
    token,
    architecture: "arm64",
  },
  { provider: cluster, deletedWith: place.resource },
);

/** What a job can do to a node. */
export const risk = dood.risk;
