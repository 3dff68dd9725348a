import { DaemonSet } from "@pulumi/kubernetes/apps/v1/daemonSet";
import { Deployment } from "@pulumi/kubernetes/apps/v1/deployment";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap";
import { Secret } from "@pulumi/kubernetes/core/v1/secret";
import { ServiceAccount } from "@pulumi/kubernetes/core/v1/serviceAccount";
import { NetworkPolicy } from "@pulumi/kubernetes/networking/v1/networkPolicy";
import { PodDisruptionBudget } from "@pulumi/kubernetes/policy/v1/podDisruptionBudget";
import { Role } from "@pulumi/kubernetes/rbac/v1/role";
import { RoleBinding } from "@pulumi/kubernetes/rbac/v1/roleBinding";
import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import { refuseInvalid, type InputError } from "../../inputErrors";
import type { Inputs } from "../../schema";
import { shownConfigToml } from "../configToml/masked";
import { encoded } from "../manager/config";
import { identified, keptIdentity, makeIdentity } from "../manager/identity";
import { selectorLabels } from "../manager/pod";
import { knownSettings, shownProxy } from "../proxyInput";
import type { Risk } from "../risk";
import { drainOf } from "../settings";
import { daemonFile, daemonScript } from "./buildCache";
import { buildkitFile, containersItems } from "./buildFiles";
import type { DeploymentPatch } from "./deployment";
import { checkKubernetesRunner } from "./errors";
import { kubernetesRunnerConfig } from "./kubernetesConfig";
import { objectNames } from "./names";
import { guardLabels, guardTemplate } from "./layersGuard";
import { jobsPolicy, managerPolicy } from "./network";
import { podTemplate, secretFiles } from "./pod";
import { risk } from "./risk";
import { rules } from "./role";
import type { componentSettings, KubernetesRunnerSettings } from "./settings";

/** Settings of KubernetesRunner; docs/reference/configuration.md says what each means. */
export interface KubernetesRunnerArgs extends Inputs<z.input<typeof componentSettings>> {
  /** The runner's authentication token, such as `RunnerToken.token`. Kept as a secret. */
  token: pulumi.Input<string>;
  /** Name of the runner and of its objects, a DNS label; unique in the namespace. Default: the component's own name. */
  runnerName?: pulumi.Input<string>;
  /** Tags that the runner has in GitLab. They live there; here they are only passed on as an output. Default: none. */
  tags?: pulumi.Input<pulumi.Input<string>[]>;
  /** Wait until the pods are ready. With `false` an unhealthy pod is not noticed. Default: true. */
  waitForNodes?: boolean;
}

type Settings = pulumi.Output<KubernetesRunnerSettings>;

/** The next manager takes jobs while the one before lets its own finish. */
const rolling = { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };

/** How managers are rolled, where `deployment` may say so. */
function rollout(patch: pulumi.Output<DeploymentPatch>) {
  const spec = patch.apply((given) => given.spec ?? {});
  return {
    // Another strategy takes the place of ours, as in Kubernetes (`retainKeys`): Recreate has no rollingUpdate.
    strategy: spec.apply(({ strategy = rolling }) => strategy),
    // Kubernetes' own defaults: nothing, where it is a secret, would be sent as a value.
    minReadySeconds: spec.apply(({ minReadySeconds = 0 }) => minReadySeconds),
    progressDeadlineSeconds: spec.apply(({ progressDeadlineSeconds = 600 }) => progressDeadlineSeconds),
    revisionHistoryLimit: spec.apply(({ revisionHistoryLimit = 10 }) => revisionHistoryLimit),
  };
}

/**
 * With Recreate the next manager starts when the jobs of the one before have ended. Timeouts have to be known when the program
 * runs: a strategy that is not may be that.
 */
function isRolling({ deployment }: { deployment?: unknown }): boolean {
  const { spec } = (deployment ?? {}) as { spec?: { strategy?: { type?: unknown } } };
  return [undefined, rolling.type].includes(spec?.strategy?.type as string | undefined);
}

