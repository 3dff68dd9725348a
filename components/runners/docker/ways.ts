/**
 * The build modes that run on the Docker of a node, by the words of the stack file's `way`:
 * - `dood`: Docker out of Docker. Jobs use the node's Docker through its socket; not privileged; warm layer cache.
 * - `dind`: Docker in Docker as a service of the job, with TLS on port 2376.
 * - `dind-job`: the job itself starts a daemon and waits for it.
 * - `dind-plain`: as `dind` without TLS, on port 2375; only when asked for.
 */
export const dockerWays = ["dood", "dind", "dind-job", "dind-plain"] as const;

export type DockerWay = (typeof dockerWays)[number];

/** Where the daemon is that a mode's jobs build with; the compiler asks for a mode that is missing. */
const daemonPlaces: Record<DockerWay, "node" | "service" | "job"> = {
  dood: "node",
  dind: "service",
  "dind-job": "job",
  "dind-plain": "service",
};

/** The build modes with a Docker daemon of their own inside a container: all that DindRunner runs. */
export type InnerDaemonWay = Exclude<DockerWay, "dood">;

/** Does the mode run a Docker daemon of its own inside a container? */
export function hasInnerDaemon(way: DockerWay): way is InnerDaemonWay {
  return daemonPlaces[way] !== "node";
}

/** Is the mode's daemon a service beside the job? */
export function hasService(way: DockerWay): boolean {
  return daemonPlaces[way] === "service";
}
