import type { HostProgram, HostSettings } from "../../../hosts/hostProgram";
import { hasProxy } from "../proxy";
import { buildsFolder, configFolder, hostBinary, programPath, proxyFile, unitName, type HostBinary } from "./places";
import type { ShellRunnerSettings } from "./settings";
import { shellFiles, type HostFile } from "./shellConfig";
import { startMark, stopTimeout, unitText } from "./unit";

/** What one run on a host is to achieve. */
export interface ShellHostSettings extends HostSettings {
  /** Whose runner it is; another stack's of the same name is refused. */
  owner: string;
  runner: string;
  url: string;
  user: string;
  docker: boolean;
  metricsPort: number;
  /** Seconds that stopping may take, with its jobs. */
  drain: number;
  /** With what the service is to be started. */
  start: string;
  /** The path of gitlab-runner. */
  program: string;
  /** One of both: the file, or the package. */
  binary?: HostBinary;
  package?: { version?: string };
  folder: string;
  builds: string;
  files: HostFile[];
  /** One of `files`, with the variables of the proxy, where there is one. */
  proxy?: string;
  unit: HostFile & { name: string };
  /** Means nothing to the host; another text is another input, and so another run. */
  reapply?: string;
}

/** The program that does it. */
export const shellProgram: HostProgram = { title: "shell-runner", entry: "shellrunner" };

/** Seconds for all that is not a drain: packages, a download, two restarts. */
const work = 900;

/** What goes to a host: it holds the runner's token. */
export function shellHostSettings(
  settings: ShellRunnerSettings,
  token: string,
  node: string,
  owner: string,
  reapply?: string,
  salt?: string,
): ShellHostSettings {
  const binary = hostBinary(settings);
  const drain = stopTimeout(settings);
  const unit = unitName(settings.name);
  return {
    node,
    owner,
    // A restart, and the one that goes back.
    limit: 2 * drain + work,
    runner: settings.name,
    url: settings.url,
    user: settings.user,
    docker: settings.docker,
    metricsPort: settings.metricsPort,
    drain,
    start: startMark(settings),
    program: programPath(settings),
    ...(binary === undefined ? { package: { version: settings.packageVersion } } : { binary }),
    folder: configFolder(settings.name),
    builds: buildsFolder(settings),
    files: shellFiles(settings, token, node, salt),
    ...(hasProxy(settings) ? { proxy: proxyFile(settings.name) } : {}),
    unit: { name: unit, path: `/etc/systemd/system/${unit}`, text: unitText(settings), mode: "644" },
    reapply,
  };
}
