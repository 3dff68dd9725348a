import { z } from "zod";
import { optional } from "../schema";

/** What stands for what is not said of `prune`. */
export const pruneDefaults = { enabled: true, every: 60, olderThan: 168, minFree: 15 } as const;

/** What is unused for so long goes when the disk is nearly full, hours. */
export const pruneSoon = 24;

/**
 * Shell: prints the ids of images without a name that were made more than `$1` hours ago. Not by `docker image prune`: with
 * Docker's containerd image store that takes the leases of pulls and exports that run, however new (moby v2.0.0-beta.24,
 * daemon/containerd/image_prune.go); and what was pulled by digest alone counts as nameless there.
 *
 * @param docker the command that asks Docker
 */
export const namelessImages = (docker: string): string[] => [
  "nameless_images() {",
  '  before=$(date -d "@$(($(date +%s) - $1 * 3600))" "+%Y-%m-%d %H:%M:%S")',
  `  ${docker} image ls --no-trunc --filter dangling=true --format "{{.Repository}} {{.CreatedAt}} {{.ID}}" |`,
  `    awk -v before="$before" '$1 == "<none>" && $2 " " $3 < before { print $NF }' | sort -u`,
  "}",
];

/** What every runner may set of `prune` that has it. */
export const pruneSettings = {
  enabled: optional(z.boolean(), {
    description: "`false`: nothing is removed.",
    defaultText: `\`${pruneDefaults.enabled}\``,
  }),
  every: optional(z.int().min(1).max(10080), {
    description:
      "Minutes between two looks; on a host of way `shell` a job that begins looks, where that is due. What is removed when is told in docs/ways.md.",
    defaultText: `\`${pruneDefaults.every}\``,
  }),
  olderThan: optional(z.int().min(pruneSoon).max(8760), {
    description: "Hours that something has to be unused.",
    defaultText: `\`${pruneDefaults.olderThan}\`, a week`,
  }),
  minFree: optional(z.int().min(0).max(99), {
    description: "Percent of the disk that are to be free; with less, what is unused for a day goes.",
    defaultText: `\`${pruneDefaults.minFree}\``,
  }),
};
