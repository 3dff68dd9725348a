import { quote } from "../../../hosts/asRoot";
import { namelessImages, pruneDefaults, pruneSoon } from "../prune";
import { defaultDockerSocket } from "../settings";
import type { ShellRunnerSettings } from "./settings";

/** Seconds that one question to Docker may hold a job up, one removal, and all of it. */
const patience = { question: 10, removal: 30, all: 60 };

/** `find`: what gitlab-runner keeps below its cache_dir, and what a job that was ended in between left of it. */
const cacheFiles = ["cache.zip", "metadata.json", "archive_[0-9]*", "cache[0-9]*"]
  .map((name) => `-name ${quote(name)}`)
  .join(" -o ");

/**
 * The part of the `pre_get_sources_script`, in bash, that removes what nobody used for long: the first job that begins after
 * `every` minutes does it, no second one meanwhile. The time of a file says when that was; the lock is the folder's own, as a
 * full disk has no room for a file.
 *
 * It has the job's environment, but asks the host's own Docker: not another one that the job's variables name. What containers
 * and builds use Docker keeps; nothing here forces it. Nothing here ends the job, and what does not answer is not waited for.
 *
 * @param builds the folder of the runner's checkouts and local cache
 * @returns its lines; none where it is switched off
 */
export function pruneScript(
  { docker, prune }: Pick<ShellRunnerSettings, "docker" | "prune">,
  builds: string,
): string[] {
  const { enabled, every, olderThan, minFree } = { ...pruneDefaults, ...prune };
  if (!enabled) {
    return [];
  }
  return [
    // The line that the log of each job has of all of this.
    "# pi-runners: is anything on this host unused for long?",
    "(",
    "  export LC_ALL=C",
    `  builds=${quote(builds)} removed=`,
    '  { exec 9<"$builds" && flock -n 9; } 2>/dev/null || exit 0',
    '  age=$(($(date +%s) - $(stat -c %Y "$builds/pruned" 2>/dev/null || echo 0)))',
    // Less than nothing: the clock was put back.
    `  if [ "$age" -ge 0 ] && [ "$age" -lt ${every * 60} ]; then exit 0; fi`,
    '  touch "$builds/pruned"',
    "  SECONDS=0",
    `  limited() { left=$((${patience.all} - SECONDS)); [ "$left" -lt "$1" ] || left=$1; shift; [ "$left" -gt 0 ] && timeout -k 5 "$left" "$@"; }`,
    `  could_not() { echo "pi-runners: could not remove $1, the next try is in ${every} minutes: \${2//$'\\n'/ }"; }`,
    `  full() { limited ${patience.question} df -P "$1" 2>/dev/null | sed -n '2s/.* \\([0-9][0-9]*\\)% .*/\\1/p'; }`,
    `  hours() { if [ "\${1:-0}" -gt ${100 - minFree} ]; then echo ${pruneSoon}; else echo ${olderThan}; fi; }`,
    '  note() { removed="${removed:+$removed; }$1"; }',
    ...namelessImages(`limited ${patience.question} docker`),
    ...(docker ? hostDocker : []),
    ...localCache,
    '  [ -z "$removed" ] || echo "pi-runners: removed $removed"',
    ") </dev/null >&2 || :",
  ];
}

/** Shell: what belongs to nobody on a host's Docker. */
const hostDocker = [
  '  unset "${!DOCKER_@}" "${!BUILDX_@}"',
  // The client of BuildKit's cache makes a folder there, and the user's own names contexts.
  `  export DOCKER_HOST=unix://${defaultDockerSocket} DOCKER_CONFIG="$builds/docker"`,
  "  prune_images() {",
  '    if ! images=$(nameless_images "$older" 2>&1); then',
  `      could_not "images without a name" "\${images:-no answer from Docker within ${patience.question} seconds}"; return 1`,
  "    fi",
  "    gone=0",
  `    for image in $images; do limited ${patience.removal} docker image rm "$image" >/dev/null 2>&1 && gone=$((gone + 1)); done`,
  '    [ "$gone" = 0 ] || note "images without a name ($gone), made more than $older hours ago"',
  "  }",
  "  prune_builds() {",
  "    total='Total[a-z ]*:[[:space:]]*([0-9.]+[a-zA-Z]+)'",
  `    if said=$(limited ${patience.removal} docker builder prune --all --force --filter "until=\${older}h" 2>&1); then`,
  '      [[ ! $said =~ $total ]] || [ "${BASH_REMATCH[1]}" = 0B ] || note "build cache (${BASH_REMATCH[1]}), unused for $older hours"',
  "    else",
  `      could_not "build cache" "\${said:-Docker did not finish within ${patience.removal} seconds}"`,
  "    fi",
  "  }",
  `  if root=$(limited ${patience.question} docker info --format '{{.DockerRootDir}}' 2>&1); then`,
  '    disk=$(full "$root"); older=$(hours "${disk:-$(full "$builds")}")',
  "    prune_images && prune_builds",
  "  else",
  `    could_not "images without a name and build cache" "\${root:-no answer from Docker within ${patience.question} seconds}"`,
  "  fi",
];

/** Shell: entries of `cache:` that no job wrote for so long, or read, as far as the disk keeps that (`noatime`). */
const localCache = [
  '  if [ -d "$builds/cache" ]; then',
  '    older=$(hours "$(full "$builds")")',
  `    if ! gone=$(limited ${patience.removal} find "$builds/cache" -ignore_readdir_race -type f \\( ${cacheFiles} \\) -mmin "+$((older * 60))" -amin "+$((older * 60))" -delete -printf x 2>/dev/null); then`,
  '      could_not "files of the local cache" "see $builds/cache"',
  "    fi",
  '    [ -z "$gone" ] || note "files of the local cache (${#gone}), unused for $older hours"',
  // Not a folder that a job has just made for its entry.
  `    limited ${patience.removal} find "$builds/cache" -ignore_readdir_race -mindepth 1 -type d -empty -mmin +60 -delete 2>/dev/null`,
  "  fi",
];
