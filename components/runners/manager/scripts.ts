/** The folder that the pod keeps its own state in: the runner's identity, and what the init container found out. */
export const stateFolder = "/etc/gitlab-runner";

/** The manager's home folder. */
export const homeFolder = "/home/gitlab-runner";

/** Seconds that a runner has beyond drain and `shutdown_timeout`, for the scripts around it. */
export const graceMargin = 15;

/** Seconds that a container gets whose probe failed: its runner answers to nothing, and is not worth waiting for. */
export const probeGrace = 10;

/** Shell: becomes the runner, whose config.toml is in `stateFolder`. */
export const runManager = `exec gitlab-runner run --config ${stateFolder}/config.toml --working-directory ${homeFolder}`;

/**
 * The preStop hook. SIGQUIT lets jobs finish, SIGTERM aborts them and cleans up within `shutdown_timeout`
 * (docs/commands/_index.md, "Signals"). It never returns while the runner lives: kubelet would send the image's stop
 * signal next, which is SIGQUIT again, and that ends an abort half-way. Time is the kernel's, as a Pi's clock jumps.
 */
export function drainScript(drainTimeout: number): string {
  return [
    'up() { read -r seconds _ </proc/uptime; echo "${seconds%%.*}"; }',
    `end=$(($(up) + ${drainTimeout}))`,
    "kill -QUIT 1",
    'while kill -0 1 2>/dev/null && [ "$(up)" -lt "$end" ]; do sleep 1; done',
    "kill -0 1 2>/dev/null || exit 0",
    `echo "pi-runners: jobs did not end within drainTimeout, ${drainTimeout} s: they are aborted" 2>/dev/null >/proc/1/fd/2`,
    "kill -TERM 1",
    "while kill -0 1 2>/dev/null; do sleep 1; done",
  ].join("\n");
}
