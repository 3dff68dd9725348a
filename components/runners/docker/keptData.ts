import { findMtu } from "./mtu";

/** Where the daemon beside a job keeps its layers: not /var/lib/docker, which another service of the job may have for its own. */
export const serviceData = "/var/lib/pi-runners-docker";

/** Where a daemon inside a job keeps them, as it does everywhere. */
export const jobData = "/var/lib/docker";

/** Tells the script of a job where layers are kept; unset, nothing is, and nothing is touched. */
export const keptDataVariable = "PI_RUNNERS_KEPT_DATA";

/** How full the card may be when a job begins with what earlier ones left, percent. */
const fullest = 90;

/**
 * Shell: only one daemon may have `$data`. A second one waits, and says so: two would destroy it. The lock goes with the
 * last process of the container that took it, however that ends.
 */
export const lockData = [
  'mkdir -p "$data"',
  'exec 9>"$data/.pi-runners.lock"',
  "if command -v flock >/dev/null 2>&1 && ! flock -n 9; then",
  '  echo "pi-runners: another Docker daemon has its data in the same folder, $data: waiting until it has ended. If it never does, find it by: fuser -v $data/.pi-runners.lock" >&2',
  "  until flock -n 9; do sleep 1; done",
  '  echo "pi-runners: the other Docker daemon has ended; starting" >&2',
  "fi",
];

/**
 * Shell: makes what earlier daemons of jobs left in `$data` fit for a next one. Layers and build cache stay; volumes and
 * networks of a job are nobody's any more. All of it goes where the last two daemons did not come up with it (one alone may have
 * been cancelled), and where the card is nearly full. Containers need a daemon to be removed: see `removeContainers`.
 */
export const takeOverData = [
  ...lockData,
  `full=$(df -P "$data" | sed -n '2s/.* \\([0-9]*\\)% .*/\\1/p' || :)`,
  'starts=$(cat "$data/.starting" 2>/dev/null | wc -l || :)',
  'if [ "$starts" -ge 2 ]; then',
  '  echo "pi-runners: the last two daemons did not come up with the layers that are kept in $data: they are removed" >&2',
  '  rm -rf "${data:?}"/* "$data/.starting"',
  `elif [ "\${full:-0}" -ge ${fullest} ]; then`,
  '  echo "pi-runners: the disk is $full % full: the layers that are kept in $data are removed" >&2',
  '  rm -rf "${data:?}"/*',
  "fi",
  'rm -rf "$data/volumes" "$data/network"',
  'echo >>"$data/.starting"',
];

/**
 * Shell: removes the containers that the daemon remembers of earlier jobs, whose names a job may want for its own. Only where
 * `docker` is known to ask the daemon of this job, and no other that its variables name.
 */
export const removeContainers = [
  "  left=$(docker ps --all --quiet)",
  '  [ -z "$left" ] || docker rm --force --volumes $left >/dev/null || :',
];

/** Shell: takes the kept layers over for the daemon that is about to start, and notes when it has come up. */
const keepLayers = [
  `data=${serviceData}`,
  ...takeOverData,
  "came_up() {",
  // The job's variables lead to the daemon by TLS, its own socket has none.
  "  unset DOCKER_HOST DOCKER_TLS DOCKER_TLS_VERIFY DOCKER_CERT_PATH",
  // Two minutes: as long as a job waits for its daemon.
  "  tries=0",
  "  until docker version; do",
  '    [ "$tries" -lt 240 ] || return 0',
  "    tries=$((tries + 1))",
  "    sleep 0.5 || sleep 1",
  "  done",
  '  rm -f "$data/.starting"',
  "}",
  "(exec 9>&- >/dev/null 2>&1; came_up) &",
  'set -- "$@" --data-root="$data"',
];

/** What the service of a job runs first: the image's own entrypoint follows, with flags, so that it takes TLS. */
export const serviceScript = (layerCache: boolean): string =>
  [
    "set -eu",
    // A shell that is process 1 ignores signals that it has no trap for.
    "trap 'exit 0' QUIT TERM INT",
    ...findMtu,
    ...(layerCache ? keepLayers : []),
    'exec dockerd-entrypoint.sh "$@"',
  ].join("\n");
