import type { types } from "@pulumi/kubernetes";
import { confinedContainer, confinedPod } from "../../confined";
import { identityVariable, systemIdScript } from "../identity";
import { managerFiles, secretFolder } from "../manager/config";
import { gracePeriod, hostAliases, placement, selectorLabels, watched } from "../manager/pod";
import { homeFolder, runManager, stateFolder } from "../manager/scripts";
import { proxyEnvironment, proxyFiles } from "../proxy";
import { managerResources } from "../sizes";
import { managerContainerName, patchedTemplate } from "./deployment";
import { kubernetesRunnerConfig } from "./kubernetesConfig";
import { objectNames } from "./names";
import { orphansScript } from "./orphans";
import type { KubernetesRunnerSettings } from "./settings";

/** User and group of the manager, as in Debian's and GitLab's own packages of the runner; the image's is root. */
const user = 999;

/** What the runner's Secret holds. */
export function secretFiles(settings: KubernetesRunnerSettings, token: string): Record<string, string> {
  return { ...managerFiles(kubernetesRunnerConfig(settings, token), settings.serverCa), ...proxyFiles(settings) };
}

/**
 * The pod template of a manager that runs jobs as pods, as data. It depends on nothing that the runner can reload by itself, and
 * on nothing secret: a change of those leaves every pod alone. What `deployment` says is over it.
 */
export function podTemplate(settings: KubernetesRunnerSettings): types.input.core.v1.PodTemplateSpec {
  return patchedTemplate(ownTemplate(settings), settings);
}

/** The pod template without what `deployment` says. It meets Kubernetes' level `restricted`. */
function ownTemplate(settings: KubernetesRunnerSettings): types.input.core.v1.PodTemplateSpec {
  const names = objectNames(settings.name);
  return {
    metadata: { labels: { ...selectorLabels(settings.name), "app.kubernetes.io/managed-by": "pi-runners" } },
    spec: {
      serviceAccountName: names.manager,
      automountServiceAccountToken: true,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: gracePeriod(settings),
      ...placement(settings),
      hostAliases: hostAliases(settings.hostAliases),
      securityContext: confinedPod(user),
      containers: [managerContainer(settings)],
      volumes: [
        { name: "config", secret: { secretName: names.secret, defaultMode: 0o440 } },
        { name: "state", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
        { name: "home", emptyDir: { sizeLimit: "64Mi" } },
        { name: "tmp", emptyDir: { sizeLimit: "256Mi" } },
      ],
    },
  };
}

/** config.toml stays in the mounted Secret, where the runner's own reload sees it change, and a link leads to it. */
const startScript = (settings: KubernetesRunnerSettings): string =>
  [
    "set -eu",
    "umask 077",
    `${systemIdScript} >${stateFolder}/.runner_system_id`,
    `ln -sf ${secretFolder}/config.toml ${stateFolder}/config.toml`,
    orphansScript(settings),
    runManager,
  ].join("\n");

/** What the manager's container has in its environment. */
export function managerEnvironment(settings: KubernetesRunnerSettings): types.input.core.v1.EnvVar[] {
  return [
    // A Deployment's pods move from node to node, and are one runner: their system id has no node in it.
    { name: "NODE_NAME", value: "" },
    { name: "RUNNER_POOL", value: `${settings.namespace}/${settings.name}` },
    identityVariable,
    { name: "POD_NAME", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "metadata.name" } } },
    { name: "HOME", value: homeFolder },
    ...proxyEnvironment(settings, objectNames(settings.name).secret),
  ];
}

function managerContainer(settings: KubernetesRunnerSettings): types.input.core.v1.Container {
  return {
    name: managerContainerName,
    image: settings.image,
    imagePullPolicy: "IfNotPresent",
    command: ["/bin/sh", "-c", startScript(settings)],
    env: managerEnvironment(settings),
    ...watched(settings),
    resources: managerResources(settings.size, settings.resources),
    securityContext: { privileged: false, ...confinedContainer },
    volumeMounts: [
      { name: "config", mountPath: secretFolder, readOnly: true },
      { name: "state", mountPath: stateFolder },
      { name: "home", mountPath: homeFolder },
      { name: "tmp", mountPath: "/tmp" },
    ],
  };
}
