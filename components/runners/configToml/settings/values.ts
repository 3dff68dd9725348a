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

/** One pull policy or several that are tried in order (common/config.go, StringOrArray); with any other word every job fails. */
export const pullPolicies = z.union([pullPolicy, z.array(pullPolicy).min(1)]);

/**
 * Memory as Docker writes it (gitlab-runner 19.4.0, common/config.go, getMemoryBytes; docker/go-units). Not as Kubernetes does: of `512Mi` the runner takes notice
 * when the next job comes, and exits.
 */
export const memory = z.string().regex(/^(\d+\.?\d*|\.\d+) ?([kKmMgGtTpP]([iI]?[bB])?|[bB])?$/, {
  error: 'must be an amount of memory as Docker writes it, such as "512m" or "1.5g" (not "512Mi")',
});

/** A number of CPUs: a decimal number or a fraction (common/config.go, computeNanoCPUs). */
export const cpus = z.string().regex(/^(\d+\.?\d*|\.\d+)(\/\d+)?$/, {
  error: 'must be a number of CPUs, such as "1" or "0.5" (not "500m")',
});

/** `soft` or `soft:hard` of a resource limit, whole numbers; -1 is unlimited. */
export const ulimit = z.string().regex(/^-?\d+(:-?\d+)?$/, {
  error: 'must be a whole number, or two as "soft:hard", such as "1024:4096"; -1 is unlimited',
});

/** The log options that the runner lets a container have (common/config.go, GetLogConfig). */
export const logOptions = z.partialRecord(z.enum(["env", "labels"]), z.string());

export type PullPolicy = z.infer<typeof pullPolicy>;
