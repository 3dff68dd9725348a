import {
  dockerRunnerSettings,
  type DockerRunnerInput,
  type DockerRunnerSettings,
} from "../../../components/runners/docker/settings";
import type { DockerWay } from "../../../components/runners/docker/ways";

/** The smallest sound settings of a runner as they are given, with what a test wants to be different. */
export function givenSettings(way: DockerWay, different: Partial<DockerRunnerInput> = {}): DockerRunnerInput {
  return {
    name: "builder",
    namespace: "ci",
    way,
    url: "https://gitlab.lan",
    ...(way === "dind-plain" ? { allowTlsOff: true } : {}),
    ...different,
  };
}

/** The same with all defaults. */
export function settingsOf(way: DockerWay, different: Partial<DockerRunnerInput> = {}): DockerRunnerSettings {
  return dockerRunnerSettings.parse(givenSettings(way, different));
}
