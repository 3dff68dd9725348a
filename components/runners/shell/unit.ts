import { createHash } from "node:crypto";
import { shutdownTimeout } from "../manager/config";
import { hasProxy, proxyDigest } from "../proxy";
import { configFolder, programPath, proxyFile, unitName } from "./places";
import type { ShellRunnerSettings } from "./settings";

/** What every process of a runner's jobs has in its environment, so that what a job leaves running is found. */
const mark = "PI_RUNNERS_SHELL";

/**
 * What the service is protected from, as far as no build can notice: jobs are its children. NoNewPrivileges breaks sudo and
 * rootless builders; so do ProtectKernelTunables and ProtectKernelLogs, as no other /proc may be mounted beside one that is
 * partly covered. ProtectKernelModules hides the headers that modules are built with, ProtectClock denies every device
 * (systemd before 253, systemd issue 18142), ProtectSystem what sudo may install. These are the host owner's business.
 */
const sandbox = ["RestrictRealtime=yes"];

/** The settings that its process is started with: a change of one restarts it. */
export const startSettings = [
  "name",
  "user",
  "metricsPort",
  "binary",
  "sha256",
  "packageVersion",
  "proxy",
] as const satisfies (keyof ShellRunnerSettings)[];

type StartSettings = Pick<ShellRunnerSettings, (typeof startSettings)[number]>;

/** What needs a restart when it changes; all else of the unit is systemd's, which reads it again. */
function running(settings: StartSettings): string[] {
  return [
    programPath(settings),
    ...["run", "--config", `${configFolder(settings.name)}/config.toml`],
    ...["--service", unitName(settings.name).replace(/\.service$/, "")],
    ...["--user", settings.user, "--listen-address", `127.0.0.1:${settings.metricsPort}`],
  ];
}

/** With what the service is started: the program reports it, so that what runs is told from what is written. */
export function startMark(settings: StartSettings): string {
  const proxy = hasProxy(settings) ? [proxyDigest(settings)] : [];
  const parts = [running(settings), sandbox, settings.packageVersion ?? "", ...proxy];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}

/** Seconds that stopping may take: jobs end, or are aborted and cleaned up after. */
export function stopTimeout(settings: ShellRunnerSettings): number {
  return settings.drainTimeout + shutdownTimeout(settings) + 60;
}

/**
 * SIGQUIT lets jobs finish, SIGTERM aborts them. Nothing may be sent in between: a second signal ends the runner at once,
 * with its jobs. A host that goes down does not wait for jobs: nobody could reach it meanwhile. A job's shell runs below
 * `su`, which passes SIGTERM to its own child only: what is below that would keep the abort from ending, and GitLab from
 * being told, so it is ended here. `timeout` counts time that passes, not the clock, which jumps on a Pi.
 */
function drain({ name, drainTimeout }: ShellRunnerSettings): string {
  return [
    '[ -n "$MAINPID" ] || exit 0',
    'case $(timeout 10 systemctl is-system-running) in stopping) echo "the host goes down: jobs are aborted" ;; *) ' +
      `kill -QUIT "$MAINPID"; timeout ${drainTimeout} tail --pid="$MAINPID" -f /dev/null && exit 0; ` +
      `echo "jobs did not end within drainTimeout, ${drainTimeout} s: they are aborted" ;; esac`,
    'kill -TERM "$MAINPID"',
    "sleep 2",
    endProcesses(name),
    'exec tail --pid="$MAINPID" -f /dev/null',
  ].join("; ");
}

/** Ends what a runner's jobs have running, wherever a login session has put it; not the manager itself. */
function endProcesses(name: string): string {
  return (
    `for file in $(grep -lszx ${mark}=${name} /proc/[0-9]*/environ); do pid=\${file%/environ}; pid=\${pid#/proc/}; ` +
    '[ "$pid" = "$MAINPID" ] || kill -9 "$pid" 2>/dev/null; done'
  );
}

/** After the manager has ended, however it did: a later job would trip over what one before has left running. */
function endLeftovers(name: string): string {
  return `${endProcesses(name)}; exit 0`;
}

/** A command line of a unit: what systemd would expand is doubled. */
function shell(script: string): string {
  return `/bin/sh -c '${script.replaceAll("%", "%%").replaceAll("$", "$$$$")}'`;
}

/**
 * The systemd unit of a runner. The manager is root, so that jobs, which are the user's, cannot read its token; it stays
 * when they end. KillMode=mixed: systemd's default would send SIGQUIT to the jobs as well, and end them.
 */
export function unitText(settings: ShellRunnerSettings): string {
  const { name } = settings;
  return [
    "# Made by pi-runners; a change here is replaced by the next pulumi up.",
    "[Unit]",
    `Description=GitLab Runner ${name}, shell executor`,
    "Documentation=https://docs.gitlab.com/runner/",
    "After=network.target docker.service",
    "StartLimitIntervalSec=0",
    "",
    "[Service]",
    ...(hasProxy(settings) ? [`EnvironmentFile=${proxyFile(name)}`] : []),
    `ExecStart=/usr/bin/env ${mark}=${name} PI_RUNNERS_START=${startMark(settings)} ${running(settings).join(" ")}`,
    "ExecReload=/bin/kill -HUP $MAINPID",
    `ExecStop=${shell(drain(settings))}`,
    `ExecStopPost=${shell(endLeftovers(name))}`,
    "KillMode=mixed",
    "KillSignal=SIGQUIT",
    `TimeoutStopSec=${stopTimeout(settings)}`,
    "Restart=always",
    "RestartSec=5",
    ...sandbox,
    "",
    "[Install]",
    "WantedBy=multi-user.target",
    "",
  ].join("\n");
}
