import { z } from "zod";

const nodeSelectorRequirement = z
  .strictObject({
    key: z.string(),
    operator: z.string(),
    values: z.array(z.string()),
  })
  .partial();

const nodeSelectorTerm = z
  .strictObject({
    match_expressions: z.array(nodeSelectorRequirement),
    match_fields: z.array(nodeSelectorRequirement),
  })
  .partial();

const nodeSelector = z
  .strictObject({
    node_selector_terms: z.array(nodeSelectorTerm),
  })
  .partial();

const preferredSchedulingTerm = z
  .strictObject({
    weight: z.int(),
    preference: nodeSelectorTerm,
  })
  .partial();

const kubernetesNodeAffinity = z
  .strictObject({
    required_during_scheduling_ignored_during_execution: nodeSelector,
    preferred_during_scheduling_ignored_during_execution: z.array(preferredSchedulingTerm),
  })
  .partial();

const labelSelector = z
  .strictObject({
    match_labels: z.record(z.string(), z.string()),
    match_expressions: z.array(nodeSelectorRequirement),
  })
  .partial();

const podAffinityTerm = z
  .strictObject({
    label_selector: labelSelector,
    namespaces: z.array(z.string()),
    topology_key: z.string(),
    namespace_selector: labelSelector,
    match_label_keys: z.array(z.string()),
    mismatch_label_keys: z.array(z.string()),
  })
  .partial();

const weightedPodAffinityTerm = z
  .strictObject({
    weight: z.int(),
    pod_affinity_term: podAffinityTerm,
  })
  .partial();

const kubernetesPodAffinity = z
  .strictObject({
    required_during_scheduling_ignored_during_execution: z.array(podAffinityTerm),
    preferred_during_scheduling_ignored_during_execution: z.array(weightedPodAffinityTerm),
  })
  .partial();

const kubernetesPodAntiAffinity = z
  .strictObject({
    required_during_scheduling_ignored_during_execution: z.array(podAffinityTerm),
    preferred_during_scheduling_ignored_during_execution: z.array(weightedPodAffinityTerm),
  })
  .partial();

/** `[runners.kubernetes.affinity]`. */
export const kubernetesAffinity = z
  .strictObject({
    node_affinity: kubernetesNodeAffinity,
    pod_affinity: kubernetesPodAffinity,
    pod_anti_affinity: kubernetesPodAntiAffinity,
  })
  .partial();
