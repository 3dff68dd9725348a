import { merge } from "../configToml/merge";
import { renderConfigToml } from "../configToml/render";
import type { ConfigToml } from "../configToml/settings/config";
import { systemId } from "../identity";
import { presetConfig } from "../manager/config";
import { dockerClientScript, hasProxy, hostEnvironment } from "../proxy";
import { buildsFolder, configFolder, proxyFile } from "./places";
import { pruneScript } from "./pruneScript";
import { roomScript } from "./roomScript";
import type { ShellRunnerSettings } from "./settings";

/** A file on the host: root's alone, as config.toml holds the token. */
export interface HostFile {
  path: string;
  text: string;
  /** Octal. */
  mode: string;
  /** True: one that was written before stays as it is. */
  keep?: boolean;
}

/**
 * Where a job's docker has its logins: beside its checkout, so one for each slot. In the user's home two jobs that run at
 * once would share them, and each logout would end the other's login.
 */
export const dockerConfig = "$CI_PROJECT_DIR.tmp/pi-runners-docker";

/** Before a job's own script: no login of the slot's last job is left. The folder is ours; a DOCKER_CONFIG of the job's own is not touched. */
const freshDockerConfig = [`rm -rf "${dockerConfig}"`, `(umask 077 && mkdir -p "${dockerConfig}")`].join("\n");

/** The config.toml of a runner: the preset of the way, and over it what the stack file says. */
function shellRunnerConfig(settings: ShellRunnerSettings, token: string, node: string): ConfigToml {
  const builds = buildsFolder(settings);
  const { listen_address: _flag, ...preset } = presetConfig(settings, token, "shell", {
    shell: "bash",
    builds_dir: `${builds}/builds`,
    cache_dir: `${builds}/cache`,
    environment: [`DOCKER_CONFIG=${dockerConfig}`, "BUILDKIT_NO_CLIENT_TOKEN=1", ...hostEnvironment(settings)],
    pre_get_sources_script: [...pruneScript(settings, builds), roomScript(`${builds}/builds`, node)].join("\n"),
    pre_build_script: [freshDockerConfig, ...(hasProxy(settings) ? [dockerClientScript(dockerConfig)] : [])].join("\n"),
    ...(settings.serverCa === undefined ? {} : { "tls-ca-file": `${configFolder(settings.name)}/gitlab-ca.crt` }),
  });
  return merge({ ...preset, log_format: "text" }, settings.config ?? {});
}

/**
 * The files of a runner on one host, its token in them. Its identity takes in a random id: hosts and runners of two stacks
 * may have the same names, and share a token. A host that has one from before keeps it.
 */
export function shellFiles(settings: ShellRunnerSettings, token: string, node: string, salt?: string): HostFile[] {
  const folder = configFolder(settings.name);
  const file = (name: string, text: string): HostFile => ({ path: `${folder}/${name}`, text, mode: "600" });
  return [
    ...(settings.serverCa === undefined ? [] : [file("gitlab-ca.crt", settings.serverCa)]),
    // By a file, as everybody on the host may read a unit.
    ...(hasProxy(settings)
      ? [{ path: proxyFile(settings.name), text: `${hostEnvironment(settings).join("\n")}\n`, mode: "600" }]
      : []),
    { ...file(".runner_system_id", systemId(node, `shell/${settings.name}`, salt)), keep: true },
    file("config.toml", renderConfigToml(shellRunnerConfig(settings, token, node))),
  ];
}
