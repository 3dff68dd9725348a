import { keptDataVariable, removeContainers, takeOverData } from "./keptData";
import { findMtu } from "./mtu";
import type { DockerWay } from "./ways";

/** How long a job waits for its Docker daemon, seconds. A Pi with a slow card needs up to half a minute. */
const daemonTimeout = 120;

/**
 * The part that waits: it asks `docker version` until that answers, some times a second, and gives up at the time limit or
 * when the daemon is known to have died. Not `docker info`, which starts every plugin of the client before it asks. `$why`
 * is left with what the last question got for an answer.
 */
const wait = [
  `  deadline=$(($(date +%s) + ${daemonTimeout}))`,
  "  until why=$(docker version 2>&1 >/dev/null); do",
  '    if [ "$(date +%s)" -ge "$deadline" ] || ! alive; then',
  "      give_up",
  "      exit 1",
  "    fi",
  "    sleep 0.1 2>/dev/null || sleep 1",
  "  done",
];

/**
 * For the service: the daemon's log is the service container's, which a job can have shown but not read. A job whose
 * variables name another Docker waits for that, by TCP; what runs there is none of ours.
 */
const waitForService = [
  "# pi-runners: wait until the Docker daemon of the service answers",
  'case "$(command -v docker >/dev/null 2>&1 && echo "${DOCKER_HOST:-}")" in tcp://*) (',
  "  alive() { :; }",
  "  give_up() {",
  `    echo "pi-runners: the Docker daemon of this job did not answer within ${daemonTimeout} s."`,
  '    echo "It was asked at $DOCKER_HOST; the last answer was: $why"',
  '    echo "To see its log, run the job again with the variable CI_DEBUG_SERVICES set to true (runner 15.7 and later),"',
  '    echo "or run docker logs on the node while the job waits."',
  "  } >&2",
  ...wait,
  '  case "$DOCKER_HOST" in tcp://docker:*) ;; *) exit 0 ;; esac',
  ...removeContainers,
  ") ;; esac",
].join("\n");

/**
 * For the daemon inside the job. The image's own entrypoint is used where it is there: it knows about cgroups, iptables
 * flavours and left-over pid files; given `dockerd` as first word it adds no TCP listener. The log is not below /tmp,
 * which that entrypoint covers with a tmpfs. A job whose variables name another Docker gets none.
 */
const startInJob = [
  "# pi-runners: start a Docker daemon inside this job and wait until it answers",
  'case "${DOCKER_HOST:-}" in "" | unix:///var/run/docker.sock | unix:///run/docker.sock) (',
  // Whatever the job's variables say: the daemon that is asked, and cleared, is the one that is started here.
  "  unset DOCKER_CONTEXT DOCKER_TLS DOCKER_TLS_VERIFY DOCKER_CERT_PATH",
  "  export DOCKER_HOST=unix:///var/run/docker.sock",
  "  ! docker version >/dev/null 2>&1 || exit 0",
  "  log=${PI_RUNNERS_DOCKERD_LOG:-/var/log/pi-runners-dockerd.log}",
  "  for word in docker dockerd; do",
  '    if ! command -v "$word" >/dev/null 2>&1; then',
  '      echo "pi-runners: the image of this job has no $word, so no Docker daemon can be started inside the job." >&2',
  `      echo "Use an image that has it, such as docker:dind, as the job's image, or another way to build." >&2`,
  "      exit 1",
  "    fi",
  "  done",
  `  if [ -n "\${${keptDataVariable}:-}" ]; then`,
  `    data=$${keptDataVariable}`,
  ...takeOverData.map((line) => `    ${line}`),
  "  fi",
  "  if command -v dockerd-entrypoint.sh >/dev/null 2>&1; then set -- dockerd-entrypoint.sh dockerd; else set -- dockerd; fi",
  ...findMtu.map((line) => `  ${line}`),
  '  "$@" --host=unix:///var/run/docker.sock </dev/null >"$log" 2>&1 &',
  "  daemon=$!",
  '  alive() { kill -0 "$daemon" 2>/dev/null; }',
  "  give_up() {",
  `    if alive; then echo "pi-runners: the Docker daemon inside this job did not answer within ${daemonTimeout} s."`,
  '    else echo "pi-runners: the Docker daemon inside this job stopped while starting."; fi',
  '    echo "The last answer was: $why"',
  '    echo "Its log, $log, ends:"',
  '    tail -n 40 "$log"',
  `    echo "If that says that something is not permitted: only the runner's own image is privileged here, and those that"`,
  `    echo "the runner's config in the stack file names in docker.allowed_privileged_images."`,
  "  } >&2",
  ...wait,
  `  [ -z "\${${keptDataVariable}:-}" ] || rm -f "$data/.starting"`,
  ...removeContainers,
  ") ;; esac",
].join("\n");

/**
 * The `pre_build_script` of a way: what has to be true before a job's own script begins. POSIX sh, since the job's image
 * may have nothing else; it leaves no variable behind.
 */
export const preBuildScripts: Record<DockerWay, string | undefined> = {
  dood: undefined,
  dind: waitForService,
  "dind-plain": waitForService,
  "dind-job": startInJob,
  "dind-resident": undefined,
};
