import { DaemonSet } from "@pulumi/kubernetes/apps/v1/daemonSet";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap";
import { Secret } from "@pulumi/kubernetes/core/v1/secret";
import * as pulumi from "@pulumi/pulumi";
import type { Registry } from "../../registryTrust/registry";
import type { Architecture } from "../architecture";
import type { DockerRunnerSettings, Toleration } from "./dockerConfig";
import { defaultDrainTimeout, innerDaemonItems, objectNames, podTemplate, secretFiles, selectorLabels } from "./pod";
import { dockerRunnerProblems } from "./problems";
import type { ConfigRest } from "../configToml/rest";
import type { PullPolicy } from "../configToml/settings/values";
import type { NodeSize, Resources } from "../sizes";
import { risks, type DockerWay, type Risk } from "./ways";

/** Settings that every runner on the Docker of the nodes has. */
export interface DockerRunnerArgs {
  /** The namespace that its objects go to, such as `RunnerNamespace.namespace`. */
  namespace: pulumi.Input<string>;
  /** Address of the GitLab instance, such as `https://gitlab.lan`. */
  url: pulumi.Input<string>;
  /** The runner's authentication token, such as `RunnerToken.token`. Kept as a secret. */
  token: pulumi.Input<string>;
  /** Name of the runner and of its objects, a DNS label; unique in the namespace. Default: the component's own name. */
  runnerName?: pulumi.Input<string>;
  /** Account that the pods run as. Default: the namespace's `default`; no token is mounted either way. */
  serviceAccountName?: pulumi.Input<string>;
  /** Tags that the runner has in GitLab. They live there; here they are only passed on as an output. Default: none. */
  tags?: pulumi.Input<pulumi.Input<string>[]>;
  /** Jobs at the same time, per node. Default: 1, as two would share the node's or the Pi's few resources. */
  concurrent?: pulumi.Input<number>;
  /** Seconds between two questions for work. Default: 3. */
  checkInterval?: pulumi.Input<number>;
  /** Architecture of the nodes. Default: any; the images have to be multi-platform then. */
  architecture?: pulumi.Input<Architecture>;
  /** Labels of the nodes that get the runner. Default: every Linux node (of `architecture`). */
  nodeSelector?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Taints that the pods tolerate. Default: none. */
  tolerations?: pulumi.Input<pulumi.Input<Toleration>[]>;
  /** Priority of the pods, by PriorityClass. Default: the cluster's. */
  priorityClassName?: pulumi.Input<string>;
  /** Memory of the nodes: decides the defaults of requests and limits, of pod and jobs. Default: `4GB`. */
  size?: pulumi.Input<NodeSize>;
  /** Requests and limits of the runner's own container. Default: by `size`. */
  resources?: pulumi.Input<Resources>;
  /** Image of gitlab-runner. Default: the pinned one of runner/images.ts. */
  image?: pulumi.Input<string>;
  /** Image of the helper; same release as `image`. Default: by `architecture`, else chosen by the runner itself. */
  helperImage?: pulumi.Input<string>;
  /** Image of jobs that name none. Default: the pinned docker:…-cli, for a daemon inside the job docker:…-dind. */
  jobImage?: pulumi.Input<string>;
  /** When images are pulled, tried in this order. Default: `always`, then `if-not-present` when the registry is away. */
  pullPolicy?: pulumi.Input<pulumi.Input<PullPolicy>[]>;
  /** Patterns of the images that jobs may use. Default: all. */
  allowedImages?: pulumi.Input<pulumi.Input<string>[]>;
  /** Patterns of the images that jobs may use as services. Default: all. */
  allowedServices?: pulumi.Input<pulumi.Input<string>[]>;
  /** Secrets to pull `image` with. Default: none. */
  imagePullSecrets?: pulumi.Input<pulumi.Input<string>[]>;
  /** Names that only the LAN knows, with their addresses; for pod, jobs and services. Default: none. */
  hostAliases?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** MTU of the networks of jobs and of the inner daemon, bytes. Default: Docker's, 1500. */
  mtu?: pulumi.Input<number>;
  /** TCP port of metrics and probes. A change rolls the pods. Default: 9252. */
  metricsPort?: pulumi.Input<number>;
  /** How long jobs may go on when a pod is to stop, seconds. Default: 3600. */
  drainTimeout?: pulumi.Input<number>;
  /** Path of the Docker socket on the nodes. Default: `/var/run/docker.sock`. */
  dockerSocket?: pulumi.Input<string>;
  /** CA that signed the certificate of the GitLab instance, PEM. Default: the image's own CAs. */
  serverCa?: pulumi.Input<string>;
  /** Everything else that config.toml accepts, in its own words. Default: nothing. */
  config?: pulumi.Input<ConfigRest>;
  /**
   * Wait until the pods of all nodes are ready. With `false` a node that is switched off does not hold the update up,
   * and an unhealthy pod is not noticed. Default: true.
   */
  waitForNodes?: boolean;
}

