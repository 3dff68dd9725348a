import { parse } from "yaml";
import type { Registry } from "../components/registryTrust/registry";
import type { DockerRunnerSettings } from "../components/runners/docker/settings";
import { jobImage as dockerJobImage } from "../components/runners/docker/usedImages";
import { layersImage } from "../components/runners/kubernetes/buildCache";
import { jobImage as podJobImage } from "../components/runners/kubernetes/kubernetesConfig";
import type { KubernetesRunnerSettings } from "../components/runners/kubernetes/settings";
import type { ShellRunnerSettings } from "../components/runners/shell/settings";
import { buildkitComponent } from "./buildkit";
import { component } from "./component";

/** A runner of a stack, as far as its pipeline depends on it. */
type PrintedRunner = { tags: string[] } & (
  | { executor: "docker"; settings: Pick<DockerRunnerSettings, "way" | "jobImage" | "dindImage" | "config"> }
  | { executor: "kubernetes"; settings: Pick<KubernetesRunnerSettings, "way" | "jobImage" | "config" | "buildCache"> }
  | { executor: "shell"; settings: Pick<ShellRunnerSettings, "way"> }
);

/** An input of a CI/CD component, as its header describes it. */
interface Input {
  type?: "string" | "array";
  default?: string | string[];
  description?: string;
}

/** The CI/CD component of a runner's way with the stack's registry, the runner's tags and its job image filled in. */
export function printPipeline(runner: PrintedRunner, registries: Registry[]): string {
  // A network may be trusted too, but one cannot push to it.
  const registry = registries.find(({ address }) => !address.includes("/"))?.address;
  // Buildah keeps no layers.
  const buildkit = runner.executor === "kubernetes" && runner.settings.buildCache !== undefined;
  return fillIn(buildkit ? buildkitComponent : component(runner.settings.way), {
    tags: runner.tags,
    ...inputs(runner),
    ...(registry === undefined ? {} : { registry, image: `${registry}/$CI_PROJECT_PATH` }),
  });
}

/** What a pipeline takes from its runner, by the executor. */
function inputs({ executor, settings }: PrintedRunner): Record<string, string> {
  switch (executor) {
    case "docker":
      return { job_image: dockerJobImage(settings) };
    case "kubernetes":
      return { job_image: settings.buildCache ? layersImage(settings.buildCache) : podJobImage(settings) };
    case "shell":
      return {};
    default:
      throw new Error(`No pipeline for executor ${String(executor satisfies never)}; add it to print.ts.`);
  }
}

/**
 * Fills the inputs of a CI/CD component in, as GitLab does when one includes it: values given, else defaults.
 *
 * @throws when a value is given for an input that the component does not have, or one without default is missing.
 */
export function fillIn(template: string, values: Record<string, string | string[]>): string {
  const [header = "", body = ""] = template.split(/^---$/m);
  const inputs = (parse(header) as { spec: { inputs: Record<string, Input> } }).spec.inputs;
  const stray = Object.keys(values).find((name) => !(name in inputs));
  if (stray !== undefined) {
    throw new Error(`The component has no input ${stray}; it has ${Object.keys(inputs).join(", ")}.`);
  }
  const filled = body.replaceAll(/\$\[\[\s*inputs\.([\w-]+)\s*\]\]/g, (_, name: string) => {
    const value = values[name] ?? inputs[name]?.default;
    if (value === undefined) {
      throw new Error(`The component's input ${name} has no value; give one.`);
    }
    return Array.isArray(value) ? JSON.stringify(value) : value;
  });
  const comments = header
    .split("\n")
    .filter((line) => line.startsWith("#"))
    .slice(0, 1);
  return [...comments, filled.trim(), ""].join("\n");
}
