import { z } from "zod";
import { featureFlags } from "../featureFlags";
import { cache } from "./cache";
import { docker } from "./docker";
import { kubernetes } from "./kubernetes";
import { autoscaler, custom, dockerMachine, instance, parallels, ssh, virtualBox } from "./machines";
import { duration, secret, timestamp } from "./values";

const bootVerify = z
  .strictObject({
    enabled: z.boolean(),
    timeout: duration,
    acquire_min_backoff: duration,
    acquire_max_backoff: duration,
  })
  .partial();

const runnerExperimental = z
  .strictObject({
    boot_verify: bootVerify,
  })
  .partial();

const customBuildDir = z
  .strictObject({
    enabled: z.boolean(),
  })
  .partial();

const metricsReferee = z
  .strictObject({
    prometheus_address: z.string(),
    query_interval: z.int(),
    queries: z.array(z.string()),
  })
  .partial();

export const referees = z
  .strictObject({
    metrics: metricsReferee,
  })
  .partial();

export const artifact = z
  .strictObject({
    upload_timeout: duration,
    response_header_timeout: duration,
  })
  .partial();

const jobQueuingDuration = z
  .strictObject({
    periods: z.array(z.string()),
    timezone: z.string(),
    threshold: duration,
    jobs_running_for_project: z.string(),
  })
  .partial();

export const monitoring = z
  .strictObject({
    job_queuing_durations: z.array(jobQueuingDuration),
  })
  .partial();

/** One `[[runners]]` section. */
export const runner = z
  .strictObject({
    name: z.string(),
    limit: z.int(),
    output_limit: z.int(),
    request_concurrency: z.int(),
    strict_check_interval: z.boolean(),
    unhealthy_requests_limit: z.int(),
    unhealthy_interval: duration,
    job_status_final_update_retry_limit: z.int(),
    experimental: runnerExperimental,
    url: z.string(),
    id: z.int(),
    token: secret,
    token_obtained_at: timestamp,
    token_expires_at: timestamp,
    "tls-ca-file": z.string(),
    "tls-cert-file": z.string(),
    "tls-key-file": z.string(),
    labels: z.record(z.string(), z.string()),
    executor: z.string(),
    builds_dir: z.string(),
    cache_dir: z.string(),
    clone_url: z.string(),
    environment: z.array(z.string().regex(/^[^=]+=/, { error: 'must read "NAME=value"' })),
    proxy_exec: z.boolean(),
    pre_get_sources_script: z.string(),
    post_get_sources_script: z.string(),
    pre_build_script: z.string(),
    post_build_script: z.string(),
    prepare_timeout: duration,
    get_sources_timeout: duration,
    debug_trace_disabled: z.boolean(),
    safe_directory_checkout: z.boolean(),
    clean_git_config: z.boolean(),
    shell: z.string(),
    custom_build_dir: customBuildDir,
    referees: referees,
    cache: cache,
    artifact: artifact,
    feature_flags: z.partialRecord(z.enum(featureFlags), z.boolean()),
    monitoring: monitoring,
    use_slot_cgroups: z.boolean(),
    slot_cgroup_template: z.string(),
    instance: instance,
    ssh: ssh,
    docker: docker,
    parallels: parallels,
    virtualbox: virtualBox,
    machine: dockerMachine,
    kubernetes: kubernetes,
    custom: custom,
    autoscaler: autoscaler,
    step_runner_image: z.string(),
  })
  .partial();

export type RunnerSettings = z.infer<typeof runner>;
