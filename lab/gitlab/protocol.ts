/**
 * The words of the control API: what the stand-in answers and what `client.ts` reads. Both import them from here, so
 * that they cannot drift apart. Times are milliseconds since the epoch, by the clock of the stand-in.
 */

/** How a job or a pipeline stands; GitLab's own words. */
export type JobStatus =
  "created" | "manual" | "pending" | "running" | "canceling" | "success" | "failed" | "canceled" | "skipped";

/** A CI/CD variable of a project, or of one pipeline. */
export interface VariableInput {
  key: string;
  value: string;
  /** The runner writes the value to a file and gives the job its path. Default false. */
  file?: boolean;
  /** The runner hides the value in traces. Default false. */
  masked?: boolean;
  /** The value is taken as it is: nothing in it is expanded. Default false. */
  raw?: boolean;
  /** Only pipelines of protected branches get it. Default false. */
  protected?: boolean;
  /** Only jobs with such an environment get it; `*` in it stands for any text. Default `*`: all jobs. */
  environmentScope?: string;
}

/** A user and password for a project's images, good until the project gets other ones. */
export interface DeployToken {
  username: string;
  token: string;
  scopes: ("read_registry" | "write_registry")[];
}

/** One file of a commit: its text, or its bytes with a mode. */
export type FileInput = string | { content: string; encoding?: "utf8" | "base64"; executable?: boolean };

export interface ProjectInput {
  /** The whole tree of the commit: path to content. */
  files: Record<string, FileInput>;
  /** Branch that the commit goes to. Default `main`; the first branch of a project is its default branch. */
  branch?: string;
  message?: string;
  /** The project's CI/CD variables; they replace those that it had. */
  variables?: VariableInput[];
  /** Deploy tokens; they replace those that it had. */
  deployTokens?: DeployToken[];
  /** Whether anybody may clone it and pull its images without a token. Default false. */
  public?: boolean;
}

export interface ProjectView {
  id: number;
  path: string;
  /** Number of the group that it is in. */
  groupId: number;
  defaultBranch: string;
  cloneUrl: string;
  /** The commit that the call made, or found when the tree was the same. */
  sha: string;
}

export interface PipelineInput {
  /** Branch or tag. Default: the project's default branch. */
  ref?: string;
  variables?: VariableInput[];
  /** CI_PIPELINE_SOURCE. Default `api`. */
  source?: string;
}

export interface JobView {
  id: number;
  pipelineId: number;
  name: string;
  stage: string;
  status: JobStatus;
  allowFailure: boolean;
  tags: string[];
  /** Another job has taken this one's place, as its retry. */
  retried: boolean;
  failureReason?: string;
  exitCode?: number;
  runner?: { id: number; description: string; systemId: string; version?: string };
  createdAt: number;
  /** When the job could first be handed out. */
  pendingAt?: number;
  /** When a runner got it: the answer 201 to its request. */
  handedOutAt?: number;
  /** When the first trace of the job's own script came in. A runner sends its trace every 3 s: see README.md. */
  scriptSeenAt?: number;
  finishedAt?: number;
  traceSize: number;
  artifacts: { type: string; filename: string; size: number }[];
}

export interface PipelineView {
  id: number;
  iid: number;
  project: string;
  ref: string;
  sha: string;
  status: JobStatus;
  createdAt: number;
  finishedAt?: number;
  jobs: JobView[];
}

export interface RunnerInput {
  description?: string;
  tags?: string[];
  /** Default: true when there are no tags, else false. */
  runUntagged?: boolean;
  /** Authentication token. Default: a new one with the prefix `glrt-`. */
  token?: string;
  paused?: boolean;
  /** Longest job, in seconds. */
  maximumTimeout?: number;
  /** Only for the project that it was created in; kept and shown, and nothing more. */
  locked?: boolean;
  /** Kept and shown; this stand-in has no protected branches. */
  accessLevel?: "not_protected" | "ref_protected";
  maintenanceNote?: string;
  /** When its token expires, milliseconds; from then on GitLab knows it no more. */
  tokenExpiresAt?: number;
}

/** A token of GitLab's API, for whoever has a role in every project and group, or is the administrator. */
export interface AccessTokenInput {
  scopes: ("api" | "read_api" | "create_runner" | "manage_runner")[];
  role: "developer" | "maintainer" | "owner" | "admin";
  expiresAt?: number;
  revoked?: boolean;
}

/** What an administrator sets for the whole instance. */
export interface Settings {
  /** Seconds that the tokens of new runners are good for. Default: for ever. */
  runnerTokenLifetime?: number;
  /** Legacy registration: off, GitLab answers 410. Default: as `--registration-token` says. */
  registration?: "on" | "off";
  /** The legacy registration token of the instance. Default: `--registration-token`. */
  registrationToken?: string;
  /** Commit of jobs in two phases, which GitLab has behind a feature flag. Default: `on`, for runners that announce it. */
  twoPhaseCommit?: "on" | "off";
}

export interface ManagerView {
  /** What the runner sends; `<legacy>` for runners before 16, which send none. */
  systemId: string;
  version?: string;
  executor?: string;
  architecture?: string;
  ip: string;
  firstSeenAt: number;
  contactedAt: number;
}

export interface RunnerView {
  id: number;
  description: string;
  tags: string[];
  runUntagged: boolean;
  paused: boolean;
  /** How it came to be: a file at start, the control API, legacy registration, or the API of today's GitLab. */
  origin: "seed" | "lab" | "registration" | "api";
  locked: boolean;
  accessLevel: "not_protected" | "ref_protected";
  maintenanceNote: string;
  maximumTimeout?: number;
  /** First characters of its token, as GitLab shows them. */
  tokenPrefix: string;
  managers: ManagerView[];
}

/** The answer to the creation of a runner is the one place where a token is told. */
export interface RunnerCreated extends RunnerView {
  token: string;
}

/**
 * What the stand-in shall do wrong, for every call but those of the control API.
 *
 * - `up`: nothing.
 * - `down`: every connection is cut without an answer.
 * - `unavailable`: 503.
 * - `slow`: every answer waits `ms` milliseconds.
 * - `refuse`: 403, as after a runner was deleted.
 * - `lose`: the call does its work, then the connection is cut before the answer.
 * - `answer`: what `status`, `headers` and `body` say, as a proxy or a login page in GitLab's place answers.
 */
export interface Fault {
  mode: "up" | "down" | "unavailable" | "slow" | "refuse" | "lose" | "answer";
  /** For `answer`. Default 500, none, empty. */
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  /** For `slow`. */
  ms?: number;
  /** Only calls whose method and path match this regular expression, e.g. `^PATCH .*trace`. Default: all. */
  only?: string;
  /** Over after so many calls. Default: until told otherwise. */
  times?: number;
}

/** Calls since start or since the last reset: `POST /api/v4/jobs/request` to status to count. */
export interface RequestCounts {
  since: number;
  total: number;
  routes: Record<string, Record<string, number>>;
}
