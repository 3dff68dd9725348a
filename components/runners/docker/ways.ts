/**
 * The build modes of the docker executor, by the words of the stack file's `way`:
 * - `dood`: Docker out of Docker. Jobs use the node's Docker through its socket; not privileged; warm layer cache.
 * - `dind`: Docker in Docker as a service of the job, with TLS on port 2376.
 * - `dind-job`: the job itself starts a daemon and waits for it.
 * - `dind-plain`: as `dind` without TLS, on port 2375; only when asked for.
 * - `dind-resident`: Docker in Docker by an engine in the runner's own pod, which stays up between jobs; the node needs no
 *   Docker.
 */
export const dockerWays = ["dood", "dind", "dind-job", "dind-plain", "dind-resident"] as const;

export type DockerWay = (typeof dockerWays)[number];

/** Where the daemon is that a mode's jobs build with; the compiler asks for a mode that is missing. */
const daemonPlaces = {
  dood: "node",
  dind: "service",
  "dind-job": "job",
  "dind-plain": "service",
  "dind-resident": "pod",
} as const satisfies Record<DockerWay, "node" | "service" | "job" | "pod">;

/** The build modes with a Docker daemon of their own inside a container: all that DindRunner runs. */
export type InnerDaemonWay = {
  [W in DockerWay]: (typeof daemonPlaces)[W] extends "node" ? never : W;
}[DockerWay];

/** Does the mode run a Docker daemon of its own inside a container? */
export function hasInnerDaemon(way: DockerWay): way is InnerDaemonWay {
  return daemonPlaces[way] !== "node";
}

/** Is the mode's daemon a service beside the job? */
export function hasService(way: DockerWay): boolean {
  return daemonPlaces[way] === "service";
}

/** Is the mode's daemon in the runner's own pod, up between jobs? Such a runner does not touch the node's Docker. */
export function hasResidentEngine(way: DockerWay): boolean {
  return daemonPlaces[way] === "pod";
}
