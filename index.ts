import { Provider } from "@pulumi/kubernetes/provider";
import * as pulumi from "@pulumi/pulumi";
import {
  DindRunner,
  DoodRunner,
  KubernetesRunner,
  LayersCleanup,
  RegistryMirror,
  RegistryTrust,
  RunnerCleanup,
  RunnerNamespace,
  RunnerToken,
  ShellRunner,
  type DockerRunnerArgs,
} from "./components";
import type { DockerRunnerSettings } from "./components/runners/docker/settings";
import { hasInnerDaemon } from "./components/runners/docker/ways";
import { summaryOf } from "./components/registryTrust/report";
import { readConfig, type RunnerConfig } from "./config/stackConfig";
import { printPipeline } from "./templates/print";

const config = readConfig();
config.warnings.forEach((warning) => void pulumi.log.warn(warning));

/** Runners on hosts alone need no cluster: then nobody is asked for a kubeconfig, and no namespace is made. */
const needsCluster =
  config.mirror !== undefined ||
  config.runners.some(({ executor, token }) => executor !== "shell" || token.place !== undefined);

const cluster = needsCluster
  ? new Provider("cluster", {
      kubeconfig: config.kubeconfig,
      context: config.context,
      // By name, so that a new address or certificate of the same cluster replaces nothing.
      clusterIdentifier: `${pulumi.getProject()}/${pulumi.getStack()}`,
      // A change of settings reaches the Secret in place, where the running runner sees it; no pod is restarted.
      enableSecretMutable: true,
      enableConfigMapMutable: true,
      // What somebody changed by hand is shown, and put back, whatever tool that was: without it, preview and update end with
      // a conflict of field managers.
      enablePatchForce: true,
    })
  : undefined;

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

/** Jobs that are pods leave nothing on a node that its kubelet does not remove. */
const leavesTraces = (runner: RunnerConfig): runner is RunnerConfig & { executor: "docker" } =>
  runner.executor === "docker";

/** Per runner, what removes its traces from the nodes when it goes. */
const cleanups = new Map(
  config.nodes.length === 0
    ? []
    : config.runners.filter(leavesTraces).map(({ settings: { name, namespace } }) => {
        const { nodes, ssh } = config;
        return [name, new RunnerCleanup(name, { namespace, nodes, ssh, after: trust?.commands })];
      }),
);

/** What removes the layers that builds in pods are to keep. */
const layersCleanups = config.runners.flatMap(({ executor, settings }) => {
  if (executor !== "kubernetes" || settings.buildCache === undefined || config.nodes.length === 0) {
    return [];
  }
  const { name, namespace, buildCache, drainTimeout } = settings;
  const { nodes, ssh } = config;
  const place = { namespace, hostFolder: buildCache.hostFolder, drainTimeout };
  return [new LayersCleanup(name, { ...place, nodes, ssh, after: trust?.commands })];
});

/** What has to be there before runners are, and goes only after them: jobs push to registries until they end. */
const grounds = [...(trust === undefined ? [] : [trust]), ...cleanups.values(), ...layersCleanups];

const place = needsCluster
  ? new RunnerNamespace(
      config.namespace,
      {
        gitlabUrl: config.gitlabUrl,
        egressPorts: config.egressPorts,
        metricsFrom: config.metricsFrom,
        quota: config.quota,
        podSecurity: config.podSecurity,
        deleteTimeout: config.deleteTimeout,
      },
      // Runners go with their namespace.
      { provider: cluster, dependsOn: grounds },
    )
  : undefined;

const mirror =
  config.mirror === undefined
    ? undefined
    : new RegistryMirror(
        "mirror",
        { ...config.mirror, namespace: place!.namespace },
        // Its claim is refused until the quota of the namespace has room for it.
        { provider: cluster, deletedWith: place!.resource, dependsOn: [place!] },
      );
const mirrors = mirror === undefined ? {} : { mirrors: [mirror.url] };

/** Types of the components that run the ways. */
const runnerTypes = {
  dood: "pi-runners:index:DoodRunner",
  inner: "pi-runners:index:DindRunner",
  kubernetes: "pi-runners:index:KubernetesRunner",
};

