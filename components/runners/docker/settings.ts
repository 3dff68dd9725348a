import { z } from "zod";
import { about, optional, text, withoutDefaults } from "../../schema";
import type { DockerSettings } from "../configToml/settings/docker";
import { images } from "../images";
import { pruneDefaults, pruneSettings } from "../prune";
import {
  configSetting,
  containerSettings,
  defaultDockerSocket,
  everySetting,
  folderPath,
  mirrorsSetting,
  ownRunner,
  placeSettings,
  podSettings,
  quantities,
  registriesSetting,
} from "../settings";
import { nodeFolders } from "../nodeFolder";
import { dockerWays } from "./ways";

/** What stands for what is not said of the guard. */
export const guardDefaults = { ...pruneDefaults, image: images.job } as const;

/** What every runner on the Docker of the nodes may set, each setting declared here and nowhere else. */
export const commonSettings = {
  concurrent: about(
    z.int().min(1).max(100).default(1),
    "Jobs at the same time, per node: two share the Pi's few resources. A change reaches running runners without a restart.",
  ),
  ...everySetting,
  ...podSettings,
  ...containerSettings,
  jobImage: about(text.optional(), {
    description: "Image of jobs that name none.",
    defaultText: `\`${images.job}\`, with \`dind-job\` that of \`dindImage\``,
  }),
  mtu: about(z.int().min(576).max(9216).optional(), {
    description: "Bytes; of the networks of jobs and inner daemons, where the network carries less than 1500.",
    defaultText:
      "that of the node's Docker for jobs; each daemon of a job, and each engine, finds that of its container",
  }),
  prune: about(
    z
      .strictObject({
        ...pruneSettings,
        image: optional(text, {
          description:
            "Image with the docker command, for the guard itself; not for `shell`, which has no container for it.",
          defaultText: `\`${guardDefaults.image}\``,
        }),
      })
      .optional(),
    {
      description:
        "What of images, build cache, stopped containers and cache volumes is removed by itself, as SD cards are small.",
      defaultText: "what follows",
    },
  ),
  dockerSocket: about(
    z
      .string()
      .regex(/^(\/(?!\.\.(\/|$))[\w.@+-]+){2,}$/, {
        error: 'must be a path such as "/run/docker.sock": letters, digits and ._@+- in a folder',
      })
      .default(defaultDockerSocket),
    "Path of the Docker socket on the nodes; snap's Docker has the usual one.",
  ),
};

/** What only the build modes with an inner daemon take. */
const innerDaemonSettings = {
  dindImage: about(text.optional(), {
    description: "Image of the inner daemon; not for `dood`.",
    defaultText: `\`${images.dind}\``,
  }),
  runtime: about(z.enum(["sysbox-runc"]).optional(), {
    description:
      "`sysbox-runc`: jobs and their daemons run by sysbox, which has to be installed on the nodes, and are not privileged. A node without it refuses the runner. For `dind`, `dind-job` and `dind-plain`.",
    defaultText: "Docker's own, and privileged",
  }),
  layerCache: about(
    z.boolean().default(true),
    "`false`: the daemon of a job begins empty. `true`: it has the layers and the build cache that the last job of the same project left in the same place (each node keeps them for each project and each of the jobs at the same time). For `dind`, `dind-job` and `dind-plain`; the others keep layers anyway.",
  ),
};

/** What only the build mode with an engine of its own takes. */
const residentSettings = {
  engineFolder: about(
    folderPath.default(nodeFolders),
    "Folder on the nodes below which the engine of `dind-resident` keeps images and build cache, such as one on an SSD. A change begins with an empty one.",
  ),
  engineResources: about(z.strictObject({ requests: quantities, limits: quantities }).optional(), {
    description:
      "Requests and limits of the engine of `dind-resident`, its jobs and builds included, as Kubernetes writes quantities.",
    defaultText: "by `size`: what a job and its service have together elsewhere",
  }),
};

/** What one runner says for itself only. */
export const ownSettings = {
  config: configSetting(
    "Everything else that config.toml accepts, in its own words. Values replace those of the build mode; entries of `environment`, `volumes`, `extra_hosts` and `services` are added to its own, and take the place of those with the same name, destination, host or alias; `pre_build_script` runs after its own.",
  ),
};

/** Consent to a daemon that asks for no certificate. */
export const allowTlsOff = about(z.boolean().optional(), {
  description: "`true`: yes, without TLS; needed for `dind-plain`, and for nothing else.",
  defaultText: "`false`",
});

/** The account that the manager's pods run as. */
const accountSettings = {
  serviceAccountName: about(text.optional(), {
    description: "Account that the pods run as; no token is mounted.",
    defaultText: "the namespace's `default`",
  }),
};

/** Registries that an inner daemon is to trust. */
const innerRegistries = {
  registries: about(registriesSetting, {
    description: "Registries that the inner daemon is to trust.",
    defaultText: "none",
  }),
  mirrors: about(mirrorsSetting, {
    description: "Mirrors of Docker Hub that the inner daemon asks first, such as `RegistryMirror.url`.",
    defaultText: "none",
  }),
};

/** What every component of a runner takes for settings. */
export const componentSettings = z.strictObject({
  ...placeSettings,
  ...accountSettings,
  ...commonSettings,
  ...ownSettings,
});

/** What those with an inner daemon take beside. */
export const innerDaemonComponentSettings = z.strictObject({
  ...innerDaemonSettings,
  ...residentSettings,
  ...innerRegistries,
  allowTlsOff,
});

/** Everything that decides how a runner with the Docker executor looks, except its token. */
export const dockerRunnerSettings = z.strictObject({
  name: text,
  way: z.enum(dockerWays),
  allowTlsOff,
  ...placeSettings,
  ...accountSettings,
  ...commonSettings,
  ...innerDaemonSettings,
  ...residentSettings,
  ...innerRegistries,
  ...ownSettings,
});

/** The settings of a runner as they were checked, defaults filled in. */
export type DockerRunnerSettings = z.output<typeof dockerRunnerSettings>;

/** The settings of a runner as they may be given. */
export type DockerRunnerInput = z.input<typeof dockerRunnerSettings>;

/** What the stack file may say of a runner, and of all of them, without the defaults. */
export const settableSettings = withoutDefaults({
  ...commonSettings,
  ...innerDaemonSettings,
  ...residentSettings,
});

/** The `[runners.docker]` section of `config`. */
export function ownDocker(settings: Pick<DockerRunnerSettings, "config">): DockerSettings {
  return ownRunner(settings).docker ?? {};
}
