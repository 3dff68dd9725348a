import { merge, mountPoint, volumeDestination } from "../configToml/merge";
import type { ConfigToml } from "../configToml/settings/config";
import type { DockerSettings } from "../configToml/settings/docker";
import type { RunnerSettings } from "../configToml/settings/runner";
import type { PullPolicy } from "../configToml/settings/values";
import { presetConfig } from "../manager/config";
import { containerEnvironment, dockerClientScript, hasProxy } from "../proxy";
import { defaultDockerSocket } from "../settings";
import { budgets } from "../sizes";
import { dockerMajor, innerDaemonFiles } from "./innerDaemon";
import { buildModes } from "./modes/buildModes";
import { ownDocker, type DockerRunnerSettings } from "./settings";
import { jobImage, usedHelperImage } from "./usedImages";
import { hasResidentEngine } from "./ways";

/** The files of the inner daemon, by path below /etc/docker; none where the mode has no inner daemon. */
export function daemonFiles(settings: DockerRunnerSettings): Record<string, string> {
  const image = buildModes[settings.way].daemonImage(settings);
  const { registries = [], mirrors, mtu } = settings;
  const reloads = hasResidentEngine(settings.way);
  return image === undefined
    ? {}
    : innerDaemonFiles({ registries, mirrors, mtu, dockerMajor: dockerMajor(image), reloads });
}

/** The config.toml of a runner: the build mode's preset, and over it what the stack file says. */
export function dockerRunnerConfig(settings: DockerRunnerSettings, token: string): ConfigToml {
  const preset = presetConfig(settings, token, "docker", {
    // `network_mtu` is for a network that the runner makes for the job; without one it is ignored.
    ...(settings.mtu === undefined ? {} : { feature_flags: { FF_NETWORK_PER_BUILD: true } }),
    ...modeSection(settings),
    docker: dockerSection(settings),
  });
  return merge(preset, settings.config ?? {});
}

/**
 * BuildKit lets the client fetch a registry's token, and what the daemon trusts does not reach the client in the job: a
 * registry with token login, as GitLab's is, then fails with a private CA or without TLS. With this the daemon fetches
 * it (moby/buildkit, session/auth/authprovider). Clients that know nothing of it ignore it.
 */
const tokenByDaemon = "BUILDKIT_NO_CLIENT_TOKEN=1";

/** What the build mode sets beside `[runners.docker]`. */
function modeSection(settings: DockerRunnerSettings): Partial<RunnerSettings> {
  const { environment = [], pre_build_script, ...section } = buildModes[settings.way].runner(settings);
  const script = [pre_build_script ?? [], hasProxy(settings) ? dockerClientScript() : []].flat().join("\n");
  return {
    ...section,
    ...(script === "" ? {} : { pre_build_script: script }),
    environment: [...environment, tokenByDaemon, ...containerEnvironment(settings)],
  };
}

function dockerSection(settings: DockerRunnerSettings): DockerSettings {
  const { volumes, ...ofMode } = buildModes[settings.way].docker(settings, budgets[settings.size]);
  const hosts = Object.entries(settings.hostAliases ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    host: `unix://${defaultDockerSocket}`,
    image: jobImage(settings),
    helper_image: usedHelperImage(settings),
    extra_hosts: hosts.length === 0 ? undefined : hosts.map(([name, address]) => `${name}:${address}`),
    pull_policy: usedPullPolicy(settings),
    // The runner holds its own policy against this list as well, so they are never two.
    allowed_pull_policies: usedPullPolicy(settings),
    allowed_images: settings.allowedImages,
    allowed_services: settings.allowedServices,
    network_mtu: settings.mtu,
    ...ofMode,
    volumes: volumes.filter((volume) => !isTmpfs(settings, volume)),
  };
}

/** The pull policies in the end: `config` may say them in config.toml's own words. */
export function usedPullPolicy(settings: DockerRunnerSettings): PullPolicy[] {
  return [ownDocker(settings).pull_policy ?? settings.pullPolicy].flat();
}

/** A place that the user makes a tmpfs is no volume: Docker refuses to have both. */
function isTmpfs(settings: DockerRunnerSettings, volume: string): boolean {
  return Object.keys(ownDocker(settings).tmpfs ?? {})
    .map(mountPoint)
    .includes(volumeDestination(volume));
}
