import type { ConfigRest } from "../configToml/rest";
import { ownRunner } from "../settings";

/** A rule of a Role. */
export interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}

/**
 * What the Kubernetes executor does in its namespace for every job (gitlab-runner 19.4.0, executors/kubernetes, the comments
 * `kubeAPI`): a pod, the Secret with the registry's login, and a connection into the pod for each script. A test removes
 * each verb and watches a job fail.
 */
const always: Rule[] = [
  { apiGroups: [""], resources: ["pods"], verbs: ["create", "delete", "get", "list", "watch"] },
  { apiGroups: [""], resources: ["pods/attach", "pods/exec"], verbs: ["create"] },
  { apiGroups: [""], resources: ["secrets"], verbs: ["create", "delete", "update"] },
  // Why a pod does not start is told in the job's log.
  { apiGroups: [""], resources: ["events"], verbs: ["list"] },
];

/** The Role of a runner: what every job needs, and what the features need that its config turns on. */
export function rules(settings: { config?: ConfigRest }): Rule[] {
  const { feature_flags: flags = {}, kubernetes = {} } = ownRunner(settings);
  const more = (wanted: boolean | undefined, apiGroup: string, resource: string, verbs: string[]): Rule[] =>
    wanted === true ? [{ apiGroups: [apiGroup], resources: [resource], verbs }] : [];
  const checks = (kubernetes.resource_availability_check_max_attempts ?? 0) !== 0;
  return [
    ...always,
    ...more(flags.FF_PRINT_POD_EVENTS, "", "events", ["watch"]),
    ...more(flags.FF_KUBERNETES_HONOR_ENTRYPOINT, "", "pods/log", ["get", "list"]),
    ...more(flags.FF_WAIT_FOR_POD_TO_BE_REACHABLE, "", "pods/log", ["get"]),
    ...more(checks, "", "serviceaccounts", ["get"]),
    ...more(kubernetes.pod_disruption_budget, "policy", "poddisruptionbudgets", ["create", "get"]),
  ];
}
