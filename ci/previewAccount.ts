/**
 * Makes an account of the cluster that may read a stack's objects and change nothing, for previews of merge requests: see
 * `usage`.
 */
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Cluster, KubeConfig, KubernetesObject, V1PolicyRule, V1Secret } from "@kubernetes/client-node";
import { stringify } from "yaml";
import { answered, clusterOf } from "../config/cluster";

const usage = `Makes an account that may read a stack's objects in the cluster, and change nothing; prints its kubeconfig.

  npx tsx ci/previewAccount.ts --namespace gitlab-runners --out ~/.kube/preview.kubeconfig

  --namespace NAME   of the stack's runners, as in its file, which is deployed already; default: gitlab-runners
  --kubeconfig FILE  of somebody who may make accounts and roles there; default: what kubectl uses. --context NAME
  --server URL       where jobs reach the cluster's API, where that is not what this kubeconfig says
  --out FILE         where to write what is printed otherwise, such that nobody else can read it
  --remove           take the account away: its kubeconfig is worth nothing from then on
  --help             print this

The file is then the variable KUBECONFIG of previews; deployments need another one. It does not expire: to replace it, run this
with --remove, and again. After an update of this project, run it again: the kubeconfig stays, its rights are brought up to date.`;

/** What all that is made is called. */
const name = "pi-runners-preview";

const may = (verb: "get" | "list", apiGroup: string, ...resources: string[]): V1PolicyRule => ({
  apiGroups: [apiGroup],
  resources,
  verbs: [verb],
});

/**
 * What the provider reads of a stack's objects: each by its name, in a preview that refreshes (`--drift`). Dry runs need
 * the rights of the real thing; where they are refused, it takes what the program says for what would come
 * (pulumi-kubernetes 4.34, Create and Update in provider/pkg/provider/provider.go).
 *
 * Pods are not among it, which the provider would read to tell why something is not ready: in their variables are those of jobs.
 *
 * They are a Role's, which reads nothing cluster-wide but its own Namespace: a kind that is in no namespace needs a ClusterRole.
 */
export const previewRules: V1PolicyRule[] = [
  may("get", "", "configmaps", "limitranges", "namespaces", "persistentvolumeclaims", "resourcequotas"),
  may("get", "", "secrets", "serviceaccounts", "services"),
  may("get", "apps", "daemonsets", "deployments"),
  may("get", "batch", "jobs"),
  may("get", "networking.k8s.io", "networkpolicies"),
  may("get", "policy", "poddisruptionbudgets"),
  may("get", "rbac.authorization.k8s.io", "rolebindings", "roles"),
  // By these it tells whether a Deployment is ready (provider/pkg/await/deployment.go).
  may("list", "apps", "replicasets"),
];

/** The account, its role in the one namespace, and its token: one that is kept, for a job's variable is, too. */
function accountObjects(namespace: string): KubernetesObject[] {
  const metadata = { name, namespace, labels: { "app.kubernetes.io/managed-by": "pi-runners" } };
  const annotations = { "kubernetes.io/service-account.name": name };
  const group = "rbac.authorization.k8s.io";
  const objects = [
    { apiVersion: "v1", kind: "ServiceAccount", metadata, automountServiceAccountToken: false },
    { apiVersion: `${group}/v1`, kind: "Role", metadata, rules: previewRules },
    {
      ...{ apiVersion: `${group}/v1`, kind: "RoleBinding", metadata },
      roleRef: { apiGroup: group, kind: "Role", name },
      subjects: [{ kind: "ServiceAccount", name, namespace }],
    },
    {
      ...{ apiVersion: "v1", kind: "Secret", metadata: { ...metadata, annotations } },
      type: "kubernetes.io/service-account-token",
    },
  ];
  return objects;
}

