import { z } from "zod";

const kubernetesHostPath = z
  .strictObject({
    name: z.string(),
    mount_path: z.string(),
    sub_path: z.string(),
    read_only: z.boolean(),
    host_path: z.string(),
    mount_propagation: z.string(),
  })
  .partial();

const kubernetesPVC = z
  .strictObject({
    name: z.string(),
    mount_path: z.string(),
    sub_path: z.string(),
    read_only: z.boolean(),
    mount_propagation: z.string(),
  })
  .partial();

const kubernetesConfigMap = z
  .strictObject({
    name: z.string(),
    mount_path: z.string(),
    sub_path: z.string(),
    read_only: z.boolean(),
    items: z.record(z.string(), z.string()),
  })
  .partial();

const kubernetesSecret = z
  .strictObject({
    name: z.string(),
    mount_path: z.string(),
    sub_path: z.string(),
    read_only: z.boolean(),
    items: z.record(z.string(), z.string()),
  })
  .partial();

const kubernetesEmptyDir = z
  .strictObject({
    name: z.string(),
    mount_path: z.string(),
    sub_path: z.string(),
    medium: z.string(),
    size_limit: z.string(),
    mount_propagation: z.string(),
  })
  .partial();

const kubernetesCSI = z
  .strictObject({
    name: z.string(),
    mount_path: z.string(),
    sub_path: z.string(),
    driver: z.string(),
    fs_type: z.string(),
    read_only: z.boolean(),
    volume_attributes: z.record(z.string(), z.string()),
  })
  .partial();

const kubernetesNFS = z
  .strictObject({
    name: z.string(),
    mount_path: z.string(),
    sub_path: z.string(),
    server: z.string(),
    path: z.string(),
    read_only: z.boolean(),
  })
  .partial();

/** `[runners.kubernetes.volumes]`. */
export const kubernetesVolumes = z
  .strictObject({
    host_path: z.array(kubernetesHostPath),
    pvc: z.array(kubernetesPVC),
    config_map: z.array(kubernetesConfigMap),
    secret: z.array(kubernetesSecret),
    empty_dir: z.array(kubernetesEmptyDir),
    csi: z.array(kubernetesCSI),
    nfs: z.array(kubernetesNFS),
  })
  .partial();
