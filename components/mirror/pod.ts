import { createHash } from "node:crypto";
import type { types } from "@pulumi/kubernetes";
import { stringify } from "yaml";
import { portOf } from "../namespace/network";
import { hostAliases, placement } from "../runners/manager/pod";
import type { MirrorSettings } from "./settings";

/** Name of all its objects in the namespace: there is one mirror in it. */
export const mirrorName = "registry-mirror";

/** TCP port that it listens on. */
export const mirrorPort = 5000;

export const mirrorLabels = { "app.kubernetes.io/name": mirrorName };

const configFolder = "/etc/pi-runners";
const configFile = "mirror.yml";
const dataFolder = "/var/lib/registry";
/** Nobody in particular. */
const user = 65532;

/** The registry's configuration (distribution, docs/content/about/configuration.md), which holds the password. */
export function mirrorConfig({ remoteUrl, username, password }: MirrorSettings): Record<string, string> {
  const config = {
    version: 0.1,
    log: { level: "warn" },
    // What was pulled goes after a week, and with it what it needs deleting for.
    storage: { filesystem: { rootdirectory: dataFolder }, delete: { enabled: true } },
    http: { addr: `:${mirrorPort}` },
    proxy: { remoteurl: remoteUrl, ...(username === undefined ? {} : { username, password }) },
  };
  return { [configFile]: stringify(config) };
}

/**
 * By it another configuration starts the mirror again. It is no secret, and a password of the kind that people make up could
 * be found by more than these 12 bits of it: one of 4096 guesses has them.
 */
export function configDigest({ password = "", ...settings }: MirrorSettings): string {
  const digest = (text: string): string => createHash("sha256").update(text).digest("hex");
  return digest(JSON.stringify(mirrorConfig(settings))).slice(0, 8) + digest(password).slice(0, 3);
}

/**
 * The pod of the mirror. With a claim it is nobody on its node; a folder of the node belongs to root there.
 *
 * @param digest that of its configuration
 */
export function mirrorPod(
  settings: MirrorSettings,
  digest: string,
  aliases: Record<string, string> | undefined,
): types.input.core.v1.PodTemplateSpec {
  const { hostFolder, nodeSelector, tolerations } = settings;
  const owner = hostFolder === undefined ? user : 0;
  const httpGet = { path: "/", port: mirrorPort };
  return {
    metadata: {
      labels: { ...mirrorLabels, "app.kubernetes.io/managed-by": "pi-runners" },
      annotations: { "pi-runners/mirror-config": digest },
    },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      ...placement({ nodeSelector, tolerations }),
      hostAliases: hostAliases(aliases),
      securityContext: {
        runAsUser: owner,
        runAsGroup: owner,
        ...(hostFolder === undefined ? { runAsNonRoot: true, fsGroup: owner } : {}),
        seccompProfile: { type: "RuntimeDefault" },
      },
      containers: [
        {
          name: "registry",
          image: settings.image,
          imagePullPolicy: "IfNotPresent",
          args: ["serve", `${configFolder}/${configFile}`],
          // Release 3 would send traces to a collector beside it that nobody has.
          env: [{ name: "OTEL_TRACES_EXPORTER", value: "none" }],
          ports: [{ name: "registry", containerPort: mirrorPort, protocol: "TCP" }],
          // Its front page says nothing of the registry behind it, whose outage restarts nothing.
          readinessProbe: { httpGet, periodSeconds: 5 },
          livenessProbe: { httpGet, periodSeconds: 30, failureThreshold: 6 },
          resources: { requests: { cpu: "20m", memory: "32Mi" }, limits: { memory: "256Mi" } },
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
          },
          volumeMounts: [
            { name: "config", mountPath: configFolder, readOnly: true },
            { name: "data", mountPath: dataFolder },
            { name: "tmp", mountPath: "/tmp" },
          ],
        },
      ],
      volumes: [
        { name: "config", secret: { secretName: mirrorName, defaultMode: 0o440 } },
        { name: "tmp", emptyDir: { sizeLimit: "64Mi" } },
        hostFolder === undefined
          ? { name: "data", persistentVolumeClaim: { claimName: mirrorName } }
          : { name: "data", hostPath: { path: hostFolder, type: "DirectoryOrCreate" } },
      ],
    },
  };
}

/**
 * Whoever builds may ask it: daemons of jobs come by the addresses of their nodes, so pods cannot be told by labels. It may
 * ask the registry that it mirrors, which sends to other hosts for layers.
 */
export function mirrorNetwork({ remoteUrl }: MirrorSettings): types.input.networking.v1.NetworkPolicySpec {
  const ports = [...new Set([portOf(remoteUrl), 443])];
  return {
    podSelector: { matchLabels: mirrorLabels },
    policyTypes: ["Ingress", "Egress"],
    ingress: [{ ports: [{ protocol: "TCP", port: mirrorPort }] }],
    egress: [
      {
        ports: [
          { protocol: "UDP", port: 53 },
          { protocol: "TCP", port: 53 },
        ],
      },
      { ports: ports.map((port) => ({ protocol: "TCP", port })) },
    ],
  };
}
