import { systemIdScript } from "../identity";
import { namelessImages, pruneSoon } from "../prune";
import { systemIdLabel } from "./managerScripts";

/** Where the guard has the runner's folder on the node, to note in there when a volume was used last. */
export const guardFolder = "/node";

/** The label of the containers of a job. */
const jobLabel = "com.gitlab.gitlab-runner.job.id";

/**
 * What the guard runs, in POSIX sh and the docker command, by PRUNE_EVERY (seconds), PRUNE_OLDER (hours), PRUNE_FREE
 * (percent) and PRUNE_DISK (a folder on the disk that is looked at). Docker itself never removes what a container uses,
 * BuildKit what a build uses; nothing here forces them.
 *
 * On the node's own Docker only this runner's containers, networks and volumes are looked at, images without a name, and
 * build cache. An engine of the runner's own is all its own, images with a name included.
 *
 * @param own true: the engine is the runner's own
 */
export function guardScript(own: boolean): string {
  return [
    "set -u",
    "trap 'exit 0' QUIT TERM INT",
    `id=$(${systemIdScript})`,
    `ours="label=${systemIdLabel}=$id"`,
    'say() { echo "pi-runners: $*"; }',
    'now_used() { df -P "$PRUNE_DISK" | sed -n "2s/.* \\([0-9]*\\)% .*/\\1/p"; }',
    ...noteUse,
    ...volumes,
    ...namelessImages("docker"),
    ...(own ? images : []),
    "prune() {",
    "  used=$(now_used) older=$PRUNE_OLDER low=",
    '  if [ "${used:-0}" -gt $((100 - PRUNE_FREE)) ]; then',
    `    low=yes; [ "$older" -le ${pruneSoon} ] || older=${pruneSoon}`,
    '    say "the disk is $used % full: what is unused for $older hours goes"',
    "  fi",
    `  docker container prune --force ${own ? "" : '--filter "$ours" '}--filter "until=\${PRUNE_OLDER}h"`,
    `  docker network prune --force ${own ? "" : '--filter "$ours" '}--filter "until=\${PRUNE_OLDER}h"`,
    '  for image in $(nameless_images "$older"); do',
    // Without `--force`: Docker keeps what a container or another image needs.
    '    docker image rm "$image" >/dev/null 2>&1 && say "removed image $image without a name, made more than $older hours ago"',
    "  done",
    '  docker builder prune --all --force --filter "until=${older}h"',
    '  prune_volumes "$older"',
    ...(own ? ["  see_images", '  [ -z "$low" ] || prune_images "$older"'] : []),
    "}",
    "note_use &",
    ...(own ? ["note_images &"] : []),
    "while :; do",
    '  sleep "$PRUNE_EVERY" &',
    "  wait $!",
    // What was removed; lines that say that there was nothing to do are left out.
    '  prune 2>&1 | grep -v -e "^Total reclaimed space: 0B" -e "^Total:" -e "^ID  *RECLAIMABLE" -e "^$"',
    "done",
  ].join("\n");
}

/** Shell: notes when a volume was mounted last, as the time of a file; Docker does not keep it. */
const noteUse = [
  "note_use() {",
  `  mkdir -p ${guardFolder}/used`,
  "  while :; do",
  '    docker events --filter type=volume --filter event=mount --format "{{.Actor.ID}}" 2>/dev/null | while read -r volume; do',
  `      case $volume in runner-*) : >"${guardFolder}/used/$volume" ;; esac`,
  "    done",
  "    sleep 5",
  "  done",
  "}",
];

/**
 * Shell: removes the cache volumes of this runner that no container has, and that no job had for some hours. One whose last
 * use nobody saw counts as used now. Without `--force`: Docker refuses where a job has taken it by then.
 */
const volumes = [
  "prune_volumes() {",
  '  for volume in $(docker volume ls --quiet --filter "$ours" --filter dangling=true); do',
  `    mark="${guardFolder}/used/$volume"`,
  '    [ -e "$mark" ] || : >"$mark"',
  '    if [ -n "$(find "$mark" -mmin "+$(($1 * 60))")" ] && docker volume rm "$volume" >/dev/null; then',
  '      rm -f "$mark"; say "removed volume $volume, unused for $1 hours"',
  "    fi",
  "  done",
  "}",
];

/**
 * Shell: removes images with a name that no container was made of for some hours, while no job runs: the next one that wants
 * them pulls them. Docker keeps no time for an image that was pulled (its LastTagTime is year 1), so it is noted when one
 * was first seen, and when it was used.
 */
const images = [
  `mark_of() { echo "${guardFolder}/used/image-\${1#sha256:}"; }`,
  "note_images() {",
  "  while :; do",
  '    docker events --filter type=container --filter event=create --format "{{.Actor.Attributes.image}}" 2>/dev/null | while read -r image; do',
  '      used=$(docker image inspect --format "{{.Id}}" "$image" 2>/dev/null) && : >"$(mark_of "$used")"',
  "    done",
  "    sleep 5",
  "  done",
  "}",
  "see_images() {",
  "  there=$(docker image ls --quiet --no-trunc | sort -u)",
  '  for image in $there; do [ -e "$(mark_of "$image")" ] || : >"$(mark_of "$image")"; done',
  `  for mark in ${guardFolder}/used/image-*; do`,
  '    case $there in *"${mark##*image-}"*) ;; *) rm -f "$mark" ;; esac',
  "  done",
  "}",
  "prune_images() {",
  `  [ -z "$(docker ps --quiet --filter label=${jobLabel})" ] || return 0`,
  "  for image in $there; do",
  '    [ -n "$(find "$(mark_of "$image")" -mmin "+$(($1 * 60))")" ] || continue',
  '    names=$(docker image inspect --format "{{join .RepoTags \\" \\"}}" "$image")',
  '    docker image rm ${names:-"$image"} >/dev/null 2>&1 && say "removed image ${names:-$image}, unused for $1 hours"',
  "  done",
  "}",
];
