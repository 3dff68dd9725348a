import type { types } from "@pulumi/kubernetes";
import { placement } from "../manager/pod";
import { layersFolder, projectPrefix } from "./buildCache";
import { kubernetesRunnerConfig } from "./kubernetesConfig";
import { buildCacheDefaults, type KubernetesRunnerSettings } from "./settings";

/** Where the guard has the runner's folder. */
export const guardMount = "/folder";

/** Says on the node whose layers the guard looks after. */
export const guardVariable = "PI_RUNNERS_LAYERS_OF";

/** Labels of the guard's pods; none that find a manager. */
export function guardLabels(name: string): Record<string, string> {
  return { "app.kubernetes.io/name": "pi-runners-layers", "app.kubernetes.io/instance": `${name}-layers` };
}

/** `find`: what a job has taken for its layers is called USER-NUMBER. */
const named = "-name '[0-9]*-[1-9]' ! -name '*[!0-9-]*' ! -name '*-*-*'";

/**
 * What looks after the layers that builds keep on a node, by LAYERS_FOLDER, LAYERS_OLDER (hours) and LAYERS_FREE
 * (percent of the disk, and of its inodes). Below `layers` each
 * project has a folder, and there each of its jobs at the same time; the kubelet makes a project's by the mode of `layers`, so
 * that whoever the job is may write. The folder above is closed to the node's other users. What a job has, it has locked.
 *
 * Jobs write to their project's folder while this looks at it, and may have put a link or a pipe in the place of anything. So
 * nothing is deleted here: what goes is put away by its name alone, and layersSweepScript deletes it.
 */
export const layersGuardScript = [
  "set -u",
  // A shell that is process 1 ignores signals that it has no trap for.
  "trap 'exit 0' QUIT TERM INT",
  'cd "$LAYERS_FOLDER" && chmod 700 . && mkdir -p -m 777 layers && mkdir -p -m 700 gone && cd layers || exit 1',
  `[ -f ${projectPrefix} ] || { touch ${projectPrefix} && chmod 000 ${projectPrefix}; } || exit 1`,
  // A name that nothing has: a folder made for it would want an inode, and those may be used up.
  `put_away='mv "$1" "$(mktemp -u ../gone/XXXXXX)"'`,
  // With /. nothing but a folder is opened: a pipe would be waited for.
  `unlocked='exec 9<"$1/." && flock -n 9 && '`,
  "remove() {",
  '  sh -c "$unlocked$put_away" - "$1" 2>/dev/null && echo "pi-runners: removed the layers in $1: $2"',
  "}",
  // Until all that was put away is deleted, for a minute at the most.
  "swept() {",
  "  n=0",
  '  while [ -n "$(ls -A ../gone)" ]; do',
  "    n=$((n + 1))",
  '    [ "$n" -le 60 ] || return 1',
  "    sleep 1",
  "  done",
  "}",
  `used() { { df -P .; df -P -i . 2>/dev/null; } | sed -n 's/.* \\([0-9][0-9]*\\)% .*/\\1/p' | sort -n | tail -n 1; }`,
  // A project that cannot be counted in time has much.
  "largest() {",
  "  find . -mindepth 1 -maxdepth 1 -type d | while read -r project; do",
  `    kilobytes=$(timeout 60 du -sk "$project" 2>/dev/null | sed 's/[^0-9].*//')`,
  '    echo "${kilobytes:-999999999999} $project"',
  "  done | sort -rn",
  "}",
  `oldest() { find "$1" -mindepth 1 -maxdepth 1 -type d ${named} -exec stat -c '%Y %n' {} + | sort -n; }`,
  "look() {",
  "  find . -maxdepth 1 -type d ! -perm 777 -exec chmod 777 {} +",
  `  find . -mindepth 2 -maxdepth 2 ! \\( -type d ${named} \\) -exec sh -c "$put_away" - {} \\;`,
  // A job may have said that its layers are of next year.
  "  touch ../now",
  "  find . -mindepth 2 -maxdepth 2 -type d -newer ../now -exec touch -c {} +",
  `  find . -mindepth 2 -maxdepth 2 -type d ${named} -mmin "+$((LAYERS_OLDER * 60))" | while read -r slot; do`,
  '    remove "$slot" "no job used them for $LAYERS_OLDER hours"',
  "  done",
  // From whoever has most: one project is not to push all others out.
  "  full=$(used)",
  `  [ "\${full:-0}" -le $((100 - LAYERS_FREE)) ] || largest | while read -r _ project; do`,
  '    oldest "$project" | while read -r _ slot; do',
  "      full=$(used)",
  `      [ "\${full:-0}" -gt $((100 - LAYERS_FREE)) ] || exit 1`,
  '      remove "$slot" "$full % of the disk, or of its inodes, are used"',
  "      swept || exit 1",
  "    done || exit 0",
  "  done",
  // Of projects that are gone; not of one whose first job begins just now.
  "  find . -mindepth 1 -maxdepth 1 -type d -mmin +1440 -exec rmdir {} \\; 2>/dev/null",
  "}",
  "while :; do",
  "  look",
  "  sleep 60 &",
  "  wait $!",
  "done",
].join("\n");

