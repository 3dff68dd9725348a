import type { DockerRunnerSettings } from "../../../components/runners/docker/dockerConfig";
import type { DockerWay } from "../../../components/runners/docker/ways";

/** The smallest sound settings of a runner, with what a test wants to be different. */
export function settingsOf(way: DockerWay, different: Partial<DockerRunnerSettings> = {}): DockerRunnerSettings {
  return {
    name: "builder",
    namespace: "ci",
    way,
    url: "https://gitlab.lan",
    ...(way === "dind-plain" ? { allowTlsOff: true } : {}),
    ...different,
  };
}
