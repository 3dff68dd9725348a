import type { Risk } from "../risk";
import { ownKubernetes, type KubernetesRunnerSettings } from "./settings";

/** What a job's pod can do to the node it runs on. */
export function risk(settings: Pick<KubernetesRunnerSettings, "config" | "hostUsers" | "buildCache">): Risk {
  if (ownKubernetes(settings).privileged === true) {
    return {
      level: "node-root-by-escape",
      meaning:
        "jobs' pods are privileged, and one can with some effort become root on its node: keep to dedicated, tainted nodes and to protected branches and tags",
    };
  }
  const shared =
    settings.buildCache === undefined
      ? ""
      : "; branches of a project share the layers that builds keep, protected ones too: give those a runner of their own";
  return {
    level: "pod",
    meaning:
      settings.hostUsers === false
        ? "a job is an unprivileged pod whose root is nobody on the node"
        : `a job is an unprivileged pod, with root in its container: it is held by the container alone${shared}`,
  };
}
