import { selectorLabels } from "../manager/pod";
import { jobLabel } from "./kubernetesConfig";

/** Where Kubernetes puts a pod's own account. */
const account = "/var/run/secrets/kubernetes.io/serviceaccount";

const selector = (labels: Record<string, string>): string =>
  encodeURIComponent(
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(","),
  );

/**
 * Shell: takes away the pods of jobs whose manager was killed. Nobody hears of them any more (gitlab-runner 19.4.0 takes no
 * job up again), and they would keep their memory until the job's time limit. Only where no other manager of this runner is
 * there, whose jobs they could be. The token goes by stdin, as command lines can be read by others. What goes wrong here
 * keeps no manager from starting.
 *
 * @param namespace that of manager and jobs
 * @param name the runner's
 */
export function orphansScript({ namespace, name }: { namespace: string; name: string }): string {
  // A manager that was evicted stays in the list as one that has failed.
  const living = encodeURIComponent("status.phase!=Failed,status.phase!=Succeeded");
  const list = (labels: Record<string, string>, more = ""): string =>
    `call -H "$names" "$pods?pretty=false&labelSelector=${selector(labels)}${more}"`;
  return [
    "remove_orphans() {",
    `  host="\${KUBERNETES_SERVICE_HOST:-}"`,
    `  case "$host" in *:*) host="[$host]" ;; esac`,
    `  pods="https://$host:\${KUBERNETES_SERVICE_PORT:-443}/api/v1/namespaces/${namespace}/pods"`,
    `  names="Accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"`,
    "  call() {",
    `    printf 'Authorization: Bearer %s\\n' "$(cat ${account}/token)" |`,
    `      curl -sSf --max-time 10 --cacert ${account}/ca.crt -H @- "$@"`,
    "  }",
    `  named() { grep -o '"metadata":{"name":"[^"]*"' | cut -d '"' -f 6; }`,
    `  managers="$(${list(selectorLabels(name), `&fieldSelector=${living}`)})" || return 0`,
    `  if [ "$(printf '%s' "$managers" | named | grep -cvxF "$POD_NAME")" != 0 ]; then return 0; fi`,
    `  jobs="$(${list({ [jobLabel]: name })})" || return 0`,
    `  for job in $(printf '%s' "$jobs" | named); do`,
    `    echo "pi-runners: removes $job, a job's pod whose manager was killed"`,
    `    call -X DELETE -o /dev/null "$pods/$job" || true`,
    "  done",
    "}",
    "if command -v curl >/dev/null; then remove_orphans; else",
    `  echo "pi-runners: pods of jobs whose manager was killed stay until their time limit: this image has no curl"`,
    "fi",
  ].join("\n");
}