/**
 * A runner whose way is changed has some of the same objects by the same names: they are updated, as a create would
 * collide. One that GitLab knows from this stack is not left to the deletion of the namespace: it goes from GitLab after
 * its pods, in that order.
 */
function runnerOptions(type: keyof typeof runnerTypes, { token }: RunnerConfig): pulumi.ComponentResourceOptions {
  const others = Object.values(runnerTypes).filter((other) => other !== runnerTypes[type]);
  const aliases = others.map((other) => ({ type: other }));
  const deletedWith = token.authenticationToken === undefined ? undefined : place?.resource;
  return { provider: cluster, deletedWith, dependsOn: grounds, aliases };
}

type Runner = DoodRunner | DindRunner | KubernetesRunner | ShellRunner;

function makeToken({ settings, token }: RunnerConfig): RunnerToken {
  // What registers a runner is an object of the namespace.
  return token.place === undefined
    ? new RunnerToken(settings.name, token)
    : new RunnerToken(
        settings.name,
        { ...token, place: { ...token.place, namespace: place!.namespace } },
        { provider: cluster },
      );
}

/** A runner by its executor. */
function makeRunner(runner: RunnerConfig): Runner {
  const { executor, tags, waitForNodes } = runner;
  const { token } = makeToken(runner);
  const common = { runnerName: runner.settings.name, token, tags, waitForNodes };
  switch (executor) {
    case "docker": {
      const { namespace, serviceAccountName } = place!;
      return makeDockerRunner(runner, runner.settings, { ...common, namespace, serviceAccountName });
    }
    case "kubernetes": {
      const { name, way: _way, ...rest } = runner.settings;
      const { namespace } = place!;
      return new KubernetesRunner(
        name,
        { ...rest, ...common, ...mirrors, namespace },
        runnerOptions("kubernetes", runner),
      );
    }
    case "shell": {
      const { name, way: _way, ...rest } = runner.settings;
      const { hosts, ...rollout } = runner.on;
      const nodes = config.nodes.filter((node) => hosts.includes(node.name));
      return new ShellRunner(
        name,
        { ...rest, ...rollout, token, tags, nodes, ssh: config.ssh },
        { dependsOn: grounds },
      );
    }
    default:
      throw new Error(`No component has executor ${String(executor satisfies never)}; add it to index.ts.`);
  }
}

function makeDockerRunner(
  runner: RunnerConfig,
  { name, way, ...settings }: DockerRunnerSettings,
  common: Pick<DockerRunnerArgs, "namespace" | "serviceAccountName" | "token" | "tags" | "waitForNodes">,
): Runner {
  if (hasInnerDaemon(way)) {
    return new DindRunner(name, { ...settings, ...common, ...mirrors, way }, runnerOptions("inner", runner));
  }
  switch (way) {
    case "dood":
      return new DoodRunner(name, { ...settings, ...common }, runnerOptions("dood", runner));
    default:
      throw new Error(`No component has way ${String(way satisfies never)}; add it to index.ts.`);
  }
}

const made = config.runners.map((runner) => ({ runner, component: makeRunner(runner) }));

/** Namespace of the runners, where any is in the cluster. */
export const namespace = place?.namespace;

/** Per runner: how it builds, its tags, and what its jobs can do to a node. */
export const runners = made.map(({ runner, component }) => ({
  name: component.runnerName,
  way: runner.settings.way,
  tags: component.tags,
  risk: component.risk,
}));

/** Per node: system, engines, and what they trust, in a line. */
export const nodes = pulumi
  .output(trust?.report ?? {})
  .apply((report) => Object.fromEntries(Object.entries(report).map(([node, one]) => [node, summaryOf(one)])));

/**
 * Per node: all that was found there and how it came to trust the registries. Nothing in it is secret: marked as one, it is
 * not printed with every update, some thirty lines a node; `pulumi stack output trust --show-secrets` does.
 */
const trustReport = pulumi.secret(trust?.report ?? {});
export { trustReport as trust };

/** A ready .gitlab-ci.yml per runner, by its name. */
export const pipelines = Object.fromEntries(
  config.runners.map((runner) => [runner.settings.name, printPipeline(runner, config.registries)]),
);

/** A ready .gitlab-ci.yml for this stack, on its first runner. */
export const pipeline = pipelines[config.runners[0]!.settings.name];
