import { dockerWays } from "./docker/ways";

/**
 * The executors of gitlab-runner that this project deploys, each with the ways that it runs, by the words of the stack file's
 * `way`: the one list from which way and executor follow.
 */
export const waysByExecutor = {
  /** Containers of a Docker daemon on each node. */
  docker: dockerWays,
  /** Pods of the cluster, unprivileged. */
  kubernetes: ["kubernetes"],
  /** A user's shell on hosts. */
  shell: ["shell"],
} as const;

export type Executor = keyof typeof waysByExecutor;

/** Every executor. */
export const executors = Object.keys(waysByExecutor) as Executor[];

/** The ways of one executor, or of all. */
export type Way<E extends Executor = Executor> = (typeof waysByExecutor)[E][number];

/** Every way, in the order of the executors. */
export const ways: readonly Way[] = Object.values(waysByExecutor).flat();

/** The executor that runs a way. */
export function executorOf(way: Way): Executor {
  return executors.find((executor) => (waysByExecutor[executor] as readonly Way[]).includes(way))!;
}
