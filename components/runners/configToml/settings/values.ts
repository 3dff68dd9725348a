import { z } from "zod";

/** A span of time as Go writes it: `90s`, `1h30m`, `15m` (Go's time.ParseDuration). */
export const duration = z.string().regex(/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/, {
  error: 'must be a duration as Go writes it, such as "90s", "15m" or "1h30m"',
});

/** A text that is never to stand in a stack file in plain text. */
export const secret = z.string().meta({ secret: true });

/** An instant: a TOML date-time. */
export const timestamp = z.date();

/** When the runner pulls an image. */
export const pullPolicy = z.enum(["always", "if-not-present", "never"]);

/**
 * One string or several (gitlab-runner 19.4.0, common/config.go: `StringOrArray`). */
export const stringOrArray = z.union([z.string(), z.array(z.string()).min(1)]);

export type PullPolicy = z.infer<typeof pullPolicy>;