/** What only the ways with an inner daemon take. */
export interface InnerDaemonArgs {
  /** Image of the inner daemon. Default: the pinned docker:…-dind. */
  dindImage?: pulumi.Input<string>;
  /** Registries that the inner daemon is to trust. Default: none. */
  registries?: pulumi.Input<pulumi.Input<Registry>[]>;
  /** Yes, without TLS. */
  allowTlsOff?: pulumi.Input<boolean>;
}

/** What a runner tells the rest of the program. */
export interface DockerRunnerOutputs {
  runnerName: pulumi.Output<string>;
  way: pulumi.Output<DockerWay>;
  tags: pulumi.Output<string[]>;
  risk: pulumi.Output<Risk>;
}

/**
 * Makes the objects of a runner on the Docker of the nodes, as children of its component: the one implementation behind
 * DoodRunner and DindRunner.
 *
 * Objects have fixed names, on purpose: with names that Pulumi makes up, a replacement would run two DaemonSets side by
 * side, so two runners with one identity on each node.
 */
export function dockerRunner(
  parent: pulumi.ComponentResource,
  name: string,
  way: pulumi.Input<DockerWay>,
  args: DockerRunnerArgs & InnerDaemonArgs,
): DockerRunnerOutputs {
  const { token, tags, waitForNodes, ...rest } = args;
  const settings = pulumi.output({ ...rest, name: args.runnerName ?? name, way }).apply((plain) => {
    const { runnerName: _, ...values } = plain as unknown as DockerRunnerSettings & { runnerName?: string };
    return checked(parent, values);
  });
  const objectName = (kind: "daemonSet" | "secret" | "files"): pulumi.Output<string> =>
    settings.apply((plain) => objectNames(plain.name)[kind]);
  const inside = { parent };
  const secret = new Secret(
    `${name}-config`,
    {
      metadata: { name: objectName("secret"), namespace: args.namespace },
      // Encoded here rather than sent as stringData, which the API server never gives back: a refresh would see a change.
      data: pulumi.all([settings, pulumi.secret(token)]).apply(([plain, value]) => encoded(secretFiles(plain, value))),
    },
    inside,
  );
  const files = makeInnerDaemonFiles(name, way, args, settings, inside);
  makeDaemonSet(name, args, settings, waitForNodes ?? true, { parent, dependsOn: [secret, ...files] });
  return {
    runnerName: settings.apply((plain) => plain.name),
    way: pulumi.output(way),
    tags: pulumi.output(tags ?? []),
    risk: pulumi.output(way).apply((known) => risks[known]),
  };
}

/** Refuses settings with mistakes; config.ts has found those of the stack file before, this is for other programs. */
function checked(parent: pulumi.Resource, settings: DockerRunnerSettings): DockerRunnerSettings {
  const problems = dockerRunnerProblems(settings);
  if (problems.length > 0) {
    const lines = problems.map(({ key, text }) => `  ${key}: ${text}`);
    throw new pulumi.ResourceError(`Runner ${settings.name} cannot be made:\n${lines.join("\n")}`, parent, true);
  }
  return settings;
}

function encoded(files: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).map(([file, content]) => [file, Buffer.from(content).toString("base64")]),
  );
}

/** The files of the inner daemon hold nothing secret: addresses and certificates of registries. */
function makeInnerDaemonFiles(
  name: string,
  way: pulumi.Input<DockerWay>,
  args: DockerRunnerArgs,
  settings: pulumi.Output<DockerRunnerSettings>,
  opts: pulumi.CustomResourceOptions,
): ConfigMap[] {
  if (way === "dood") {
    return [];
  }
  const data = settings.apply((plain) =>
    Object.fromEntries(innerDaemonItems(plain).map(({ key, content }) => [key, content])),
  );
  const metadata = { name: settings.apply((plain) => objectNames(plain.name).files), namespace: args.namespace };
  return [new ConfigMap(`${name}-inner-daemon`, { metadata, data }, opts)];
}

function makeDaemonSet(
  name: string,
  args: DockerRunnerArgs,
  settings: pulumi.Output<DockerRunnerSettings>,
  wait: boolean,
  opts: pulumi.CustomResourceOptions,
): DaemonSet {
  // Each pod may first let its jobs finish, one node after the other; only the first create is quick.
  const slow = `${((typeof args.drainTimeout === "number" ? args.drainTimeout : defaultDrainTimeout) + 600) * 4}s`;
  return new DaemonSet(
    name,
    {
      metadata: {
        name: settings.apply((plain) => plain.name),
        namespace: args.namespace,
        labels: settings.apply((plain) => ({
          ...selectorLabels(plain.name),
          "app.kubernetes.io/managed-by": "pi-runners",
        })),
        annotations: wait ? {} : { "pulumi.com/skipAwait": "true" },
      },
      spec: {
        selector: { matchLabels: settings.apply((plain) => selectorLabels(plain.name)) },
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
        template: settings.apply(podTemplate),
      },
    },
    { ...opts, customTimeouts: { create: "10m", update: slow, delete: slow } },
  );
}
