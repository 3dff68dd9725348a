/** The control API of the stand-in, typed, for tests, the lab's commands and benches. */
import { setTimeout as sleep } from "node:timers/promises";
import type {
  AccessTokenInput,
  Fault,
  JobView,
  PipelineInput,
  PipelineView,
  ProjectInput,
  ProjectView,
  RequestCounts,
  RunnerCreated,
  RunnerInput,
  RunnerView,
  Settings,
} from "./protocol";

export type * from "./protocol";

interface WaitOptions {
  /** Give up after so many milliseconds. Default 300 000. */
  timeoutMs?: number;
  /** Called with every new piece of every job's trace, in order. */
  onTrace?: (job: JobView, text: string) => void;
  /** Called whenever a job has another status. */
  onStatus?: (job: JobView) => void;
  /** Milliseconds between two looks. Default 250. */
  intervalMs?: number;
  /** Throw unless the pipeline succeeds. Default false. */
  mustSucceed?: boolean;
}

/** A call that the stand-in refused. */
export class LabError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/** A pipeline that did not end in time, or not well. The message has every job, and the end of the traces that matter. */
class PipelineFailedError extends Error {
  constructor(
    message: string,
    readonly pipeline: PipelineView,
  ) {
    super(message);
  }
}

const finished = new Set(["success", "failed", "canceled", "skipped", "manual"]);

export class LabGitlab {
  /**
   * @param url where the stand-in listens, e.g. `http://gitlab.lab:8929`
   * @param token the control token, if it asks for one
   */
  constructor(
    readonly url: string,
    private readonly token?: string,
  ) {}

  /** Creates or changes a project: its whole tree becomes `files`. */
  createProject(name: string, input: ProjectInput): Promise<ProjectView> {
    return this.json("PUT", `projects/${encodeURIComponent(name)}`, input);
  }

  startPipeline(project: string, input: PipelineInput = {}): Promise<PipelineView> {
    return this.json("POST", `projects/${encodeURIComponent(project)}/pipelines`, input);
  }

  pipeline(id: number): Promise<PipelineView> {
    return this.json("GET", `pipelines/${id}`);
  }

  cancelPipeline(id: number): Promise<PipelineView> {
    return this.json("POST", `pipelines/${id}/cancel`, {});
  }

  job(id: number): Promise<JobView> {
    return this.json("GET", `jobs/${id}`);
  }

  cancelJob(id: number): Promise<JobView> {
    return this.json("POST", `jobs/${id}/cancel`, {});
  }

  /** Starts a manual job. */
  playJob(id: number): Promise<JobView> {
    return this.json("POST", `jobs/${id}/play`, {});
  }

  /** The trace as the runner sent it, from byte `from` on. */
  async trace(id: number, from = 0): Promise<string> {
    return (await this.call("GET", `jobs/${id}/trace?from=${from}`)).text();
  }

  /** A report that a job left, such as `terraform`, as the runner sent it: gzipped. */
  async artifact(id: number, type: string): Promise<Buffer> {
    return Buffer.from(await (await this.call("GET", `jobs/${id}/artifacts/${type}`)).arrayBuffer());
  }

  runners(): Promise<RunnerView[]> {
    return this.json("GET", "runners");
  }

  createRunner(input: RunnerInput): Promise<RunnerCreated> {
    return this.json("POST", "runners", input);
  }

  updateRunner(id: number, input: Omit<RunnerInput, "token">): Promise<RunnerView> {
    return this.json("PATCH", `runners/${id}`, input);
  }

  async deleteRunner(id: number): Promise<void> {
    await this.call("DELETE", `runners/${id}`);
  }

  /** A new token for GitLab's API. */
  createAccessToken(input: AccessTokenInput): Promise<AccessTokenInput & { token: string }> {
    return this.json("POST", "access-tokens", input);
  }

  /** Makes a token good for something else, lets it expire, or revokes it. */
  async changeAccessToken(token: string, input: AccessTokenInput): Promise<void> {
    await this.call("PUT", `access-tokens/${token}`, input);
  }

  /** Settings of the whole instance; what is left out gets its default. */
  async setSettings(settings: Settings): Promise<void> {
    await this.call("PUT", "settings", settings);
  }

  setFault(fault: Fault): Promise<Fault> {
    return this.json("PUT", "faults", fault);
  }

  requests(): Promise<RequestCounts> {
    return this.json("GET", "requests");
  }

  async resetRequests(): Promise<void> {
    await this.call("DELETE", "requests");
  }

  /** Starts a pipeline and waits for its end. */
  async runPipeline(project: string, options: PipelineInput & WaitOptions = {}): Promise<PipelineView> {
    const { ref, variables, source, ...wait } = options;
    const { id } = await this.startPipeline(project, { ref, variables, source });
    return this.waitPipeline(id, wait);
  }

