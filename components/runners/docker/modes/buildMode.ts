import type { InputError } from "../../../inputErrors";
import type { DockerSettings } from "../../configToml/settings/docker";
import type { RunnerSettings } from "../../configToml/settings/runner";
import type { Risk } from "../../risk";
import type { Budget } from "../../sizes";
import type { DockerRunnerSettings } from "../settings";

/** What makes a build mode: one file for each, beside this one. */
export interface BuildMode {
  /** What a job can do to the node; part of the outputs. */
  risk: Risk;
  /** The image whose daemon reads the inner daemon's files; undefined where the mode has no inner daemon. */
  daemonImage(settings: DockerRunnerSettings): string | undefined;
  /** What it sets in `[[runners]]`, beside `[runners.docker]`. */
  runner(settings: DockerRunnerSettings): Partial<RunnerSettings>;
  /** What it sets in `[runners.docker]`. */
  docker(settings: DockerRunnerSettings, budget: Budget): DockerSettings & { volumes: string[] };
  /** Settings with which no job of this mode could build, or build safely. */
  errors(settings: DockerRunnerSettings): InputError[];
}
