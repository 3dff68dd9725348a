import { z } from "zod";
import { runner } from "./runner";
import { duration } from "./values";

const sessionServer = z
  .strictObject({
    listen_address: z.string(),
    advertise_address: z.string(),
    session_timeout: z.int(),
  })
  .partial();

const dockerMachineShutdownDrain = z
  .strictObject({
    enabled: z.boolean(),
    concurrency: z.int(),
    max_retries: z.int(),
    retry_backoff: duration,
  })
  .partial();

export const machine = z
  .strictObject({
    shutdown_drain: dockerMachineShutdownDrain,
  })
  .partial();

export const logrotate = z
  .strictObject({
    log_dir: z.string(),
    max_backup_files: z.int(),
    max_rotation_age: duration,
    labels: z.record(z.string(), z.string()),
  })
  .partial();

const snowplow = z
  .strictObject({
    collector_uri: z.string(),
    app_id: z.string(),
    category: z.string(),
    realm: z.string(),
    deployment_type: z.string(),
    metadata: z.record(z.string(), z.string()),
    enable_oidc: z.boolean(),
    batch_delivery_duration_buckets: z.array(z.number()),
    skip_oidc_if_unsupported_cloud: z.boolean(),
    skip_runner_system_failure: z.boolean(),
  })
  .partial();

const usageLogger = z
  .strictObject({
    enabled: z.boolean(),
    writers: z.array(z.string()),
    logrotate: logrotate,
    snowplow_billing: snowplow,
    log_dir: z.string(),
    max_backup_files: z.int(),
    max_rotation_age: duration,
    labels: z.record(z.string(), z.string()),
  })
  .partial();

export const experimental = z
  .strictObject({
    usage_logger: usageLogger,
  })
  .partial();

/**
 * All of config.toml, as GitLab Runner 19.4.0 reads it (common/config.go and what it embeds; documented in
 * docs/configuration/advanced-configuration.md). The one place that names its keys: the types, the validation and the
 * order in which keys are rendered follow from it. `concurrent` 0 is fatal to the runner, so it is refused here.
 */
export const configToml = z
  .strictObject({
    listen_address: z.string(),
    session_server: sessionServer,
    labels: z.record(z.string(), z.string()),
    concurrent: z.int().min(1),
    check_interval: z.int(),
    log_level: z.enum(["debug", "info", "warn", "warning", "error", "fatal", "panic"]),
    log_format: z.enum(["runner", "text", "json"]),
    user: z.string(),
    runners: z.array(runner),
    sentry_dsn: z.string(),
    connection_max_age: duration,
    machine: machine,
    experimental: experimental,
    shutdown_timeout: z.int(),
  })
  .partial();

/** Settings of a whole config.toml, checked by the compiler. */
export type ConfigToml = z.infer<typeof configToml>;
