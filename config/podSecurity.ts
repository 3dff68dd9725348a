import type { MirrorSettings } from "../components/mirror/settings";
import type { PodSecurity } from "../components/namespace/runnerNamespace";
import { podSecurity } from "../components/runners/kubernetes/podSecurity";
import type { CheckedRunner } from "./checks";

/** Pod Security Standards, the laxest first. */
const levels: PodSecurity[] = ["privileged", "baseline", "restricted"];

const byLaxity = (a: PodSecurity, b: PodSecurity): number => levels.indexOf(a) - levels.indexOf(b);

/** The strictest Pod Security Standard that a runner's pods, and those of its jobs, meet. */
function podSecurityOf({ executor, settings }: CheckedRunner): PodSecurity {
  switch (executor) {
    case "docker":
      return "privileged"; // The Docker socket and the runner's folder are of the node.
    case "kubernetes":
      return podSecurity(settings);
    case "shell":
      return "restricted"; // It has no pods.
    default:
      throw new Error(`No level for executor ${String(executor satisfies never)}; add it to podSecurity.ts.`);
  }
}

/** The strictest Pod Security Standard that the pods of all these runners, and of their mirror, meet. */
export function strictestFor(runners: CheckedRunner[], mirror?: MirrorSettings): PodSecurity {
  const ofMirror = mirror?.hostFolder === undefined ? [] : ["privileged" as const];
  return [...runners.map(podSecurityOf), ...ofMirror].sort(byLaxity)[0] ?? "restricted";
}
