import type { types } from "@pulumi/kubernetes";
import { buildkitFolder } from "./buildFiles";
import { buildCacheDefaults, type BuildCache, type KubernetesRunnerSettings } from "./settings";

/** Where a job finds the layers of its project; it sees those of no other. */
const layersMount = "/var/lib/pi-runners-layers";

/** Has the project's number in a job's container, for the kubelet. A job that sets it itself gets no pod: it would have two values. */
const projectVariable = "PI_RUNNERS_PROJECT";

/**
 * What a project's folder is called before its number. Where gitlab-runner sets no such label (before 17.9), that is all: the
 * guard has a file there, which no job can use.
 */
export const projectPrefix = "project-";

/** Has the folder that a job has taken. */
const slotVariable = "PI_RUNNERS_LAYERS";

/** The volume, in a job's pod. */
const volume = "pi-runners-layers";

/** The script that runs BuildKit's daemon, beside its settings. */
export const daemonFile = "keep-layers.sh";

/** The folder of a runner on the node. */
export function layersFolder(
  settings: Pick<KubernetesRunnerSettings, "namespace" | "name">,
  { hostFolder }: Pick<BuildCache, "hostFolder">,
): string {
  return `${hostFolder}/${settings.namespace}/${settings.name}`;
}

/** The image that the printed pipeline builds in. */
export function layersImage(buildCache: BuildCache): string {
  return buildCache.image ?? buildCacheDefaults.image;
}

/**
 * What the pod of a job has besides: of the node's folder the part that is its project's. The project is told by a label that
 * gitlab-runner sets by what GitLab says of the job, and that nothing overrides (19.4.0, executors/kubernetes/kubernetes.go,
 * buildLabels); variables such as CI_PROJECT_ID a job may set as it likes. Only the job's own container has it. The folder is
 * there where the guard is, and nobody else makes it.
 */
export function layersPatch(
  settings: Pick<KubernetesRunnerSettings, "namespace" | "name">,
  buildCache: BuildCache,
): Pick<types.input.core.v1.PodSpec, "containers" | "securityContext" | "volumes"> {
  const fieldPath = "metadata.labels['project.runner.gitlab.com/id']";
  const { seLinuxOptions } = buildCache;
  return {
    containers: [
      {
        name: "build",
        env: [{ name: projectVariable, valueFrom: { fieldRef: { fieldPath } } }],
        volumeMounts: [{ name: volume, mountPath: layersMount, subPathExpr: `${projectPrefix}$(${projectVariable})` }],
      },
    ],
    ...(seLinuxOptions === undefined ? {} : { securityContext: { seLinuxOptions } }),
    volumes: [{ name: volume, hostPath: { path: `${layersFolder(settings, buildCache)}/layers`, type: "Directory" } }],
  };
}

/** A daemon that finds much to remove, or a slow card, takes longer than the two seconds that buildctl-daemonless.sh waits. */
export const keepLayersEnvironment = ["BUILDCTL_CONNECT_RETRIES_MAX=70"];

/**
 * The `pre_build_script`: takes a folder that no job has at the same time, by a lock that goes with the last process of the
 * job. POSIX sh, with what moby/buildkit's image has; a job without BuildKit is left alone, as is one with a daemon of its own.
 */
export const keepLayersScript = [
  "# pi-runners: BuildKit keeps its layers for the next job of this project",
  'if command -v buildkitd >/dev/null 2>&1 && [ -z "${BUILDKITD:-}" ]; then',
  `  ${slotVariable}=`,
  `  if [ -r ${buildkitFolder}/${daemonFile} ] && command -v flock >/dev/null 2>&1; then`,
  "    for pi_runners_n in 1 2 3 4 5 6 7 8 9; do",
  // By user, as one cannot use what another has made.
  `      ${slotVariable}=${layersMount}/$(id -u)-$pi_runners_n`,
  `      mkdir -p -m 700 "$${slotVariable}" 2>/dev/null || :`,
  // Jobs write there as they like, and a shell ends when it cannot open what it is told to. What the guard has removed
  // meanwhile is still open, and by that name is another folder, or none.
  `      if [ -d "$${slotVariable}" ] && [ -O "$${slotVariable}" ] && [ -r "$${slotVariable}" ] && [ -w "$${slotVariable}" ] &&`,
  `        command exec 9<"$${slotVariable}" && flock -n 9 && [ "$${slotVariable}" -ef /proc/self/fd/9 ]; then break; fi`,
  `      ${slotVariable}=`,
  "    done",
  "  fi",
  `  if [ -n "$${slotVariable}" ]; then`,
  `    touch -c "$${slotVariable}"`,
  `    export ${slotVariable} BUILDKITD="sh ${buildkitFolder}/${daemonFile}"`,
  "  else",
  "    exec 9<&-",
  `    echo "pi-runners: there is no place for layers in ${layersMount} (user $(id -u)): builds of this job begin with none, and keep none." >&2`,
  `    unset ${slotVariable}`,
  "  fi",
  "  unset pi_runners_n",
  "fi",
].join("\n");

/**
 * What buildctl-daemonless.sh starts in place of buildkitd, inside rootlesskit where the image has it. BuildKit does not
 * repair its store (moby/buildkit v0.33.0 writes its databases without fsync): as long as a daemon has it there is a mark on
 * the disk, and a store that is found with one is put away, for the guard to remove. The mark goes when the daemon was asked
 * to stop and has (it says 1 then, cmd/buildkitd/main.go), and everything is on the disk.
 */
export const daemonScript = [
  `slot=\${${slotVariable}:-}`,
  '[ -n "$slot" ] || exec buildkitd "$@"',
  "cold() {",
  '  echo "pi-runners: $slot cannot be used: this build begins with no layers, and keeps none"',
  '  exec buildkitd "$@"',
  "}",
  // A job may start two at once, or leave one running: the store of one that lives is not a dead one's. One that was asked to
  // stop may still be at it. With /. nothing but a folder is opened, whatever a job has put there.
  '{ mkdir -p "$slot/daemon" && command exec 8<"$slot/daemon/." && { flock -n 8 || { sleep 3; flock -n 8; }; }; } || cold "$@"',
  'if [ -e "$slot/in-use" ] && [ -e "$slot/store" ]; then',
  '  echo "pi-runners: the last daemon was killed, or its node went down: this build begins with no layers"',
  '  mv "$slot/store" "${slot%/*}/broken.$$.$(date +%s)" || cold "$@"',
  "fi",
  '{ touch "$slot/in-use" && sync "$slot/in-use" "$slot"; } || cold "$@"',
  "asked=",
  "trap 'asked=yes; kill \"$daemon\"' TERM INT",
  'buildkitd "$@" --root="$slot/store" &',
  "daemon=$!",
  'wait "$daemon"',
  "status=$?",
  // A signal ends a wait, not the daemon.
  'if [ -n "$asked" ]; then',
  '  wait "$daemon"',
  "  status=$?",
  "fi",
  'if [ -n "$asked" ] && [ "$status" -le 1 ] && sync -f "$slot/store"; then rm -f "$slot/in-use"; fi',
  'exit "$status"',
  "",
].join("\n");
