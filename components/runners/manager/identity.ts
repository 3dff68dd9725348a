import type { types } from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
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
 * @param annotations those that the template has beside
 * @param isAnnotated true: the template may have annotations itself, and then all of them are known with the id
 */
export function identified(
  template: pulumi.Output<PodTemplate>,
  id: pulumi.Output<string>,
  annotations: Record<string, pulumi.Output<string>> = {},
  isAnnotated = false,
): pulumi.Input<PodTemplate> {
  const of = template.apply(({ metadata }) => metadata as Record<"labels" | "annotations", Record<string, string>>);
  const all = { ...annotations, ...identityAnnotation(id) };
  return {
    metadata: {
      labels: of.apply(({ labels }) => labels),
      annotations: isAnnotated ? pulumi.all([of, all]).apply(([own, ours]) => ({ ...own.annotations, ...ours })) : all,
    },
    spec: template.apply(({ spec }) => spec as types.input.core.v1.PodSpec),
  };
}
