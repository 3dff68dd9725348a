import { readFileSync } from "node:fs";
import { z } from "zod";

/** A runner that exists from the start, with a token that never changes, so that a stack file can name it. */
export const seedRunner = z.strictObject({
  token: z.string().min(8),
  description: z.string().default("runner"),
  tags: z.array(z.string()).default([]),
  runUntagged: z.boolean().optional(),
});

/** What the seed file (JSON) may hold. */
export const seedFile = z.strictObject({
  runners: z.array(seedRunner).default([]),
  /** Instance registration token of old. Without one, legacy registration is refused, as GitLab does by default since 17.0. */
  registrationToken: z.string().optional(),
  /** The administrator's access token, for the API's PRIVATE-TOKEN and for `git push`. Without one, both are refused. */
  adminToken: z.string().optional(),
});

export type Seed = z.output<typeof seedFile>;

export interface ServerOptions {
  /** Folder for repositories, artifacts and what must outlive a restart. */
  stateDir: string;
  /** The URL that runners, jobs and git use. Default `http://gitlab.lab:8929`. */
  externalUrl: string;
  /** `host:port` of the registry that jobs are told of. Default `registry.lab:5000`. */
  registry: string;
  seed: Seed;
  /** Calls of `/lab/` must carry it in the header `Lab-Token`. Default: none is asked for. */
  controlToken?: string;
  /** Seconds for which a request for a job is held when there is none. Default 0; GitLab's packages have 50. */
  longPollSeconds: number;
  /** Seconds between two pieces of trace that runners of today are asked for. Default 3. */
  traceIntervalSeconds: number;
  /** A running job that nobody has spoken of for so many seconds fails as stuck. Default 3600, as in GitLab. */
  staleJobSeconds: number;
  /** Largest artifact in bytes. Default 100 MiB, as in GitLab. */
  maxArtifactBytes: number;
  /** Where the line per request goes. */
  log: (line: string) => void;
}

export const defaults = {
  externalUrl: "http://gitlab.lab:8929",
  registry: "registry.lab:5000",
  longPollSeconds: 0,
  traceIntervalSeconds: 3,
  staleJobSeconds: 3600,
  maxArtifactBytes: 100 * 1024 * 1024,
} as const;

/** @throws when the file is missing, is not JSON, or holds what `seedFile` does not know. */
export function readSeed(path: string | undefined): Seed {
  if (path === undefined) return seedFile.parse({});
  const parsed = seedFile.safeParse(JSON.parse(readFileSync(path, "utf8")));
  if (parsed.success) return parsed.data;
  throw new Error(
    `Seed file is not valid: ${path}\n${z.prettifyError(parsed.error)}\nSee lab/gitlab/README.md for its form.`,
  );
}
