import { engineSocket, socketFolder } from "./engineSocket";
import { lockData } from "./keptData";
import { systemIdLabel } from "./managerScripts";
import { findMtu } from "./mtu";

/** Where the engine has its data. */
export const engineData = "/var/lib/docker";

/** Where the engine's container has the ConfigMap with its files. */
export const filesFolder = "/files";

/** File in there that says which file goes where below /etc/docker. */
export const pathsFile = "paths";

/** What the runner itself made for jobs, as a filter. */
const runnersOwn = `label=${systemIdLabel}`;

/** After so long no job of an earlier life of the engine has anything to end, seconds: its after_script has five minutes by default. */
const nobodyWaits = 900;

/** Where the engine listens until it has cleaned up; then the socket gets its name, and jobs come. */
const closedSocket = `${socketFolder}/starting.sock`;

/**
 * Shell: brings the files of the ConfigMap below /etc/docker, and takes away what is no longer among them. It fails where one
 * cannot be written, and leaves what was there.
 */
const installFiles = [
  "install_files() {",
  "  while read -r key path; do",
  "    to=/etc/docker/$path",
  `    cmp -s "${filesFolder}/$key" "$to" && continue`,
  // Said here, as a function that is asked for its result goes on after whatever fails.
  `    mkdir -p "\${to%/*}" && cp "${filesFolder}/$key" "$to.new" && mv "$to.new" "$to" || return 1`,
  `  done <${filesFolder}/${pathsFile}`,
  "  for to in /etc/docker/certs.d/*/*; do",
  `    [ ! -f "$to" ] || cut -d " " -f 2- ${filesFolder}/${pathsFile} | grep -qxF "\${to#/etc/docker/}" || rm -f "$to"`,
  "  done",
  "}",
];

/**
 * Shell: keeps jobs inside the pod's own cgroup, where its limits are. With cgroup v1 a container sees only its own groups;
 * with v2 a privileged one sees the node's, and a group with groups below it may hold no process itself.
 */
const nestCgroup = [
  "cgroup=$(sed -n 's/^0:://p' /proc/self/cgroup)",
  'if [ -f /sys/fs/cgroup/cgroup.controllers ] && [ "$cgroup" != / ]; then',
  "  own=/sys/fs/cgroup$cgroup",
  '  if mkdir -p "$own/engine" 2>/dev/null && [ -r "$own/cgroup.procs" ]; then',
  '    while read -r process; do echo "$process" >"$own/engine/cgroup.procs" || :; done 2>/dev/null <"$own/cgroup.procs"',
  '    for controller in $(cat "$own/cgroup.controllers"); do echo "+$controller" >"$own/cgroup.subtree_control" || :; done 2>/dev/null',
  '    set -- "$@" --cgroup-parent="$cgroup"',
  "  else",
  '    echo "pi-runners: no group can be made in $own: the limits of this pod do not hold for its jobs" >&2',
  "  fi",
  "fi",
];

/**
 * Shell, beside dockerd: removes what jobs left in an earlier life of the engine, opens the socket, and from then on has
 * dockerd read its files again when they change. What was there before is told by the disk, before the daemon runs: all of
 * it is dead by then, whatever Docker would restart of it.
 *
 * The runner's own containers stay: a manager that outlived the engine waits for them, and takes one that it does not find
 * for one that ended well (gitlab-runner 19.4.0, executors/docker/internal/wait). It removes them itself where the engine is back
 * within seconds, and a manager that starts does (`removeLeftovers`); what is left of them later, nobody waits for.
 */
const attend = [
  "attend() {",
  `  socket=${closedSocket} runners=`,
  '  ask() { docker --host "unix://$socket" "$@"; }',
  "  until ask version >/dev/null 2>&1; do sleep 0.2 2>/dev/null || sleep 1; done",
  '  if [ -n "$left" ]; then',
  '    echo "pi-runners: removing the containers that jobs left in an earlier life of this engine" >&2',
  `    runners=$(ask ps --all --quiet --no-trunc --filter ${runnersOwn}) || runners=$left`,
  '    gone=$(for id in $left; do echo "$runners" | grep -qxF "$id" || echo "$id"; done)',
  '    [ -z "$gone" ] || ask rm --force --volumes $gone >/dev/null 2>&1 || :',
  `    ask network prune --force --filter ${runnersOwn.replace("=", "!=")} >/dev/null || :`,
  "  fi",
  `  mv ${closedSocket} ${engineSocket}`,
  `  socket=${engineSocket} looks=0`,
  `  seen=$(readlink ${filesFolder}/..data || :)`,
  "  while sleep 3; do",
  "    looks=$((looks + 1))",
  // Not one that runs again.
  `    [ "$looks" -ne ${nobodyWaits / 3} ] || [ -z "$runners" ] || ask rm --volumes $runners >/dev/null 2>&1 || :`,
  `    now=$(readlink ${filesFolder}/..data || :)`,
  '    [ "$now" != "$seen" ] || continue',
  "    install_files || continue",
  "    seen=$now",
  '    echo "pi-runners: the settings of this engine have changed: it reads them again" >&2',
  "    kill -HUP 1",
  "  done",
  "}",
];

/** What runs first in the engine's container: POSIX sh and what docker:dind has. */
export const engineScript = [
  "set -eu",
  // A shell that is process 1 ignores signals that it has no trap for.
  "trap 'exit 0' QUIT TERM INT",
  `data=${engineData}`,
  ...lockData,
  `rm -f ${engineSocket} ${closedSocket}`,
  'left=$(ls "$data/containers" 2>/dev/null || :)',
  ...installFiles,
  "install_files",
  `set -- dockerd --host=unix://${closedSocket}`,
  ...nestCgroup,
  ...findMtu,
  ...attend,
  // It must not hold the lock once dockerd is dead.
  "(exec 9>&-; attend) &",
  'if command -v dockerd-entrypoint.sh >/dev/null 2>&1; then set -- dockerd-entrypoint.sh "$@"; fi',
  'exec "$@"',
].join("\n");
