/**
 * What the stand-in knows: projects, runners, pipelines, jobs. Plain data; `store.ts` keeps it, `schedule.ts` moves jobs
 * from one status to the next.
 */
import type { DeployToken, JobStatus, ManagerView, RunnerInput, RunnerView, VariableInput } from "./protocol";

export interface Project {
  id: number;
  /** `group/name` */
  path: string;
  defaultBranch: string;
  public: boolean;
  variables: VariableInput[];
  /** Missing in what an older stand-in has saved. */
  deployTokens?: DeployToken[];
  lastPipelineIid: number;
}

/** What projects are in; a group of a group has its path in front. Groups come with their first project. */
export interface Group {
  id: number;
  path: string;
}

export interface Runner extends Required<Omit<RunnerInput, "maximumTimeout" | "tokenExpiresAt">> {
  id: number;
  maximumTimeout?: number;
  tokenExpiresAt?: number;
  origin: RunnerView["origin"];
  /** Only jobs of this project, or of projects under this group; both empty: the whole instance. */
  projectId?: number;
  /** Path of the group that it was created in. */
  groupPath?: string;
  managers: Map<string, Manager>;
  /** Changes whenever there may be a new job for this runner; told as X-GitLab-Last-Update. */
  queueValue: string;
}

export interface Manager extends ManagerView {
  /** What this runner process can do, in its own words. */
  features: Record<string, unknown>;
}

/** A job as `.gitlab-ci.yml` describes it, everything expanded and inherited. */
export interface JobDefinition {
  name: string;
  /** Name without what `parallel` appends. */
  baseName: string;
  stage: string;
  when: "on_success" | "on_failure" | "always" | "manual";
  allowFailure: boolean | { exit_codes: number | number[] };
  /** Jobs that must be done first; null: all of the earlier stages. */
  needs: { job: string; artifacts: boolean; optional: boolean }[] | null;
  /** Only these jobs' artifacts; null: no restriction. */
  dependencies: string[] | null;
  tags: string[];
  /** What it deploys to or, with another action, only looks at: decides which variables it gets. */
  environment?: { name: string; action: string };
  timeoutSeconds: number;
  retry: { max: number; when: string[] };
  /** In GitLab's order: a later one wins over an earlier one of the same name. */
  variables: { key: string; value: string }[];
  /** The rest, as expanded: image, services, scripts, artifacts, cache, hooks. */
  yaml: JobYaml;
}

/** The parts of an expanded job that are passed on to the runner. */
export interface JobYaml {
  image?: ImageYaml;
  services?: ImageYaml[];
  before_script?: string[];
  script?: string[];
  after_script?: string[];
  hooks?: { pre_get_sources_script?: string[] };
  artifacts?: {
    name?: string;
    paths?: string[];
    exclude?: string[];
    untracked?: boolean;
    when?: string;
    expire_in?: string;
    reports?: Record<string, string | string[] | Record<string, unknown>>;
  };
  cache?: {
    key?: string | { files?: string[]; prefix?: string };
    paths?: string[];
    untracked?: boolean;
    policy?: string;
    when?: string;
    fallback_keys?: string[];
  }[];
}

export interface ImageYaml {
  name: string;
  alias?: string;
  entrypoint?: string[];
  command?: string[];
  variables?: Record<string, string>;
  docker?: { user?: string; platform?: string };
}

export interface Artifact {
  type: string;
  format: string;
  filename: string;
  size: number;
  file: string;
}

export interface Job {
  id: number;
  pipeline: Pipeline;
  definition: JobDefinition;
  status: JobStatus;
  token: string;
  attempt: number;
  retried: boolean;
  /** A manual job that somebody has started. */
  played: boolean;
  runner?: Runner;
  manager?: Manager;
  failureReason?: string;
  exitCode?: number;
  createdAt: number;
  pendingAt?: number;
  handedOutAt?: number;
  contactedAt?: number;
  scriptSeenAt?: number;
  finishedAt?: number;
  trace: Buffer[];
  traceSize: number;
  artifacts: Artifact[];
  /** Variables of a dotenv report, for the jobs that depend on this one. */
  dotenv: { key: string; value: string }[];
}

export interface Pipeline {
  id: number;
  iid: number;
  project: Project;
  ref: string;
  refType: "branch" | "tag";
  sha: string;
  beforeSha: string;
  commit: { title: string; message: string; author: string; timestamp: string };
  source: string;
  /** The open merge request that it runs for, with source `merge_request_event`. */
  mergeRequest?: { iid: number; target: string };
  stages: string[];
  variables: VariableInput[];
  createdAt: number;
  jobs: Job[];
}

const done: ReadonlySet<JobStatus> = new Set(["success", "failed", "canceled", "skipped"]);

export function isDone(status: JobStatus): boolean {
  return done.has(status);
}

/** Jobs that count: those whose place no retry has taken. */
export function currentJobs(pipeline: Pipeline): Job[] {
  return pipeline.jobs.filter((job) => !job.retried);
}

export function mayFail(job: Job): boolean {
  const allowed = job.definition.allowFailure;
  if (typeof allowed === "boolean") {
    return allowed;
  }
  return job.exitCode !== undefined && [allowed.exit_codes].flat().includes(job.exitCode);
}