/** Annotations of the pods by `deployment`, as far as their keys are known when the program runs. */
function podAnnotations({ deployment }: { deployment?: unknown }): Record<string, pulumi.Output<string>> {
  let at = deployment;
  for (const key of ["spec", "template", "metadata", "annotations"]) {
    at = isPlain(at) ? at[key] : undefined;
  }
  const entries = Object.entries(isPlain(at) ? at : {});
  return Object.fromEntries(entries.map(([key, value]) => [key, pulumi.output(value as string)]));
}

function isPlain(value: unknown): value is Record<string, unknown> {
  const isLate = pulumi.Output.isInstance(value) || value instanceof Promise;
  return typeof value === "object" && value !== null && !isLate;
}

/** Where keys are not known, the engine could not tell whether pods have the identity that they keep, and would fail. */
function lateAnnotations(settings: KubernetesRunnerSettings | undefined, known: string[]): InputError[] {
  return Object.keys(settings?.deployment?.spec?.template?.metadata?.annotations ?? {})
    .filter((key) => !known.includes(key))
    .map((key) => ({
      propertyPath: `deployment.spec.template.metadata.annotations.${key}`,
      reason: "stands in an output, and keys here have to be known when the program runs; let its value alone be one",
    }));
}

/** What previews and the state show of it, as of a runner on Docker. */
function visible(name: string, { token: _token, config, ...args }: KubernetesRunnerArgs): pulumi.Inputs {
  // The address of a mirror is known late, and config.toml has nothing of it.
  const { tags: _tags, waitForNodes: _wait, mirrors: _mirrors, runnerName, ...settings } = args;
  const input = {
    ...settings,
    ...(config === undefined ? {} : { config }),
    name: runnerName ?? name,
    way: "kubernetes",
  };
  const configToml = shownConfigToml(input, (values, token) => {
    const { settings: sound, errors } = checkKubernetesRunner(values);
    return errors.length > 0 || sound === undefined ? undefined : kubernetesRunnerConfig(sound, token);
  });
  return { ...args, ...shownProxy(args), configToml };
}

/**
 * A runner whose jobs are pods of the cluster, unprivileged, and build with Buildah, or with BuildKit: no Docker is needed on any
 * node. The manager is a Deployment; it may do in its namespace what a job needs, and nothing else.
 *
 * @example
 * new KubernetesRunner("pods", { namespace: place.namespace, url: "https://gitlab.lan", token: token.token });
 */
export class KubernetesRunner extends pulumi.ComponentResource {
  /** Name of the runner, as its manager shows in GitLab. */
  public readonly runnerName: pulumi.Output<string>;
  /** Tags as they were given. */
  public readonly tags: pulumi.Output<string[]>;
  /** What a job can do to the node. */
  public readonly risk: pulumi.Output<Risk>;

  public constructor(name: string, args: KubernetesRunnerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pi-runners:index:KubernetesRunner", name, visible(name, args), opts);
    const { token: _token, tags, waitForNodes: _wait, runnerName, mirrors, ...given } = args;
    const own = { ...given, name: runnerName ?? name, way: "kubernetes" as const };
    const known = knownSettings(own, mirrors, (values) => this.checked(name, values, args));
    const { settings, mirrored, secrets } = known;
    // Jobs find their layers only where a guard is.
    const guards = this.makeLayersGuard(name, args, settings, opts?.dependsOn);
    const dependsOn = [
      this.makeSecret(name, args, secrets, this.metadata(args, settings, "secret"), guards),
      ...this.makeBuildFiles(name, args, settings, mirrored),
      ...this.makeRights(name, args, settings),
      ...this.makePolicies(name, args, settings),
    ];
    const annotations = {
      ...podAnnotations(args),
      ...this.layersAnnotation(args, settings),
      ...known.annotations,
    };
    this.makeDeployment(name, args, settings, annotations, { parent: this, dependsOn });
    this.makeDisruptionBudget(name, args, settings);
    this.runnerName = settings.apply((plain) => plain.name);
    this.tags = pulumi.output(tags ?? []);
    this.risk = settings.apply(risk);
    this.registerOutputs({ runnerName: this.runnerName, tags: this.tags, risk: this.risk });
  }

