import { z } from "zod";
import { configToml } from "./settings/config";
import { runner } from "./settings/runner";

const restOfRunner = runner.omit({
  name: true,
  url: true,
  token: true,
  id: true,
  token_obtained_at: true,
  token_expires_at: true,
  executor: true,
});

/**
 * The rest of config.toml: everything that it accepts and that has no setting of its own, in config.toml's own words
 * and shape, for example `{ log_level: "debug", runners: [{ docker: { cap_drop: ["ALL"] } }] }`. What identifies the
 * runner, its executor, `concurrent` and the metrics address are left out, as they have one place elsewhere.
 */
export const configRest = configToml
  .omit({ concurrent: true, check_interval: true, listen_address: true, runners: true })
  .extend({ runners: z.array(restOfRunner).max(1).optional() });

export type ConfigRest = z.infer<typeof configRest>;
