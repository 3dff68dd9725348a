/**
 * Which job may run, when, and on which runner: stages, needs, `when`, manual jobs, retries, cancelling. Pure state
 * changes on the model; nothing here knows HTTP.
 */
import { EventEmitter } from "node:events";
import { type Job, type Pipeline, type Runner, currentJobs, isDone, mayFail } from "./model";
import type { JobStatus } from "./protocol";
import { type Store, newToken } from "./store";

/** Says `queue` when there may be work for a runner: long polls wait for it. */
export class Schedule extends EventEmitter<{ queue: [] }> {
  constructor(private readonly store: Store) {
    super();
    this.setMaxListeners(0);
  }

  /** Moves every job of the pipeline as far as it can go. */
  advance(pipeline: Pipeline): void {
    let queued = false;
    for (let moved = true; moved;) {
      moved = false;
      for (const job of currentJobs(pipeline)) {
        if (job.status !== "created") {
          continue;
        }
        const next = readiness(job);
        if (next === "created") {
          continue;
        }
        moved = true;
        this.setReady(job, next);
        queued ||= next === "pending";
      }
    }
    if (queued) {
      this.announce(pipeline);
    }
  }

  /** The next job for this runner, handed out; undefined when there is none. */
  handOut(runner: Runner, systemId: string): Job | undefined {
    for (const job of this.store.jobs.values()) {
      if (job.status !== "pending" || isHandedOut(job) || !takes(runner, job)) {
        continue;
      }
      const now = Date.now();
      const manager = runner.managers.get(systemId);
      // Commit in two phases, by runners that announce it: the job is theirs, but pending until they say that it runs.
      const announced = manager?.features["two_phase_job_commit"] === true;
      const status = announced && this.store.settings.twoPhaseCommit !== "off" ? "pending" : "running";
      Object.assign(job, { status, runner, manager, handedOutAt: now, contactedAt: now });
      return job;
    }
    return undefined;
  }

  /** The runner has said that it runs the job which it was given. */
  acknowledge(job: Job): void {
    if (job.status === "pending") {
      job.status = "running";
    }
  }

  finish(job: Job, status: JobStatus, failureReason?: string): void {
    if (isDone(job.status)) {
      return;
    }
    job.status = status;
    job.finishedAt = Date.now();
    if (status === "failed") {
      job.failureReason = failureReason ?? "unknown_failure";
      if (this.retries(job)) {
        this.retry(job);
      }
    }
    this.advance(job.pipeline);
  }

  /** Runners that can stop gracefully are told `canceling` and finish themselves; others are told `canceled` at once. */
  cancel(job: Job): void {
    if (isDone(job.status) || job.status === "canceling") {
      return;
    }
    if (job.status === "running" && job.manager?.features["cancel_gracefully"] === true) {
      job.status = "canceling";
    } else {
      this.finish(job, "canceled");
    }
  }

  play(job: Job): boolean {
    if (job.status !== "manual") {
      return false;
    }
    job.played = true;
    this.setReady(job, "pending");
    this.announce(job.pipeline);
    return true;
  }

  /**
   * Fails jobs whose runner has gone silent, as GitLab's own sweep does. One that its runner has never said to run goes
   * back to the queue: it may have been lost on its way.
   */
  dropStale(seconds: number): void {
    for (const job of this.store.jobs.values()) {
      if (isHandedOut(job) && Date.now() - (job.contactedAt ?? 0) > Math.min(seconds, acknowledgeWithin) * 1000) {
        // The first runner's answer may still come: with the old token it gets 403, and it gives the job up.
        Object.assign(job, {
          token: newToken("glcbt-"),
          runner: undefined,
          manager: undefined,
          handedOutAt: undefined,
        });
        this.announce(job.pipeline);
      }
      if (job.status !== "running" && job.status !== "canceling") {
        continue;
      }
      if (Date.now() - (job.contactedAt ?? 0) < seconds * 1000) {
        continue;
      }
      this.finish(job, job.status === "canceling" ? "canceled" : "failed", "stuck_or_timeout_failure");
    }
  }

  /** Tells this runner that its queue may have changed. */
  touch(runner: Runner): void {
    runner.queueValue = newToken("");
    this.emit("queue");
  }

  private announce(pipeline: Pipeline): void {
    const waiting = pipeline.jobs.filter((job) => job.status === "pending");
    for (const runner of this.store.runners.values()) {
      if (waiting.some((job) => takes(runner, job))) {
        runner.queueValue = newToken("");
      }
    }
    this.emit("queue");
  }

