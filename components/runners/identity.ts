import type { types } from "@pulumi/kubernetes";
import { createHash } from "node:crypto";

/**
 * The system id of a runner manager: the same on every start on that node, another on every node and in every pool, so
 * restarts leave no ghost managers in GitLab and orphan no cache volumes. The runner accepts `^[sr]_[0-9a-zA-Z]{12}$`
 * (gitlab-runner 19.4.0, commands/internal/configfile/system_id_state.go).
 *
 * @param node name of the Kubernetes node
 * @param pool what tells this runner from others on the node: `namespace/name`
 * @param salt the runner's own random id: nodes and runners of two clusters may have the same names, and share a token
 */
export function systemId(node: string, pool: string, salt = ""): string {
  const text = [node, pool, ...(salt === "" ? [] : [salt])].join("/");
  return `r_${createHash("sha256").update(text).digest("hex").slice(0, 12)}`;
}

/** What the start script calls to compute the same in a pod: POSIX sh, from $NODE_NAME, $RUNNER_POOL and $RUNNER_SALT. */
export const systemIdScript =
  "printf 'r_%s' \"$(printf '%s' \"$NODE_NAME/$RUNNER_POOL${RUNNER_SALT:+/$RUNNER_SALT}\" | sha256sum | cut -c1-12)\"";

/**
 * Where a pod has its runner's random id. It is set when the runner is deployed first and never changed: a runner of before,
 * which has none, keeps the identities that it has, and its cache volumes with them. Hence `keptIdentity`.
 */
const annotation = "pi-runners/identity";

/** The random id as an annotation of pods. */
export function identityAnnotation<T>(id: T): Record<string, T> {
  return { [annotation]: id };
}

/** For `ignoreChanges` of what makes the pods. */
export const keptIdentity = `spec.template.metadata.annotations["${annotation}"]`;

/** The random id in the environment of a container; empty where there is none. */
export const identityVariable: types.input.core.v1.EnvVar = {
  name: "RUNNER_SALT",
  valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: `metadata.annotations['${annotation}']` } },
};
