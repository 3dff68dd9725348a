import { readFileSync } from "node:fs";
import { z } from "zod";
import type { RegistryKey } from "./registryAuth";

/** Runners that exist from the start, with tokens that never change, so that a stack file can name them. */
const seedRunners = z.array(
  z.strictObject({
    name: z.string().min(1),
    /** Authentication token. */
    token: z.string().min(8),
    tags: z.array(z.string()).default([]),
    /** Default: true when there are no tags, else false. */
    runUntagged: z.boolean().optional(),
  }),
);

export interface ServerOptions {
  /** Folder for repositories, artifacts and what must outlive a restart. */
  stateDir: string;
  /** The URL that runners, jobs and git use. Default `http://gitlab.lab:8929`. */
  externalUrl: string;
  /** `host:port` of the registry that jobs are told of. Default `gitlab.lab:5050`. */
  registry: string;
  /** With it, tokens for the registry are signed. Default: none, and asking for one gets 404, as where GitLab has no registry. */
  registryKey?: RegistryKey;
  runners: z.output<typeof seedRunners>;
  /** Instance registration token of old. Default: none; then legacy registration is refused, as in GitLab since 17.0. */
  registrationToken?: string;
  /** The administrator's access token, for the API's PRIVATE-TOKEN and for `git push`. Default: none, both are refused. */
  adminToken?: string;
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
  registry: "gitlab.lab:5050",
  issuer: "omnibus-gitlab-issuer",
  longPollSeconds: 0,
  traceIntervalSeconds: 3,
  staleJobSeconds: 3600,
  maxArtifactBytes: 100 * 1024 * 1024,
} as const;

/**
 * The runners of a file (JSON).
 * @throws when the file is missing, is not JSON, or holds what `seedRunners` does not know.
 */
export function readRunners(path: string | undefined): ServerOptions["runners"] {
  if (path === undefined) {
    return [];
  }
  const text = readFileSync(path, "utf8");
  const wrong = (errors: string) =>
    new Error(`File of runners is not valid: ${path}\n${errors}\nlab/gitlab/README.md shows its form.`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw wrong(String(error));
  }
  const parsed = seedRunners.safeParse(json);
  if (parsed.success) {
    return parsed.data;
  }
  throw wrong(z.prettifyError(parsed.error));
}
