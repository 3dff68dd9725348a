import { Provider } from "@pulumi/kubernetes/provider";
import * as pulumi from "@pulumi/pulumi";
import { DindRunner, DoodRunner, RegistryTrust, RunnerCleanup, RunnerNamespace, RunnerToken } from "./components";
import { readConfig, type RunnerConfig } from "./config/stackConfig";
import { printPipeline } from "./templates/print";

const config = readConfig();

const cluster = new Provider("cluster", {
  kubeconfig: config.kubeconfig,
  context: config.context,
  // By name, so that a new address or certificate of the same cluster replaces nothing.
  clusterIdentifier: `${pulumi.getProject()}/${pulumi.getStack()}`,
  // A change of settings reaches the Secret in place, where the running runner sees it; no pod is restarted.
  enableSecretMutable: true,
  enableConfigMapMutable: true,
});

const trust =
  config.nodes.length === 0
    ? undefined
    : new RegistryTrust("registries", {
        nodes: config.nodes,
        registries: config.registries,
        ssh: config.ssh,
        rollout: config.rollout,
        allowRestart: config.allowRestart,
        owner: config.owner,
        probe: config.probe,
        reapply: config.reapply,
      });

/** Per runner, what removes its traces from the nodes when it goes. */
const cleanups = new Map(
  config.nodes.length === 0
    ? []
    : config.runners.map(({ name, namespace }) => {
        const { nodes, ssh } = config;
        return [name, new RunnerCleanup(name, { namespace, nodes, ssh })];
      }),
);

/** What has to be there before runners are, and goes only after them: jobs push to registries until they end. */
const grounds = [...(trust === undefined ? [] : [trust]), ...cleanups.values()];

const place = new RunnerNamespace(
  config.namespace,
  {
    gitlabUrl: config.gitlabUrl,
    egressPorts: config.egressPorts,
    metricsFrom: config.metricsFrom,
    quota: config.quota,
    deleteTimeout: config.deleteTimeout,
  },
  // Runners go with their namespace.
  { provider: cluster, dependsOn: grounds },
);

/** Types of the components that run the ways. */
const runnerTypes = { dood: "pi-runners:index:DoodRunner", inner: "pi-runners:index:DindRunner" };

function makeRunner(settings: RunnerConfig): DoodRunner | DindRunner {
  const { name, way, authenticationToken, ...rest } = settings;
  const { token } = new RunnerToken(name, { authenticationToken });
  const args = {
    ...rest,
    runnerName: name,
    namespace: place.namespace,
    serviceAccountName: place.serviceAccountName,
    token,
  };
  // A runner whose way is changed has the same objects by the same names: they are updated, as a create would collide.
  const aliases = [{ type: way === "dood" ? runnerTypes.inner : runnerTypes.dood }];
  const opts = { provider: cluster, deletedWith: place.resource, dependsOn: grounds, aliases };
  switch (way) {
    case "dood":
      return new DoodRunner(name, args, opts);
    case "dind":
    case "dind-job":
    case "dind-plain":
      return new DindRunner(name, { ...args, way }, opts);
    default:
      throw new Error(`No component runs way ${String(way satisfies never)}; add it to index.ts.`);
  }
}

const made = config.runners.map((settings) => ({ settings, runner: makeRunner(settings) }));

/** Namespace of the runners. */
export const namespace = place.namespace;

/** Per runner: how it builds, its tags, and what its jobs can do to a node. */
export const runners = made.map(({ settings, runner }) => ({
  name: runner.runnerName,
  way: settings.way,
  tags: runner.tags,
  risk: runner.risk,
}));

/** Per node: what was found there and how it came to trust the registries. */
const trustReport = trust?.report ?? {};
export { trustReport as trust };

/** A ready .gitlab-ci.yml per runner, by its name. */
export const pipelines = Object.fromEntries(
  config.runners.map((runner) => [runner.name, printPipeline(runner, config.registries)]),
);

/** A ready .gitlab-ci.yml for this stack, on its first runner. */
export const pipeline = pipelines[config.runners[0]!.name];