/** Makes the account, and gives its kubeconfig. @throws where its token is worth more than its role says */
async function makeAccount(config: KubeConfig, namespace: string, server?: string): Promise<string> {
  const { KubeConfig, KubernetesObjectApi, PatchStrategy } = await import("@kubernetes/client-node");
  const cluster = reachable(config, server);
  const api = KubernetesObjectApi.makeApiClient(config);
  await answered(config, api.read(object("v1", "Namespace", namespace)));
  for (const one of accountObjects(namespace)) {
    await api.patch(one, undefined, undefined, "pi-runners", true, PatchStrategy.ServerSideApply);
  }
  const secret = await issuedToken(config, namespace);
  const own = new KubeConfig();
  own.loadFromClusterAndUser(config.getCurrentCluster()!, { name, token: tokenIn(secret) });
  const allowed = await allowedChange(own, namespace);
  if (allowed !== undefined) {
    await removeAccount(config, namespace);
    throw new Error(
      `The account may ${allowed} in namespace ${namespace}, although its role lets it only read.\n` +
        `Either the cluster at ${cluster.server} asks for no roles, as microk8s does not at first, or a binding there gives rights to every account.\n` +
        "Turn roles on (microk8s enable rbac), or take that binding away, and run this again. The account is removed.",
    );
  }
  return kubeconfigOf(config.getCurrentContext(), cluster, secret);
}

/** The cluster as jobs reach it. */
function reachable(config: KubeConfig, server: string | undefined): Cluster {
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new Error(
      `The kubeconfig has no context ${JSON.stringify(config.getCurrentContext())}, or that names no cluster.\n` +
        "Give --kubeconfig, or --context with one that kubectl config get-contexts lists.",
    );
  }
  const found = { ...cluster, server: server ?? cluster.server };
  if (found.proxyUrl !== undefined && new URL(found.proxyUrl).password !== "") {
    throw new Error(
      "The proxy of this kubeconfig has a password in its address, which every preview could read.\n" +
        "Give --kubeconfig with one that has none.",
    );
  }
  if (["localhost", "127.0.0.1", "[::1]"].includes(new URL(found.server).hostname)) {
    throw new Error(
      `The cluster's address in this kubeconfig is ${found.server}, which only this machine reaches.\n` +
        "Give --server https://HOST:PORT, as jobs reach it; its certificate has to have that name or address.",
    );
  }
  return found;
}

/** The Secret, once the cluster has put a token into it. */
async function issuedToken(config: KubeConfig, namespace: string): Promise<V1Secret> {
  const { CoreV1Api } = await import("@kubernetes/client-node");
  const api = config.makeApiClient(CoreV1Api);
  for (let attempt = 0; attempt < 50; attempt++) {
    const secret = await api.readNamespacedSecret({ name, namespace });
    if (secret.data?.["token"] !== undefined) {
      return secret;
    }
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error(
    `Secret ${namespace}/${name} gets no token.\n` +
      "The cluster's controller manager issues it: see whether that runs, then run this again.",
  );
}

const tokenIn = ({ data }: V1Secret): string => Buffer.from(data!["token"]!, "base64").toString();

/** Its context is called as the one that it was made with, which the stack file may name. */
function kubeconfigOf(context: string, cluster: Cluster, secret: V1Secret): string {
  const { server, tlsServerName, proxyUrl, caFile, skipTLSVerify } = cluster;
  const ownAuthority = cluster.caData ?? (caFile && readFileSync(caFile).toString("base64"));
  // Who is connected to is always checked, even if whoever makes the account has turned that off.
  const authority = ownAuthority ?? (skipTLSVerify ? secret.data!["ca.crt"] : undefined);
  return stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      "current-context": context,
      contexts: [{ name: context, context: { cluster: name, user: name } }],
      clusters: [
        {
          name,
          cluster: {
            server,
            ...(authority === undefined ? {} : { "certificate-authority-data": authority }),
            ...(tlsServerName === undefined ? {} : { "tls-server-name": tlsServerName }),
            ...(proxyUrl === undefined ? {} : { "proxy-url": proxyUrl }),
          },
        },
      ],
      users: [{ name, user: { token: tokenIn(secret) } }],
    },
    { lineWidth: 0 },
  );
}

