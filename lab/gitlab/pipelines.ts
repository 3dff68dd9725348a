import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Artifact, Job, Pipeline, Project } from "./model";
import { type Expanded, cacheFilesKey, expandPipeline } from "./expand";
import type { Repositories } from "./git";
import type { ServerOptions } from "./options";
import { ProjectError } from "./projectError";
import type { MergeRequests } from "./mergeRequests";
import { isDone } from "./model";
import { jobPayload } from "./payload";
import { type Schedule, newJob, pipelineStatus } from "./schedule";
import type { JobView, PipelineInput, PipelineView } from "./protocol";
import type { Store } from "./store";
import { cloneUrl, expand, inScope, pipelineVariables } from "./variables";

const keptPipelines = 500;

/** Makes pipelines out of projects, and tells how they stand. */
export class Pipelines {
  constructor(
    private readonly options: ServerOptions,
    private readonly store: Store,
    private readonly repositories: Repositories,
    private readonly schedule: Schedule,
    private readonly mergeRequests: MergeRequests,
  ) {
    mergeRequests.makePipeline = (project, input) => this.create(project, input);
  }

  /** @throws ProjectError when the ref, or a valid `.gitlab-ci.yml` on it, is missing */
  async create(project: Project, input: PipelineInput): Promise<Pipeline> {
    const pipeline = await this.describe(project, input);
    const known = Object.fromEntries([
      ...Object.entries(pipelineVariables(this.options, pipeline)),
      // Of the project's variables rules see what is of every environment: no job has one yet.
      ...[...inScope(project.variables, undefined), ...pipeline.variables].map(
        ({ key, value }) => [key, value] as const,
      ),
    ]);
    const { sha, ref, source, mergeRequest } = pipeline;
    // gitlab-ci-local judges `rules: changes` by the default branch; GitLab by a merge request's target, or the push.
    const base =
      mergeRequest !== undefined || source === "push"
        ? await this.repositories.comparedWith(project, sha, mergeRequest?.target)
        : undefined;
    const expanded = await this.repositories.withCheckout(
      project,
      { sha, ref, base },
      cloneUrl(this.options, project),
      (directory) => expandPipeline(directory, known),
    );
    await this.repositories.keepForPipeline(project, pipeline.id, pipeline.sha);
    this.fill(pipeline, expanded, known);
    this.store.pipelines.set(pipeline.id, pipeline);
    this.store.save();
    this.forgetOld();
    this.schedule.advance(pipeline);
    return pipeline;
  }

  /** Traces are kept in memory, so not for ever. */
  private forgetOld(): void {
    for (const pipeline of this.store.pipelines.values()) {
      if (this.store.pipelines.size <= keptPipelines || !isDone(pipelineStatus(pipeline))) {
        return;
      }
      this.store.pipelines.delete(pipeline.id);
      for (const job of pipeline.jobs) {
        this.store.jobs.delete(job.id);
        rmSync(join(this.options.stateDir, "artifacts", String(job.id)), { recursive: true, force: true });
      }
    }
  }

  async payload(job: Job): Promise<object> {
    const { project, sha, ref } = job.pipeline;
    return jobPayload(this.options, job, async (key) => {
      const suffix = ref === project.defaultBranch ? "protected" : "non_protected"; // separate caches, as GitLab's default
      if (typeof key !== "object") {
        return `${key ?? "default"}-${suffix}`;
      }
      const commits = (key.files ?? []).map((file) => this.repositories.lastChange(project, sha, file));
      return `${cacheFilesKey(key.prefix, await Promise.all(commits))}-${suffix}`;
    });
  }

  private async describe(project: Project, input: PipelineInput): Promise<Pipeline> {
    const ref = input.ref ?? project.defaultBranch;
    const branch = await this.repositories.resolve(project, `refs/heads/${ref}`);
    const sha = branch ?? (await this.repositories.resolve(project, `refs/tags/${ref}`));
    if (!sha) {
      throw new ProjectError(`Project ${project.path} has no branch or tag ${ref}: commit to it first.`);
    }
    const commit = await this.repositories.describe(project, sha);
    const mergeRequest = input.source === "merge_request_event" ? this.mergeRequests.ofBranch(project, ref) : undefined;
    return {
      id: this.store.id("pipeline"),
      ...(mergeRequest === undefined ? {} : { mergeRequest }),
      iid: ++project.lastPipelineIid,
      project,
      ref,
      refType: branch ? "branch" : "tag",
      sha,
      beforeSha: "0".repeat(40), // as in GitLab, for all pipelines but those of a push
      commit,
      source: input.source ?? "api",
      stages: [],
      variables: input.variables ?? [],
      createdAt: Date.now(),
      jobs: [],
    };
  }

  private fill(pipeline: Pipeline, { stages, jobs }: Expanded, known: Record<string, string>): void {
    pipeline.stages = stages;
    const names = new Set(jobs.flatMap((job) => [job.name, job.baseName]));
    for (const job of jobs) {
      const missing = job.needs?.find((need) => !need.optional && !names.has(need.job));
      if (missing) {
        throw new ProjectError(`Job ${job.name} needs ${missing.job}, which is not in the pipeline.`);
      }
    }
    const plain = { public: true, masked: false, file: false, raw: false };
    for (const job of jobs) {
      const all = [...Object.entries(known), ...job.variables.map(({ key, value }) => [key, value] as const)];
      const lookup = new Map(all.map(([key, value]) => [key, { key, value, ...plain }]));
      const { environment } = job;
      newJob(this.store, pipeline, {
        ...job,
        tags: job.tags.map((tag) => expand(tag, lookup)),
        ...(environment && { environment: { ...environment, name: expand(environment.name, lookup) } }),
      });
    }
  }
}

export function viewPipeline(pipeline: Pipeline): PipelineView {
  const { id, iid, ref, sha, createdAt } = pipeline;
  const status = pipelineStatus(pipeline);
  const finishedAt = isDone(status) ? Math.max(...pipeline.jobs.map((job) => job.finishedAt ?? 0)) : undefined;
  const jobs = pipeline.jobs.map(viewJob);
  return { id, iid, project: pipeline.project.path, ref, sha, status, createdAt, finishedAt, jobs };
}

export function viewJob(job: Job): JobView {
  const { definition, runner, manager } = job;
  return {
    id: job.id,
    pipelineId: job.pipeline.id,
    name: definition.name,
    stage: definition.stage,
    status: job.status,
    allowFailure: definition.allowFailure !== false,
    tags: definition.tags,
    retried: job.retried,
    failureReason: job.failureReason,
    exitCode: job.exitCode,
    runner: runner && {
      id: runner.id,
      description: runner.description,
      systemId: manager?.systemId ?? "",
      version: manager?.version,
    },
    createdAt: job.createdAt,
    pendingAt: job.pendingAt,
    handedOutAt: job.handedOutAt,
    scriptSeenAt: job.scriptSeenAt,
    finishedAt: job.finishedAt,
    traceSize: job.traceSize,
    artifacts: job.artifacts.map(({ type, filename, size }: Artifact) => ({ type, filename, size })),
  };
}
