import type { Risk } from "../risk";
import type { ShellRunnerSettings } from "./settings";

/** What a job can do to the host. */
export function risk({ docker }: Pick<ShellRunnerSettings, "docker">): Risk {
  return docker
    ? {
        level: "node-root",
        meaning:
          "the host's Docker is root on it, and jobs may use it: keep to dedicated hosts and to protected branches and tags",
      }
    : {
        level: "host-user",
        meaning:
          "a job is a process of the runner's user on the host, in no container: it sees the host's processes and network, and all jobs of the runner share that user",
      };
}