/** The first change that the cluster would let the account make. */
async function allowedChange(own: KubeConfig, namespace: string): Promise<string | undefined> {
  const { AuthorizationV1Api } = await import("@kubernetes/client-node");
  const api = own.makeApiClient(AuthorizationV1Api);
  const changes: { verb: string; group: string; resource: string; subresource?: string }[] = [
    { verb: "create", group: "", resource: "secrets" },
    { verb: "patch", group: "apps", resource: "daemonsets" },
    { verb: "delete", group: "", resource: "namespaces" },
    // No changes, but as good as some: what others' pods and Secrets know.
    { verb: "create", group: "", resource: "pods" },
    { verb: "create", group: "", resource: "pods", subresource: "exec" },
    { verb: "list", group: "", resource: "secrets" },
  ];
  for (const { verb, group, resource, subresource } of changes) {
    const spec = { resourceAttributes: { namespace, verb, group, resource, subresource } };
    const body = { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview", spec };
    if ((await api.createSelfSubjectAccessReview({ body })).status?.allowed !== false) {
      return `${verb} ${[resource, ...(subresource === undefined ? [] : [subresource])].join("/")}`;
    }
  }
  return undefined;
}

async function removeAccount(config: KubeConfig, namespace: string): Promise<void> {
  const { ApiException, KubernetesObjectApi } = await import("@kubernetes/client-node");
  const api = KubernetesObjectApi.makeApiClient(config);
  for (const { apiVersion, kind } of accountObjects(namespace).reverse()) {
    await answered(config, api.delete(object(apiVersion!, kind!, name, namespace))).catch((error: unknown) => {
      if (!(error instanceof ApiException && error.code === 404)) {
        throw error;
      }
    });
  }
}

const object = (apiVersion: string, kind: string, called: string, namespace?: string) => ({
  ...{ apiVersion, kind },
  metadata: { name: called, ...(namespace === undefined ? {} : { namespace }) },
});

/** What the cluster answered, in its own words; what else went wrong, as it says itself. */
function reasonOf(error: unknown, namespace: string): string {
  const { code, body, message } = error as { code?: unknown; body?: unknown; message: string };
  if (typeof code !== "number") {
    return message;
  }
  const answer = (typeof body === "string" ? safely(body) : body) as { message?: string } | undefined;
  const advice =
    code === 404
      ? `Deploy the stack first; --namespace is the namespace of its runners.`
      : "Use a kubeconfig (--kubeconfig, --context) of somebody who may make accounts, roles and Secrets there.";
  return `The cluster refuses, in namespace ${namespace}: ${answer?.message ?? message.split("\n")[0]}\n${advice}`;
}

function safely(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function main(): Promise<void> {
  const options = {
    namespace: { type: "string", default: "gitlab-runners" },
    kubeconfig: { type: "string" },
    context: { type: "string" },
    server: { type: "string" },
    out: { type: "string" },
    remove: { type: "boolean", default: false },
    help: { type: "boolean", short: "h" },
  } as const;
  const { values } = parseArgs({ options });
  const { namespace, kubeconfig, context, server, out } = values;
  if (values.help) {
    console.log(usage);
    return;
  }
  const config = await clusterOf(kubeconfig, context);
  try {
    if (values.remove) {
      await removeAccount(config, namespace);
      return;
    }
    const text = await makeAccount(config, namespace, server);
    if (out === undefined) {
      process.stdout.write(text);
      return;
    }
    writeFileSync(out, "", { mode: 0o600 });
    chmodSync(out, 0o600); // it may have been there, and open to others
    writeFileSync(out, text);
  } catch (error) {
    throw new Error(reasonOf(error, namespace));
  }
}

if (require.main === module) {
  main().catch((error: unknown) => {
    console.error((error as Error).message);
    process.exitCode = 1;
  });
}