  /** The settings with their defaults. The stack file's were checked before, by the same; this is for other programs. */
  private checked(name: string, given: unknown, args: KubernetesRunnerArgs): KubernetesRunnerSettings {
    const { settings, errors } = checkKubernetesRunner(given);
    refuseInvalid(`Runner ${name}`, [...errors, ...lateAnnotations(settings, Object.keys(podAnnotations(args)))], this);
    return settings!;
  }

  private metadata(args: KubernetesRunnerArgs, settings: Settings, object: keyof ReturnType<typeof objectNames>) {
    return { name: settings.apply((plain) => objectNames(plain.name)[object]), namespace: args.namespace };
  }

  private makeSecret(
    name: string,
    args: KubernetesRunnerArgs,
    settings: Settings,
    metadata: ReturnType<KubernetesRunner["metadata"]>,
    dependsOn: DaemonSet[],
  ): Secret {
    const data = pulumi
      .all([settings, pulumi.secret(args.token)])
      .apply(([plain, token]) => encoded(secretFiles(plain, token)));
    return new Secret(`${name}-config`, { metadata, data }, { parent: this, dependsOn });
  }

  /** What builders in jobs' pods are told of registries. A pod that starts after a change has it. Nothing in it is secret. */
  private makeBuildFiles(
    name: string,
    args: KubernetesRunnerArgs,
    settings: Settings,
    mirrored: Settings,
  ): ConfigMap[] {
    const containers = mirrored.apply(({ registries = [], mirrors }) =>
      Object.fromEntries(containersItems(registries, mirrors).map(({ key, content }) => [key, content])),
    );
    const buildkit = mirrored.apply(({ registries = [], mirrors, buildCache }) => ({
      "buildkitd.toml": buildkitFile(registries, mirrors, buildCache),
      ...(buildCache === undefined ? {} : { [daemonFile]: daemonScript }),
    }));
    const make = (object: "containers" | "buildkit", data: pulumi.Input<Record<string, string>>): ConfigMap =>
      new ConfigMap(`${name}-${object}`, { metadata: this.metadata(args, settings, object), data }, { parent: this });
    return [make("containers", containers), make("buildkit", buildkit)];
  }

