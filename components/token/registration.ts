import type { types } from "@pulumi/kubernetes";
import { confinedContainer, confinedPod } from "../confined";
import { hostAliases } from "../runners/manager/pod";
import { hasProxy, proxyEnvironment, type RunnerProxy } from "../runners/proxy";
import type { RegisteredAttributes } from "./gitlab/registeredResource";
import type { GitlabAddress } from "./gitlab/request";
import type { Registration } from "./settings";

/** Names of the objects that register a runner, in its namespace. */
export function registrationNames(name: string): { job: string; request: string; token: string } {
  return { job: `${name}-register`, request: `${name}-registration`, token: `${name}-token` };
}

/** Label of the pod that registers, for its network policy. */
export const registrationLabel = "pi-runners/registers";

const [requestFolder, tokenFolder] = ["/registration", "/token"];

/** What GitLab keeps of a registration, in the words of the stack file. */
export function registeredAttributes(name: string, registration: Registration, tags: string[]): RegisteredAttributes {
  const { description = name, maximumTimeout = 0, maintenanceNote = "", runUntagged, locked, paused } = registration;
  const flags = { runUntagged, locked, paused, protected: registration.protected };
  return { tags: [...tags].sort(), description, ...flags, maximumTimeout, maintenanceNote };
}

/** What changed in the stack file since a registration, which nothing tells GitLab; undefined where nothing did. */
export function untoldWarning(
  name: string,
  registered: RegisteredAttributes,
  wanted: RegisteredAttributes,
): string | undefined {
  const shown = (value: unknown): string => (value === 0 || value === "" ? "none" : JSON.stringify(value));
  const untold = Object.keys(wanted).filter((key) => JSON.stringify(registered[key]) !== JSON.stringify(wanted[key]));
  if (untold.length === 0) {
    return undefined;
  }
  const places = untold.map((key) => (key === "tags" ? key : `register.${key}`));
  const was = untold.map((key) => `${key}: ${shown(registered[key])} => ${shown(wanted[key])}`);
  return [
    `${places.join(", ")} of runner ${name} changed since it was registered, and GitLab does not get to know that (${was.join(", ")}).`,
    `A legacy registration token tells GitLab of a runner's settings once; a registered runner cannot change its own.`,
    `Delete the runner in GitLab (Settings > CI/CD > Runners) and change register.repeat, which registers another one with these settings; or change it there by hand, and take this message for a reminder; or turn to create, by which the stack changes runners itself: docs/tokens.md.`,
  ].join("\n  ");
}

/** What GitLab is asked for (https://docs.gitlab.com/api/runners/#create-a-runner-with-a-registration-token-deprecated). */
export function registrationFiles(
  token: string,
  name: string,
  registration: Registration,
  tags: string[],
  { ca }: GitlabAddress,
): Record<string, string> {
  const { description = name, maximumTimeout, maintenanceNote, runUntagged, locked, paused } = registration;
  const body = {
    token,
    description,
    tag_list: tags.join(","),
    run_untagged: runUntagged,
    locked,
    paused,
    access_level: registration.protected ? "ref_protected" : "not_protected",
    maximum_timeout: maximumTimeout,
    maintenance_note: maintenanceNote,
  };
  return { "request.json": JSON.stringify(body), ...(ca === undefined ? {} : { "ca.crt": ca }) };
}

/** The pod may read and write the Secret with the token, and nothing else. */
export function registrationRules(name: string): types.input.rbac.v1.PolicyRule[] {
  return [
    {
      apiGroups: [""],
      resources: ["secrets"],
      resourceNames: [registrationNames(name).token],
      verbs: ["get", "patch"],
    },
  ];
}

/**
 * Shell: registers the runner unless the token that it has is good, and keeps the token that GitLab gives. No token is on a
 * command line, in the log, or in a file outside of memory.
 */
