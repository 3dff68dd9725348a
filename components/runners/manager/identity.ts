import type { types } from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { RandomId } from "@pulumi/random";
import { identityAnnotation } from "../identity";

export { keptIdentity } from "../identity";

type PodTemplate = types.input.core.v1.PodTemplateSpec;

/** A random id of the runner's own, kept in the state. */
export function makeIdentity(name: string, { parent }: pulumi.ResourceOptions): pulumi.Output<string> {
  return new RandomId(`${name}-identity`, { byteLength: 8 }, { parent }).hex;
}

/**
 * A pod template with the runner's id. What is not known in the first preview is the id alone: the rest can be read.
 *
 * @param annotations all others of the template. Their keys are known when the program runs: `keptIdentity` is one of them, and
 *   where it is not known whether the pods have it, an update fails
 */
export function identified(
  template: pulumi.Output<PodTemplate>,
  id: pulumi.Output<string>,
  annotations: Record<string, pulumi.Output<string>> = {},
): pulumi.Input<PodTemplate> {
  const of = template.apply(({ metadata }) => metadata as { labels: Record<string, string> });
  return {
    metadata: {
      labels: of.apply(({ labels }) => labels),
      annotations: { ...annotations, ...identityAnnotation(id) },
    },
    spec: template.apply(({ spec }) => spec as types.input.core.v1.PodSpec),
  };
}
