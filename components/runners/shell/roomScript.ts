import { quote } from "../../../hosts/asRoot";

/** With less than that free on the disk with the checkouts a job begins by making room, MiB. */
const leastRoom = 64;

/**
 * The `pre_get_sources_script`, in bash. Git writes its settings before it cleans a checkout, so a job that has filled the disk
 * would keep the next one of its project from beginning. What an earlier job left in the checkout goes first where the disk is
 * nearly full, by the flags that the job has for it. Where that is not enough, the log says which disk is full; Git's own
 * words do not. Nothing here ends the job: what needs little still runs.
 *
 * @param builds the folder with the checkouts
 * @param node the host's name in messages
 */
export function roomScript(builds: string, node: string): string {
  return [
    "# pi-runners: is there room for the checkout?",
    "(",
    "  set -f", // patterns in GIT_CLEAN_FLAGS are Git's
    "  export LC_ALL=C",
    `  builds=${quote(builds)} node=${quote(node)}`,
    `  room() { df -Pk "$builds" | sed -n '2s/.* \\([0-9][0-9]*\\)  *[0-9]*% .*/\\1/p'; }`,
    `  low() { free=$(room) && [ "\${free:-${leastRoom * 1024}}" -lt ${leastRoom * 1024} ]; }`,
    "  low || exit 0",
    // As the runner does: a job that wants the checkout as it is may have come for what is in it.
    '  clean="${GIT_STRATEGY:-fetch} ${GIT_CHECKOUT:-true} ${GIT_CLEAN_FLAGS:--ffdx}"',
    '  if [ -d "$CI_PROJECT_DIR/.git" ] && [ "${clean% none}" = "$clean" ] && [ "${clean#fetch true }" != "$clean" ]; then',
    '    echo "pi-runners: the disk with the checkouts has $((free / 1024)) MiB left: what earlier jobs left in this one goes"',
    '    git -C "$CI_PROJECT_DIR" clean ${GIT_CLEAN_FLAGS:--ffdx} || :',
    "  fi",
    "  low || exit 0",
    `  disk=$(df -Pk "$builds" | sed -n '2s/ .*% */, mounted at /p')`,
    '  echo "pi-runners: the disk with the checkouts is full: $((free / 1024)) MiB are left."',
    '  echo "  where: host $node, $builds ($disk)"',
    `  echo "  what to do: Make room there ('du -xh -d 4 $builds | sort -h' tells which checkouts are large, 'docker system df' what Docker has), then run the job again."`,
    ") >&2 || :",
  ].join("\n");
}
