import { posix } from "node:path";
import { systemIdScript } from "../identity";
import { secretFolder } from "../manager/config";
import { runManager, stateFolder } from "../manager/scripts";
import { engineSocket, socketFolder } from "./engineSocket";
import { defaultDockerSocket } from "../settings";

/** File in `stateFolder`: the folder on the node that the node's Docker can see, see folderScript.ts. */
export const nodeFolderFile = "node-folder";

/** What a runner says while the Docker that it works with does not answer. */
const notAnswering = (dockerSocket: string): string =>
  dockerSocket === engineSocket
    ? "the engine of this pod does not answer: $info. Waiting for it; its log is that of the container engine."
    : `the Docker of this node does not answer at ${dockerSocket}: $info. Waiting for it. Start Docker there, or name its socket in dockerSocket.`;

/**
 * Shell: waits until the runner's Docker answers, and leaves what it says of itself in `$info`. `docker_api PATH [curl's
 * arguments]` asks it. Everything else in these scripts is POSIX sh; where the image has no curl, the log says so.
 */
export function waitForDocker(dockerSocket: string): string[] {
  return [
    // A shell that is process 1 ignores signals that it has no trap for, and the pod would stop only by being killed.
    "trap 'exit 0' QUIT TERM INT",
    `socket=${socketFolder}/${posix.basename(dockerSocket)}`,
    'docker_api() { path=$1; shift; curl -sSf --max-time 60 --unix-socket "$socket" "$@" "http://docker$path"; }',
    "info= told=",
    "if command -v curl >/dev/null 2>&1; then",
    "  until info=$(docker_api /info 2>&1); do",
    '    if [ "$told" != "$info" ]; then',
    `      echo "pi-runners: ${notAnswering(dockerSocket)}" >&2`,
    "      told=$info",
    "    fi",
    "    sleep 1",
    "  done",
    "else",
    '  echo "pi-runners: this image has no curl: what a dead manager left is not removed, and a Docker from snap is not noticed. Use an image that has it." >&2',
    "fi",
  ];
}

/** The label by which containers, networks and volumes tell whose they are. */
export const systemIdLabel = "com.gitlab.gitlab-runner.runner.system_id";

/** Seconds that the removal of what was left may take; the kubelet gives a manager two minutes to start (manager/pod.ts). */
const leftoversTime = 60;

/**
 * Shell: removes the containers and networks that this runner left on its Docker when it was killed. They carry
 * its system id as a label (gitlab-runner 19.4.0, executors/docker/internal/labels), which no other runner has: neither
 * one on another node, nor another of ours on this node. They are killed first: a manager that has not quite ended takes a
 * container that it does not find for one that ended well.
 *
 * @param own true: the engine is the runner's own, so all containers are; also those that its jobs have started
 */
const removeLeftovers = (own: boolean): string[] => [
  // What cannot be killed, as its disk hangs, does not keep the manager from starting.
  "began=$(date +%s)",
  `in_time() { [ $(($(date +%s) - began)) -lt ${leftoversTime} ]; }`,
  "list_leftovers() {",
  '  containers=$(docker_api "/containers/json?all=1" -G --max-time 10 --data-urlencode "$left") || return 1',
  `  printf %s "$containers" | grep -o '"Id":"[0-9a-f]\\{64\\}"' | cut -d '"' -f 4 || :`,
  "}",
  "remove_leftovers() {",
  "  failed=",
  own
    ? '  left="filters={}"'
    : `  left="filters={\\"label\\":[\\"${systemIdLabel}=$(cat ${stateFolder}/.runner_system_id)\\"]}"`,
  "  ids=$(list_leftovers) || return 1",
  '  if [ -n "$ids" ]; then',
  '    for id in $ids; do in_time && docker_api "/containers/$id/kill" -X POST --max-time 10 >/dev/null 2>&1 || :; done',
  "    sleep 5",
  // A manager that was still ending may have removed some meanwhile.
  "    ids=$(list_leftovers) || return 1",
  "  fi",
  "  for id in $ids; do",
  "    if ! in_time; then failed=yes; break; fi",
  '    echo "pi-runners: removing container $id, which an earlier life of this runner left" >&2',
  '    docker_api "/containers/$id?force=1&v=1" -X DELETE --max-time 20 >/dev/null || failed=yes',
  "  done",
  '  docker_api /networks/prune -X POST -G --max-time 10 --data-urlencode "$left" >/dev/null && [ -z "$failed" ]',
  "}",
  'if [ -n "$info" ] && ! remove_leftovers; then',
  '  echo "pi-runners: Docker did not remove everything that an earlier life of this runner left; the next start tries again." >&2',
  "fi",
];

/**
 * Shell: puts config.toml in place. It stays in the mounted Secret, where the runner's own reload sees it change, and a
 * link leads to it. Only where the node's Docker sees other folders is it written, with those in it, and again whenever
 * the Secret changes.
 */
function placeConfig(folder: string): string[] {
  const [from, to] = [`${secretFolder}/config.toml`, `${stateFolder}/config.toml`];
  return [
    `folder=$(cat ${stateFolder}/${nodeFolderFile})`,
    `render() { sed "s#${folder}#$folder#g" ${from}; }`,
    `if [ "$folder" = ${folder} ]; then ln -sf ${from} ${to}; else`,
    `  render >${to}`,
    "  while sleep 3; do",
    `    render | cmp -s - ${to} || { render >${to}.new && mv ${to}.new ${to}; }`,
    "  done </dev/null >/dev/null 2>&1 &",
    "fi",
  ];
}

/** What runs first in the runner's container. */
export function startScript(dockerSocket: string, folder: string): string {
  return [
    "set -eu",
    "umask 077",
    ...waitForDocker(dockerSocket),
    // config.toml names the default path, so that pods of before and after an update can read the same one.
    `ln -sf "$socket" ${defaultDockerSocket}`,
    `${systemIdScript} >${stateFolder}/.runner_system_id`,
    ...removeLeftovers(dockerSocket === engineSocket),
    ...placeConfig(folder),
    runManager,
  ].join("\n");
}
