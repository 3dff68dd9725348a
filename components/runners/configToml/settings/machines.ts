import { z } from "zod";
import { duration, secret } from "./values";

/** Settings of the executors that run jobs on machines: instance, autoscaler, docker+machine, VMs, custom, ssh. */
export const instance = z
  .strictObject({
    allowed_images: z.array(z.string()),
    use_common_build_dir: z.boolean(),
  })
  .partial();

const connector = z
  .strictObject({
    os: z.string(),
    arch: z.string(),
    protocol: z.string(),
    protocol_port: z.int(),
    username: z.string(),
    password: secret,
    key_path: z.string(),
    use_static_credentials: z.boolean(),
    keepalive: duration,
    timeout: duration,
    use_external_addr: z.boolean(),
  })
  .partial();

export const autoscalerPolicy = z
  .strictObject({
    periods: z.array(z.string()),
    timezone: z.string(),
    idle_count: z.int(),
    idle_time: duration,
    scale_factor: z.number(),
    scale_factor_limit: z.int(),
    preemptive_mode: z.boolean(),
  })
  .partial();

const autoscalerScaleThrottle = z
  .strictObject({
    limit: z.int(),
    burst: z.int(),
  })
  .partial();

const vmIsolation = z
  .strictObject({
    enabled: z.boolean(),
    nesting_host: z.string(),
    nesting_config: z.record(z.string(), z.unknown()),
    image: z.string(),
    connector_config: connector,
  })
  .partial();

const autoscalerStateStorage = z
  .strictObject({
    enabled: z.boolean(),
    dir: z.string(),
    keep_instance_with_acquisitions: z.boolean(),
  })
  .partial();

export const autoscaler = z
  .strictObject({
    capacity_per_instance: z.int(),
    max_use_count: z.int(),
    max_instances: z.int(),
    plugin: z.string(),
    plugin_config: z.record(z.string(), z.unknown()),
    connector_config: connector,
    policy: z.array(autoscalerPolicy),
    instance_ready_command: z.string(),
    instance_acquire_timeout: duration,
    update_interval: duration,
    update_interval_when_expecting: duration,
    deletion_retry_interval: duration,
    shutdown_deletion_interval: duration,
    shutdown_deletion_retries: z.int(),
    failure_threshold: z.int(),
    scale_throttle: autoscalerScaleThrottle,
    reservation_throttling: z.boolean(),
    log_internal_ip: z.boolean(),
    log_external_ip: z.boolean(),
    delete_instances_on_shutdown: z.boolean(),
    vm_isolation: vmIsolation,
    state_storage: autoscalerStateStorage,
    instance_operation_time_buckets: z.array(z.number()),
    instance_creation_time_buckets: z.array(z.number()),
    instance_is_running_time_buckets: z.array(z.number()),
    instance_deletion_time_buckets: z.array(z.number()),
    instance_readiness_time_buckets: z.array(z.number()),
    instance_life_duration_buckets: z.array(z.number()),
  })
  .partial();

const dockerMachineAutoscaling = z
  .strictObject({
    Periods: z.array(z.string()),
    Timezone: z.string(),
    IdleCount: z.int(),
    IdleScaleFactor: z.number(),
    IdleCountMin: z.int(),
    IdleTime: z.int(),
  })
  .partial();

export const dockerMachine = z
  .strictObject({
    MaxGrowthRate: z.int(),
    IdleCount: z.int(),
    IdleScaleFactor: z.number(),
    IdleCountMin: z.int(),
    IdleTime: z.int(),
    MaxBuilds: z.int(),
    MachineDriver: z.string(),
    MachineName: z.string(),
    MachineOptions: z.array(z.string()),
    MachineOptionsWithName: z.array(z.string()),
    MaxRemovalAttempts: z.int(),
    OffPeakPeriods: z.array(z.string()),
    OffPeakTimezone: z.string(),
    OffPeakIdleCount: z.int(),
    OffPeakIdleTime: z.int(),
    autoscaling: z.array(dockerMachineAutoscaling),
  })
  .partial();

export const parallels = z
  .strictObject({
    base_name: z.string(),
    template_name: z.string(),
    disable_snapshots: z.boolean(),
    time_server: z.string(),
    allowed_images: z.array(z.string()),
  })
  .partial();

export const virtualBox = z
  .strictObject({
    base_name: z.string(),
    base_snapshot: z.string(),
    base_folder: z.string(),
    disable_snapshots: z.boolean(),
    allowed_images: z.array(z.string()),
    start_type: z.string(),
  })
  .partial();

export const custom = z
  .strictObject({
    config_exec: z.string(),
    config_args: z.array(z.string()),
    config_exec_timeout: z.int(),
    prepare_exec: z.string(),
    prepare_args: z.array(z.string()),
    prepare_exec_timeout: z.int(),
    run_exec: z.string(),
    run_args: z.array(z.string()),
    cleanup_exec: z.string(),
    cleanup_args: z.array(z.string()),
    cleanup_exec_timeout: z.int(),
    graceful_kill_timeout: z.int(),
    force_kill_timeout: z.int(),
  })
  .partial();

export const ssh = z
  .strictObject({
    user: z.string(),
    password: secret,
    host: z.string(),
    port: z.string(),
    identity_file: z.string(),
    disable_strict_host_key_checking: z.boolean(),
    known_hosts_file: z.string(),
  })
  .partial();