export function registrationScript(namespace: string, name: string, url: string): string {
  const secret = `api/v1/namespaces/${namespace}/secrets/${registrationNames(name).token}`;
  const account = "/var/run/secrets/kubernetes.io/serviceaccount";
  const api = `${url.replace(/\/+$/, "")}/api/v4`;
  return [
    "set -eu",
    "umask 077",
    'fail() { printf "%s\\n" "$@" | tee /dev/termination-log >&2; exit 1; }',
    `[ ! -f ${requestFolder}/ca.crt ] || export CURL_CA_BUNDLE=${requestFolder}/ca.crt`,
    "gitlab() { method=$1 path=$2; shift 2",
    `  curl -sS --max-time 60 -o /tmp/answer -w '%{http_code}' -X "$method" -H 'Content-Type: application/json' --data @- "$@" "${api}/$path"; }`,
    // GitLab's message is a text, or an object with lists of texts.
    'said() { sed -n \'s/.*"\\(message\\|error\\)":\\({[^}]*}\\|"[^"]*"\\).*/\\2/p\' /tmp/answer | tr -d \'"\' | cut -c 1-200; }',
    `where="At ${api}, for runner ${name}."`,
    'command -v curl >/dev/null || fail "The image of the pod has no curl." "$where" "Give the runner an image that has curl."',
    `if [ -s ${tokenFolder}/token ]; then`,
    `  status=$(printf '{"token":"%s"}' "$(cat ${tokenFolder}/token)" | gitlab POST runners/verify) || fail "GitLab does not answer." "$where" "Run pulumi up again once it does."`,
    '  if [ "$status" = 200 ]; then echo "The runner is registered: nothing to do."; exit 0; fi',
    '  [ "$status" = 403 ] || fail "GitLab does not say whether the token is good ($status)." "$where" "Run pulumi up again once it is well."',
    "fi",
    `status=$(gitlab POST runners <${requestFolder}/request.json) || fail "GitLab does not answer." "$where" "See whether a runner ${name} was registered, delete it there, and run pulumi up again."`,
    "case $status in",
    "  201) ;;",
    '  410) fail "GitLab registers no runners by registration token (410)." "$where" "Use create with gitlab.accessToken instead (docs/tokens.md), or have an administrator allow it." ;;',
    '  403) fail "GitLab refuses the registration token (403): $(said)." "$where" "Set the right one, or use create with gitlab.accessToken: docs/tokens.md." ;;',
    '  429) fail "GitLab limits the rate of calls (429)." "$where" "Run pulumi up again later; nothing was registered." ;;',
    '  3??) fail "GitLab is at another address, or something in front of it asks for a login ($status)." "$where" "Write in gitlab.url an address that leads to GitLab itself." ;;',
    `  2??|5??) fail "The answer to the registration is none of GitLab's ($status)." "$where" "See whether a runner ${name} was registered, delete it there, and run pulumi up again once GitLab is well." ;;`,
    '  *) fail "GitLab refuses the registration ($status): $(said)." "$where" "Change the settings that it names, then run pulumi up again." ;;',
    "esac",
    'token=$(sed -n \'s/.*"token":"\\([^"]*\\)".*/\\1/p\' /tmp/answer)',
    "rm /tmp/answer",
    '[ -n "$token" ] || fail "GitLab gave no token." "$where" "Check that the address leads to GitLab itself."',
    `printf 'Authorization: Bearer %s' "$(cat ${account}/token)" >/tmp/header`,
    'kept=$(printf \'{"data":{"token":"%s"}}\' "$(printf %s "$token" | base64 | tr -d \'\\n\')" |',
    `  curl -sS --max-time 60 -o /dev/null -w '%{http_code}' --cacert ${account}/ca.crt -X PATCH -H @/tmp/header -H 'Content-Type: application/merge-patch+json' --data @- "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/${secret}") || kept=none`,
    'if [ "$kept" != 200 ]; then',
    '  printf \'{"token":"%s"}\' "$token" | gitlab DELETE runners >/dev/null || true',
    '  fail "The cluster did not keep the token ($kept), so the runner was unregistered." "$where" "Run pulumi up again."',
    "fi",
    'echo "Registered."',
  ].join("\n");
}

/** Where the pod that registers may run, and with what. */
export interface RegistrationPlace {
  namespace: string;
  image: string;
  nodeSelector?: Record<string, string>;
  tolerations?: types.input.core.v1.Toleration[];
  imagePullSecrets?: string[];
  /** By which it reaches GitLab. */
  proxy?: RunnerProxy;
}

/** The Job: one try, as a second one might register a second runner. */
export function registrationJob(
  name: string,
  place: RegistrationPlace,
  gitlab: GitlabAddress,
  repeat: string | undefined,
): types.input.batch.v1.JobSpec {
  const names = registrationNames(name);
  const user = 65534;
  return {
    backoffLimit: 0,
    template: {
      metadata: { labels: { [registrationLabel]: name }, annotations: { "pi-runners/repeat": repeat ?? "" } },
      spec: {
        restartPolicy: "Never",
        serviceAccountName: names.job,
        automountServiceAccountToken: true,
        enableServiceLinks: false,
        nodeSelector: { "kubernetes.io/os": "linux", ...place.nodeSelector },
        tolerations: place.tolerations,
        imagePullSecrets: place.imagePullSecrets?.map((secret) => ({ name: secret })),
        hostAliases: hostAliases(gitlab.hostAliases),
        securityContext: confinedPod(user),
        containers: [
          {
            name: "register",
            image: place.image,
            imagePullPolicy: "IfNotPresent",
            command: ["/bin/sh", "-c", registrationScript(place.namespace, name, gitlab.url)],
            ...(hasProxy(place) ? { env: proxyEnvironment(place, names.request) } : {}),
            resources: { requests: { cpu: "10m", memory: "16Mi" }, limits: { memory: "64Mi" } },
            securityContext: confinedContainer,
            volumeMounts: [
              { name: "request", mountPath: requestFolder, readOnly: true },
              { name: "token", mountPath: tokenFolder, readOnly: true },
              { name: "tmp", mountPath: "/tmp" },
            ],
          },
        ],
        volumes: [
          { name: "request", secret: { secretName: names.request, defaultMode: 0o440 } },
          { name: "token", secret: { secretName: names.token, defaultMode: 0o440, optional: true } },
          { name: "tmp", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
        ],
      },
    },
  };
}