  /**
   * Waits until nothing of the pipeline runs any more: it is done, or waits for a manual job.
   * @throws PipelineFailedError when the time is over, or, with `mustSucceed`, when it ends otherwise than well
   */
  async waitPipeline(id: number, options: WaitOptions = {}): Promise<PipelineView> {
    const { timeoutMs = 300_000, intervalMs = 250, mustSucceed = false } = options;
    const follow = this.follower(options);
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const pipeline = await this.pipeline(id);
      await follow(pipeline);
      if (finished.has(pipeline.status)) {
        if (mustSucceed && pipeline.status !== "success") {
          throw await this.failure(pipeline, `is ${pipeline.status}`);
        }
        return pipeline;
      }
      if (Date.now() > deadline) {
        throw await this.failure(pipeline, `is still ${pipeline.status} after ${timeoutMs} ms`);
      }
      await sleep(intervalMs);
    }
  }

  /**
   * Waits until a job satisfies a condition.
   * @throws Error when the time is over
   */
  async waitJob(id: number, until: (job: JobView) => boolean, timeoutMs = 60_000): Promise<JobView> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const job = await this.job(id);
      if (until(job)) {
        return job;
      }
      if (Date.now() > deadline) {
        throw new Error(`Job ${job.name} (${id}) is still ${job.status} after ${timeoutMs} ms.`);
      }
      await sleep(100);
    }
  }

  /** Waits until the stand-in answers. */
  async waitReady(timeoutMs = 30_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      try {
        await this.call("GET", "health");
        return;
      } catch (error) {
        if (Date.now() > deadline) {
          throw error;
        }
        await sleep(100);
      }
    }
  }

  private follower({ onTrace, onStatus }: WaitOptions): (pipeline: PipelineView) => Promise<void> {
    const seen = new Map<number, { status?: string; decoder: TextDecoder; offset: number }>();
    return async ({ jobs }) => {
      for (const job of jobs) {
        const last = seen.get(job.id) ?? { decoder: new TextDecoder(), offset: 0 };
        seen.set(job.id, last);
        if (onTrace && job.traceSize > last.offset) {
          const bytes = await (await this.call("GET", `jobs/${job.id}/trace?from=${last.offset}`)).arrayBuffer();
          last.offset += bytes.byteLength;
          onTrace(job, last.decoder.decode(bytes, { stream: true }));
        }
        if (job.status !== last.status) {
          onStatus?.(job);
        }
        last.status = job.status;
      }
    };
  }

  private async failure(pipeline: PipelineView, what: string): Promise<PipelineFailedError> {
    const lines = [`Pipeline ${pipeline.id} of ${pipeline.project} ${what}.`];
    for (const job of pipeline.jobs) {
      const reason = job.failureReason ? ` (${job.failureReason})` : "";
      const runner = job.runner ? `, on ${job.runner.description || `runner ${job.runner.id}`}` : "";
      lines.push(`  ${job.name}: ${job.status}${reason}${runner}, tags: ${job.tags.join(", ") || "none"}`);
      if (job.status === "pending") {
        lines.push("    no runner took it: see GET /lab/runners for their tags and last contact");
      }
      if (job.status !== "failed" && job.status !== "running") {
        continue;
      }
      lines.push(
        ...(await this.trace(job.id))
          .split("\n")
          .slice(-30)
          .map((line) => `    | ${line.trimEnd()}`),
      );
    }
    return new PipelineFailedError(lines.join("\n"), pipeline);
  }

  private async json<T>(method: string, path: string, body?: object): Promise<T> {
    return (await (await this.call(method, path, body)).json()) as T;
  }

  private async call(method: string, path: string, body?: object): Promise<Response> {
    const headers: Record<string, string> = {};
    if (this.token !== undefined) {
      headers["Lab-Token"] = this.token;
    }
    if (body) {
      headers["Content-Type"] = "application/json";
    }
    const target = `${this.url}/lab/${path}`;
    const response = await fetch(target, { method, headers, body: body && JSON.stringify(body) }).catch(
      (error: unknown) => {
        const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
        throw new Error(`The stand-in for GitLab does not answer: ${method} ${target}: ${cause}. Is the lab up?`);
      },
    );
    if (response.ok) {
      return response;
    }
    const text = await response.text();
    throw new LabError(`${method} ${target}: ${response.status}: ${messageOf(text)}`, response.status);
  }
}

function messageOf(text: string): string {
  try {
    return String((JSON.parse(text) as { message?: unknown }).message ?? text);
  } catch {
    return text;
  }
}