  private setReady(job: Job, status: JobStatus): void {
    job.status = status;
    if (status === "pending") {
      job.pendingAt = Date.now();
    }
    if (status === "skipped") {
      job.finishedAt = Date.now();
    }
  }

  private retries(job: Job): boolean {
    const { max, when } = job.definition.retry;
    return job.attempt < max && (when.includes("always") || when.includes(job.failureReason ?? ""));
  }

  private retry(job: Job): void {
    job.retried = true;
    const again = newJob(this.store, job.pipeline, job.definition, job.attempt + 1);
    again.played = job.played;
  }
}

/** Seconds that GitLab waits for a runner to say that it runs a job (Ci::Build, RUNNER_ACK_QUEUE_EXPIRY_TIME). */
const acknowledgeWithin = 120;

/** Given to a runner that has not yet said that it runs it. */
const isHandedOut = (job: Job): boolean => job.status === "pending" && job.runner !== undefined;

export function newJob(store: Store, pipeline: Pipeline, definition: Job["definition"], attempt = 0): Job {
  const job: Job = {
    id: store.id("job"),
    pipeline,
    definition,
    status: "created",
    token: newToken("glcbt-"),
    attempt,
    retried: false,
    played: false,
    createdAt: Date.now(),
    trace: [],
    traceSize: 0,
    artifacts: [],
    dotenv: [],
  };
  pipeline.jobs.push(job);
  store.jobs.set(job.id, job);
  return job;
}

/** Whether a runner may run a job: tags, scope, pause. https://docs.gitlab.com/ci/runners/configure_runners/#control-jobs-that-a-runner-can-run */
function takes(runner: Runner, job: Job): boolean {
  const { tags } = job.definition;
  if (runner.paused) {
    return false;
  }
  if (runner.projectId !== undefined && runner.projectId !== job.pipeline.project.id) {
    return false;
  }
  if (runner.groupPath !== undefined && !job.pipeline.project.path.startsWith(`${runner.groupPath}/`)) {
    return false;
  }
  return tags.length === 0 ? runner.runUntagged : tags.every((tag) => runner.tags.includes(tag));
}

/** The jobs that must be done before this one. */
export function predecessors(job: Job): Job[] {
  const { pipeline, definition } = job;
  const all = currentJobs(pipeline);
  if (definition.needs) {
    const names = definition.needs.map((need) => need.job);
    return all.filter((other) => names.includes(other.definition.baseName) || names.includes(other.definition.name));
  }
  const stage = pipeline.stages.indexOf(definition.stage);
  return all.filter((other) => pipeline.stages.indexOf(other.definition.stage) < stage);
}

/** What a created job becomes now: `created` while it has to wait. */
function readiness(job: Job): JobStatus {
  const before = predecessors(job);
  // A manual job that may fail holds nobody up; one that may not blocks what comes after it.
  if (before.some((other) => !isDone(other.status) && !(other.status === "manual" && mayFail(other)))) {
    return "created";
  }
  const failed = before.some((other) => (other.status === "failed" || other.status === "canceled") && !mayFail(other));
  const skipped = before.some((other) => other.status === "skipped" && other.definition.when !== "on_failure");
  switch (job.definition.when) {
    case "always":
      return "pending";
    case "on_failure":
      return failed ? "pending" : "skipped";
    case "manual":
      if (failed || skipped) {
        return "skipped";
      }
      return job.played ? "pending" : "manual";
    default:
      return failed || skipped ? "skipped" : "pending";
  }
}

export function pipelineStatus(pipeline: Pipeline): JobStatus {
  const jobs = currentJobs(pipeline);
  const any = (...statuses: JobStatus[]) => jobs.some((job) => statuses.includes(job.status));
  if (any("running", "canceling")) {
    return "running";
  }
  if (any("pending")) {
    return jobs.some((job) => isDone(job.status)) ? "running" : "pending";
  }
  if (jobs.some((job) => job.status === "manual" && !mayFail(job))) {
    return "manual";
  }
  if (any("created")) {
    return "created";
  }
  if (jobs.some((job) => job.status === "failed" && !mayFail(job))) {
    return "failed";
  }
  if (any("canceled")) {
    return "canceled";
  }
  return jobs.every((job) => job.status === "skipped") ? "skipped" : "success";
}
