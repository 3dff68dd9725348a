import { DaemonSet } from "@pulumi/kubernetes/apps/v1/daemonSet";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap";
import { Secret } from "@pulumi/kubernetes/core/v1/secret";
import { NetworkPolicy } from "@pulumi/kubernetes/networking/v1/networkPolicy";
import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import { refuseInvalid } from "../../inputErrors";
import type { Inputs } from "../../schema";
import { shownConfigToml } from "../configToml/masked";
import { encoded } from "../manager/config";
import { identified, keptIdentity, makeIdentity } from "../manager/identity";
import { selectorLabels } from "../manager/pod";
import { knownSettings, shownProxy, type KnownSettings } from "../proxyInput";
import type { Risk } from "../risk";
import { drainOf } from "../settings";
import { dockerRunnerConfig } from "./dockerConfig";
import { engineNetwork } from "./engine";
import { checkDockerRunner } from "./errors";
import { buildModes } from "./modes/buildModes";
import { filesAnnotation, filesDigest, innerDaemonData, objectNames, podTemplate, secretFiles } from "./pod";
import type { componentSettings, DockerRunnerSettings, innerDaemonComponentSettings } from "./settings";
import { sysboxRisk } from "./sysbox";
import { hasInnerDaemon, hasResidentEngine, type DockerWay } from "./ways";

/** Settings that every runner on the Docker of the nodes has; docs/reference/configuration.md says what each means. */
export interface DockerRunnerArgs extends Inputs<z.input<typeof componentSettings>> {
  /** The runner's authentication token, such as `RunnerToken.token`. Kept as a secret. */
  token: pulumi.Input<string>;
  /** Name of the runner and of its objects, a DNS label; unique in the namespace. Default: the component's own name. */
  runnerName?: pulumi.Input<string>;
  /** Tags that the runner has in GitLab. They live there; here they are only passed on as an output. Default: none. */
  tags?: pulumi.Input<pulumi.Input<string>[]>;
  /**
   * Wait until the pods of all nodes are ready. With `false` a node that is switched off does not hold the update up,
   * and an unhealthy pod is not noticed. Default: true.
   */
  waitForNodes?: boolean;
}

/** What only the build modes with an inner daemon take. */
export interface InnerDaemonArgs extends Inputs<z.input<typeof innerDaemonComponentSettings>> {}

/** What a runner tells the rest of the program. */
interface DockerRunnerOutputs {
  runnerName: pulumi.Output<string>;
  tags: pulumi.Output<string[]>;
  risk: pulumi.Output<Risk>;
}

/**
 * What previews and the state show of a runner: its settings as they were given, without its token, and its config.toml
 * with all that is secret in it masked: of `config`, whose words may be secrets, only that is shown.
 */
export function visible(name: string, way: DockerWay, given: DockerRunnerArgs & InnerDaemonArgs): pulumi.Inputs {
  const { token: _token, config, ...args } = given;
  // The address of a mirror is known late, and config.toml has nothing of it.
  const { tags: _tags, waitForNodes: _wait, mirrors: _mirrors, runnerName, ...settings } = args;
  const input = { ...settings, ...(config === undefined ? {} : { config }), name: runnerName ?? name, way };
  const configToml = shownConfigToml(input, (values, token) => {
    const { settings: sound, errors } = checkDockerRunner(values);
    return errors.length > 0 || sound === undefined ? undefined : dockerRunnerConfig(sound, token);
  });
  return { ...args, ...shownProxy(args), configToml };
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
  way: DockerWay,
  args: DockerRunnerArgs & InnerDaemonArgs,
): DockerRunnerOutputs {
  const { token, tags, waitForNodes: _wait, runnerName, mirrors, ...given } = args;
  const known = knownSettings({ ...given, name: runnerName ?? name, way }, mirrors, (values) =>
    checked(parent, name, values),
  );
  const { settings, mirrored, secrets, annotations } = known;
  const objectName = (kind: keyof ReturnType<typeof objectNames>): pulumi.Output<string> =>
    settings.apply((plain) => objectNames(plain.name)[kind]);
  const inside = { parent };
  const secret = new Secret(
    `${name}-config`,
    {
      metadata: { name: objectName("secret"), namespace: args.namespace },
      data: pulumi.all([secrets, pulumi.secret(token)]).apply(([plain, value]) => encoded(secretFiles(plain, value))),
    },
    inside,
  );
  const files = makeInnerDaemonFiles(name, way, args, known, inside);
  if (hasResidentEngine(way)) {
    const metadata = { name: objectName("jobs"), namespace: args.namespace };
    new NetworkPolicy(`${name}-jobs`, { metadata, spec: settings.apply((plain) => engineNetwork(plain.name)) }, inside);
  }
  makeDaemonSet(
    name,
    args,
    settings,
    {
      ...(hasInnerDaemon(way) ? { [filesAnnotation]: mirrored.apply(filesDigest) } : {}),
      ...annotations,
    },
    { parent, dependsOn: [secret, ...files] },
  );
  return {
    runnerName: settings.apply((plain) => plain.name),
    tags: pulumi.output(tags ?? []),
    risk: settings.apply(({ runtime }) => (runtime === undefined ? buildModes[way].risk : sysboxRisk)),
  };
}

/** The settings with their defaults. The stack file's were checked before, by the same; this is for other programs. */
function checked(parent: pulumi.Resource, name: string, given: unknown): DockerRunnerSettings {
  const { settings, errors } = checkDockerRunner(given);
  refuseInvalid(`Runner ${name}`, errors, parent);
  return settings!;
}

/** The files of the inner daemon hold nothing secret: addresses and certificates of registries. */
function makeInnerDaemonFiles(
  name: string,
  way: DockerWay,
  args: DockerRunnerArgs,
  { settings, mirrored }: KnownSettings<DockerRunnerSettings>,
  opts: pulumi.CustomResourceOptions,
): ConfigMap[] {
  if (!hasInnerDaemon(way)) {
    return [];
  }
  const data = mirrored.apply(innerDaemonData);
  const metadata = { name: settings.apply((plain) => objectNames(plain.name).files), namespace: args.namespace };
  return [new ConfigMap(`${name}-inner-daemon`, { metadata, data }, opts)];
}

function makeDaemonSet(
  name: string,
  args: DockerRunnerArgs,
  settings: pulumi.Output<DockerRunnerSettings>,
  annotations: Record<string, pulumi.Output<string>>,
  opts: pulumi.CustomResourceOptions,
): DaemonSet {
  // Each pod may first let its jobs finish, one node after the other; only the first create is quick.
  const slow = `${(drainOf(args) + 600) * 4}s`;
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
        annotations: (args.waitForNodes ?? true) ? {} : { "pulumi.com/skipAwait": "true" },
      },
      spec: {
        selector: { matchLabels: settings.apply((plain) => selectorLabels(plain.name)) },
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
        template: identified(settings.apply(podTemplate), makeIdentity(name, opts), annotations),
      },
    },
    { ...opts, ignoreChanges: [keptIdentity], customTimeouts: { create: "10m", update: slow, delete: slow } },
  );
}
