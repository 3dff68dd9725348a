import { createHash } from "node:crypto";

/**
 * The system id of a runner manager: the same on every start on that node, another on every node and in every pool, so
 * restarts leave no ghost managers in GitLab and orphan no cache volumes. The runner accepts `^[sr]_[0-9a-zA-Z]{12}$`
 * (gitlab-runner 19.4.0, commands/internal/configfile/system_id_state.go).
 *
 * @param node name of the Kubernetes node
 * @param pool what tells this runner from others on the node: `namespace/name`
 */
export function systemId(node: string, pool: string): string {
  return `r_${createHash("sha256").update(`${node}/${pool}`).digest("hex").slice(0, 12)}`;
}

/** What the start script calls to compute the same in a pod: POSIX sh, from $NODE_NAME and $RUNNER_POOL. */
export const systemIdScript = `printf 'r_%s' "$(printf '%s' "$NODE_NAME/$RUNNER_POOL" | sha256sum | cut -c1-12)"`;