  /** Two accounts: the manager's, which may make jobs' pods, and those pods' own, which may nothing and has no token. */
  private makeRights(name: string, args: KubernetesRunnerArgs, settings: Settings): pulumi.Resource[] {
    const inside = { parent: this };
    const metadata = this.metadata(args, settings, "manager");
    const jobs = this.metadata(args, settings, "jobs");
    return [
      new ServiceAccount(`${name}-manager`, { metadata, automountServiceAccountToken: false }, inside),
      new ServiceAccount(`${name}-jobs`, { metadata: jobs, automountServiceAccountToken: false }, inside),
      new Role(`${name}-manager`, { metadata, rules: settings.apply(rules) }, inside),
      new RoleBinding(
        `${name}-manager`,
        {
          metadata,
          roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: metadata.name },
          subjects: [{ kind: "ServiceAccount", name: metadata.name, namespace: args.namespace }],
        },
        inside,
      ),
    ];
  }

  /** Beside the namespace's own policy, which lets pods reach GitLab only. */
  private makePolicies(name: string, args: KubernetesRunnerArgs, settings: Settings): NetworkPolicy[] {
    const make = (object: "manager" | "jobs", spec: typeof jobsPolicy): NetworkPolicy =>
      new NetworkPolicy(
        `${name}-${object}`,
        { metadata: this.metadata(args, settings, object), spec: settings.apply((plain) => spec(plain.name)) },
        { parent: this },
      );
    return [make("manager", managerPolicy), make("jobs", jobsPolicy)];
  }

  private makeDeployment(
    name: string,
    args: KubernetesRunnerArgs,
    settings: Settings,
    annotations: Record<string, pulumi.Output<string>>,
    opts: pulumi.CustomResourceOptions,
  ): Deployment {
    const slow = `${drainOf(args) + 900}s`;
    const template = settings.apply(podTemplate);
    const id = makeIdentity(name, opts);
    const skipAwait: Record<string, string> = (args.waitForNodes ?? true) ? {} : { "pulumi.com/skipAwait": "true" };
    const patch = args.deployment === undefined ? undefined : settings.apply(({ deployment = {} }) => deployment);
    return new Deployment(
      name,
      {
        metadata: {
          ...this.metadata(args, settings, "deployment"),
          labels: settings.apply((plain) => ({
            ...selectorLabels(plain.name),
            "app.kubernetes.io/managed-by": "pi-runners",
            ...plain.deployment?.metadata?.labels,
          })),
          annotations: patch?.apply(({ metadata }) => ({ ...metadata?.annotations, ...skipAwait })) ?? skipAwait,
        },
        spec: {
          replicas: settings.apply(({ replicas }) => replicas),
          selector: { matchLabels: settings.apply((plain) => selectorLabels(plain.name)) },
          ...(patch === undefined ? { strategy: rolling } : rollout(patch)),
          template: identified(template, id, annotations),
        },
      },
      {
        ...opts,
        ignoreChanges: [keptIdentity],
        customTimeouts: { create: "10m", update: isRolling(args) ? "10m" : slow, delete: slow },
      },
    );
  }

  /**
   * Another folder for layers, or none, rolls the manager: once the new one is there, no job begins that uses the old folder,
   * and it can go.
   */
  private layersAnnotation(args: KubernetesRunnerArgs, settings: Settings): Record<string, pulumi.Output<string>> {
    return args.buildCache === undefined
      ? {}
      : { "pi-runners/layers": settings.apply(({ buildCache }) => buildCache!.hostFolder) };
  }

  /**
   * On each node where jobs may run: their layers are kept there.
   *
   * @param dependsOn what the runner itself depends on: where the guard goes alone, what removes the layers has to wait for it
   */
  private makeLayersGuard(
    name: string,
    args: KubernetesRunnerArgs,
    settings: Settings,
    dependsOn: pulumi.ResourceOptions["dependsOn"],
  ): DaemonSet[] {
    if (args.buildCache === undefined) {
      return [];
    }
    const labels = settings.apply((plain) => guardLabels(plain.name));
    const guard = new DaemonSet(
      `${name}-layers`,
      {
        metadata: {
          ...this.metadata(args, settings, "layers"),
          annotations: (args.waitForNodes ?? true) ? {} : { "pulumi.com/skipAwait": "true" },
        },
        spec: {
          selector: { matchLabels: labels },
          updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "100%" } },
          template: settings.apply(guardTemplate),
        },
      },
      { parent: this, dependsOn, customTimeouts: { create: "10m", update: "10m", delete: "10m" } },
    );
    return [guard];
  }

  /** Of several managers one stays while nodes are drained. Of one, an eviction would never come to an end. */
  private makeDisruptionBudget(name: string, args: KubernetesRunnerArgs, settings: Settings): void {
    // Known when the program runs, or made: a budget that allows one of one to go forbids nothing.
    if (args.replicas === undefined || args.replicas === 1) {
      return;
    }
    new PodDisruptionBudget(
      name,
      {
        metadata: this.metadata(args, settings, "deployment"),
        spec: {
          maxUnavailable: 1,
          selector: { matchLabels: settings.apply((plain) => selectorLabels(plain.name)) },
        },
      },
      { parent: this },
    );
  }
}
