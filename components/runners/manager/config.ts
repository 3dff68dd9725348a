import { renderConfigToml } from "../configToml/render";
import type { ConfigRest } from "../configToml/rest";
import type { ConfigToml } from "../configToml/settings/config";
import type { RunnerSettings } from "../configToml/settings/runner";

/** Where the pod has the files of its Secret. */
export const secretFolder = "/config";

/** What pods call the port of their metrics. */
export const metricsPortName = "metrics";

/** How long a runner that was told to abort its jobs cleans up after them, seconds: also when 0 or less is given. */
const defaultShutdownTimeout = 30;

/** The same, as the runner understands what was given (gitlab-runner 19.4.0, common/config.go, GetShutdownTimeout). */
export function shutdownTimeout(settings: { config?: ConfigRest }): number {
  const given = settings.config?.shutdown_timeout ?? 0;
  return given > 0 ? given : defaultShutdownTimeout;
}

/**
 * How often a manager tells GitLab how a job ended, where GitLab does not answer: it waits a second, then twice as long each
 * time (gitlab-runner 19.4.0, network/trace.go, finishWithFinalUpdate). Its default of 10 is over after nine minutes, and a
 * job that ended at the beginning of a longer outage would stay "running" there for good; 12 come to 34 minutes.
 */
const finalUpdates = 12;

/** What the manager of every runner in the cluster is told of itself. */
interface ManagerSettings {
  name: string;
  url: string;
  serverCa?: string;
  concurrent: number;
  checkInterval: number;
  metricsPort: number;
}

/** What a manager that is a pod has in its config.toml, with what its executor adds to `[[runners]]`. */
export function presetConfig(
  settings: ManagerSettings,
  token: string,
  executor: string,
  { feature_flags, ...section }: Partial<RunnerSettings>,
): ConfigToml {
  return {
    concurrent: settings.concurrent,
    check_interval: settings.checkInterval,
    log_level: "info",
    log_format: "json",
    // For the jobs that did not end within the drain.
    shutdown_timeout: defaultShutdownTimeout,
    listen_address: `:${settings.metricsPort}`,
    runners: [
      {
        name: settings.name,
        url: settings.url,
        token,
        executor,
        // With 1, a request that GitLab holds open for 50 s (long polling) keeps every other job waiting.
        request_concurrency: Math.max(2, settings.concurrent),
        // A job's log, KiB: enough for a build, too little to fill a card.
        output_limit: 8192,
        job_status_final_update_retry_limit: finalUpdates,
        // All managers have the same token: the first to rotate it would cut the others off, and what it got would be
        // lost, as the file is not written to.
        feature_flags: { FF_DISABLE_AUTOMATIC_TOKEN_ROTATION: true, ...feature_flags },
        ...(settings.serverCa === undefined ? {} : { "tls-ca-file": `${secretFolder}/gitlab-ca.crt` }),
        ...section,
      },
    ],
  };
}

/** What a manager's Secret holds: config.toml, and the CA of the GitLab instance where there is one. */
export function managerFiles(config: ConfigToml, serverCa: string | undefined): Record<string, string> {
  return {
    "config.toml": renderConfigToml(config),
    ...(serverCa === undefined ? {} : { "gitlab-ca.crt": serverCa }),
  };
}

/** The same as the API server keeps them. Not as stringData, which it never gives back: a refresh would see a change. */
export function encoded(files: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).map(([file, content]) => [file, Buffer.from(content).toString("base64")]),
  );
}
