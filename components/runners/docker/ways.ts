/** The ways to build images that run on the Docker of a node. */
export const dockerWays = ["dood", "dind", "dind-job", "dind-plain"] as const;

/**
 * - `dood`: Docker out of Docker. Jobs use the node's Docker through its socket; not privileged; warm layer cache.
 * - `dind`: Docker in Docker as a service of the job, with TLS on port 2376.
 * - `dind-job`: the job itself starts a daemon and waits for it.
 * - `dind-plain`: as `dind` without TLS, on port 2375; only when asked for.
 */
export type DockerWay = (typeof dockerWays)[number];

/** What a job can do to the node, in a word for policies and in a sentence for people. */
export interface Risk {
  level: "node-root" | "node-root-by-escape" | "node-root-by-escape-and-open-daemon";
  meaning: string;
}

/** The risk label of a way, part of the outputs. */
export const risks: Record<DockerWay, Risk> = {
  dood: {
    level: "node-root",
    meaning:
      "a job can use the node's Docker and with it be root on the node, and see and stop every container there: keep to dedicated, tainted nodes and to protected branches and tags",
  },
  dind: {
    level: "node-root-by-escape",
    meaning:
      "privileged containers run on the node, and one can with some effort become root there: keep to dedicated, tainted nodes and to protected branches and tags",
  },
  "dind-job": {
    level: "node-root-by-escape",
    meaning:
      "the job itself is a privileged container and can with some effort become root on the node: keep to dedicated, tainted nodes and to protected branches and tags",
  },
  "dind-plain": {
    level: "node-root-by-escape-and-open-daemon",
    meaning:
      "as dind, and whatever reaches the job's network can command its daemon, which asks for no certificate: prefer dind",
  },
};

/** Does the way run a Docker daemon of its own inside a container? */
export function hasInnerDaemon(way: DockerWay): boolean {
  return way !== "dood";
}