/**
 * What deletes what the guard has put away, in LAYERS_GONE. A job may still be in there, and change it meanwhile: wherever a link
 * leads, there is nothing else that this could delete.
 */
export const layersSweepScript = [
  "trap 'exit 0' QUIT TERM INT",
  'cd "$LAYERS_GONE" || exit 1',
  "while :; do",
  "  find . -mindepth 1 -maxdepth 1 -exec rm -rf {} +",
  "  sleep 2 &",
  "  wait $!",
  "done",
].join("\n");

/** The pod of the guard, which goes where jobs go. It is root on the folder alone: what builds leave belongs to many users. */
export function guardTemplate(settings: KubernetesRunnerSettings): types.input.core.v1.PodTemplateSpec {
  const buildCache = { ...buildCacheDefaults, ...settings.buildCache! };
  const folder = layersFolder(settings, buildCache);
  const container = {
    // It has a shell and the usual commands.
    image: settings.image,
    imagePullPolicy: "IfNotPresent",
    resources: { requests: { cpu: "5m", memory: "8Mi" }, limits: { memory: "64Mi" } },
    securityContext: {
      runAsUser: 0,
      runAsGroup: 0,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"], add: ["DAC_OVERRIDE", "FOWNER"] },
      seccompProfile: { type: "RuntimeDefault" },
      seLinuxOptions: buildCache.seLinuxOptions,
    },
  };
  const { node_selector: nodeSelector } = kubernetesRunnerConfig(settings, "").runners![0]!.kubernetes!;
  return {
    metadata: { labels: { ...guardLabels(settings.name), "app.kubernetes.io/managed-by": "pi-runners" } },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 5,
      ...placement(settings),
      nodeSelector,
      containers: [
        {
          name: "guard",
          command: ["/bin/sh", "-c", layersGuardScript],
          env: [
            { name: "LAYERS_FOLDER", value: guardMount },
            { name: "LAYERS_OLDER", value: String(buildCache.olderThan) },
            { name: "LAYERS_FREE", value: String(buildCache.minFree) },
            { name: guardVariable, value: folder },
          ],
          volumeMounts: [{ name: "folder", mountPath: guardMount }],
          ...container,
        },
        {
          name: "sweep",
          command: ["/bin/sh", "-c", layersSweepScript],
          env: [{ name: "LAYERS_GONE", value: "/gone" }],
          volumeMounts: [{ name: "folder", mountPath: "/gone", subPath: "gone" }],
          ...container,
        },
      ],
      volumes: [{ name: "folder", hostPath: { path: folder, type: "DirectoryOrCreate" } }],
    },
  };
}
