import { z } from "zod";
import { rolloutSettings } from "../../../hosts/rollout";
import { about, optional, text, withoutDefaults } from "../../schema";
import { waysByExecutor } from "../executors";
import { pruneSettings } from "../prune";
import { configSetting, everySetting, placeSettings } from "../settings";

/** Where gitlab-runner comes from: a package that the host's apt knows, or a file. */
const installSettings = {
  packageVersion: about(text.optional(), {
    description: "Version of the package `gitlab-runner`, as `apt-cache policy gitlab-runner` writes it on the hosts.",
    defaultText: "the newest when it is installed; later ones are the host's business",
  }),
  binary: about(text.optional(), {
    description:
      "gitlab-runner as a file, for the hosts' architecture, instead of a package: an address `https://…` from which each host fetches it, or a path on this machine, from which it is sent to each host that does not have it.",
    defaultText: "none: the package `gitlab-runner`, from the sources that the host's apt has",
  }),
  sha256: about(text.optional(), {
    description:
      "SHA-256 checksum of `binary`, 64 hexadecimal digits; must be given with an address. Another one is an update.",
    defaultText: "that of the file on this machine",
  }),
};

/** What a runner with the shell executor may set. */
export const commonSettings = {
  concurrent: about(
    z.int().min(1).max(100).default(1),
    "Jobs at the same time, per host: two share the Pi's few resources. A change reaches running runners without a restart.",
  ),
  ...everySetting,
  ...installSettings,
  user: about(
    text.default("gitlab-runner"),
    "User whose shell runs the jobs. It is made where it is missing, and then removed with the runner, its home included.",
  ),
  docker: about(
    z.boolean().default(false),
    "`true`: the user may use the host's Docker (group `docker`), as image builds need. Then jobs are root on the host: whoever may start one owns it.",
  ),
  prune: about(z.strictObject(pruneSettings).optional(), {
    description:
      "What of the runner's local cache, and with `docker: true` of images without a name and build cache, is removed by itself, as SD cards are small.",
    defaultText: "what follows",
  }),
};

/** What one runner says for itself only. */
export const ownSettings = {
  config: configSetting(
    "Everything else that config.toml accepts, in its own words. Values replace those of the way; entries of `environment` are added to its own, and take the place of those with the same name; `pre_get_sources_script` and `pre_build_script` run after its own.",
  ),
};

/** How changes reach the hosts. */
export const rolloutOfRunner = {
  rollout: optional(z.strictObject(rolloutSettings), {
    description: "In which order the hosts get a change, and when to stop.",
    defaultText: "one host first, then ten at a time",
  }),
  probe: optional(z.boolean(), {
    description: "Look at every host while previewing, and show what differs.",
    defaultText: "`false`",
  }),
  reapply: optional(text, {
    description: "Any text; another one applies everything again on every host, which puts drift right.",
  }),
};

/** What the component takes for settings. */
export const componentSettings = z.strictObject({
  url: placeSettings.url,
  serverCa: about(z.string().optional(), {
    description: "CA that signed the certificate of the GitLab instance, PEM.",
    defaultText: "the host's own CAs",
  }),
  ...commonSettings,
  ...ownSettings,
});

/** Everything that decides how a runner with the shell executor looks, except its token. */
export const shellRunnerSettings = z.strictObject({
  name: text,
  way: z.enum(waysByExecutor.shell),
  ...componentSettings.shape,
});

/** The settings as they were checked, defaults filled in. */
export type ShellRunnerSettings = z.output<typeof shellRunnerSettings>;

/** The settings as they may be given. */
export type ShellRunnerInput = z.input<typeof shellRunnerSettings>;

/** What the stack file may say of a runner, and of all of them, without the defaults. */
export const settableSettings = withoutDefaults(commonSettings);
