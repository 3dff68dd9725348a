import { z } from "zod";
import { optional } from "../schema";

/** What stands for what is not said of `prune`. */
export const pruneDefaults = { enabled: true, every: 60, olderThan: 168, minFree: 15 } as const;

/** What is unused for so long goes when the disk is nearly full, hours. */
export const pruneSoon = 24;

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
