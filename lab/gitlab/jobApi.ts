/**
 * The calls by which a runner gets a job and tells how it goes. Checked against network/gitlab.go, network/trace.go of
 * GitLab Runner 19.4.0.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { createReadStream, createWriteStream, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { pipeline as pump } from "node:stream/promises";
import { parseEnv } from "node:util";
import { gunzipSync } from "node:zlib";
import type { Job, Runner } from "./model";
import { isDone } from "./model";
import type { ServerOptions } from "./options";
import type { Pipelines } from "./pipelines";
import { authenticate, bodyOf, header, heartbeat, text } from "./runnerApi";
import type { Schedule } from "./schedule";
import type { Store } from "./store";

interface Parts {
  options: ServerOptions;
  store: Store;
  schedule: Schedule;
  pipelines: Pipelines;
}

type JobRequest = FastifyRequest<{ Params: { id: string } }>;

/** The job that a call is about, if the call carries its token and it still runs; else 403, which stops the runner. */
function authenticateJob({ store }: Parts, request: JobRequest, reply: FastifyReply): Job | undefined {
  const job = store.jobs.get(Number(request.params.id));
  const token = header(request, "job-token") ?? text(bodyOf(request)["token"]);
  if (!job || !token || token !== job.token) {
    void reply.code(403).send({ message: "403 Forbidden" });
    return undefined;
  }
  if (isDone(job.status)) {
    void reply.code(403).header("Job-Status", job.status).send({ message: "403 Forbidden - Job is not running" });
    return undefined;
  }
  job.contactedAt = Date.now();
  if (job.manager) {
    job.manager.contactedAt = job.contactedAt;
  }
  return job;
}

export function jobApi(app: FastifyInstance, parts: Parts): void {
  app.post("/api/v4/jobs/request", (request, reply) => requestJob(parts, request, reply));
  app.put<{ Params: { id: string } }>("/api/v4/jobs/:id", (request, reply) => updateJob(parts, request, reply));
  app.patch<{ Params: { id: string } }>("/api/v4/jobs/:id/trace", (request, reply) => {
    return appendTrace(parts, request, reply);
  });
  app.post<{ Params: { id: string } }>("/api/v4/jobs/:id/artifacts", (request, reply) => upload(parts, request, reply));
  app.get<{ Params: { id: string } }>("/api/v4/jobs/:id/artifacts", (request, reply) => {
    return download(parts, request, reply);
  });
}

async function requestJob(parts: Parts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { store, schedule, pipelines } = parts;
  const runner = authenticate(store, request, reply);
  if (!runner) {
    return reply;
  }
  const { systemId } = heartbeat(runner, request);
  const known = text(bodyOf(request)["last_update"]);
  if (known === runner.queueValue) {
    await queueChange(parts, runner, request);
  }
  const value = runner.queueValue;
  const job = known === value || !store.runners.has(runner.id) ? undefined : schedule.handOut(runner, systemId);
  if (!job) {
    return reply.code(204).header("X-GitLab-Last-Update", value).send();
  }
  try {
    return reply.code(201).send(await pipelines.payload(job));
  } catch (error) {
    schedule.finish(job, "failed", "data_integrity_failure");
    throw error;
  }
}

/** Long polling: waits until the runner's queue may have changed, the time is over, or the runner has gone. */
async function queueChange({ options, schedule }: Parts, runner: Runner, request: FastifyRequest): Promise<void> {
  if (options.longPollSeconds === 0) {
    return;
  }
  const value = runner.queueValue;
  await new Promise<void>((resolve) => {
    const check = () => {
      if (runner.queueValue !== value) {
        end();
      }
    };
    const end = () => {
      clearTimeout(timer);
      schedule.off("queue", check);
      request.raw.socket.off("close", end);
      resolve();
    };
    const timer = setTimeout(end, options.longPollSeconds * 1000);
    schedule.on("queue", check);
    request.raw.socket.on("close", end);
  });
}

function updateJob(parts: Parts, request: JobRequest, reply: FastifyReply): FastifyReply {
  const job = authenticateJob(parts, request, reply);
  if (!job) {
    return reply;
  }
  const body = bodyOf(request);
  const canceled = job.status === "canceling";
  if (typeof body["exit_code"] === "number") {
    job.exitCode = body["exit_code"];
  }
  switch (body["state"]) {
    case "running":
      parts.schedule.acknowledge(job);
      break;
    case "success":
      parts.schedule.finish(job, canceled ? "canceled" : "success");
      break;
    case "failed":
      parts.schedule.finish(job, canceled ? "canceled" : "failed", text(body["failure_reason"]));
      break;
  }
  return status(parts, reply, job).code(200).send("200");
}

/** A runner that reads `failed` or `canceled` here takes its job for aborted, so the end that it told is not repeated. */
function status({ options }: Parts, reply: FastifyReply, job: Job): FastifyReply {
  return reply
    .header("Job-Status", isDone(job.status) ? "" : job.status)
    .header("X-GitLab-Trace-Update-Interval", String(options.traceIntervalSeconds));
}

function appendTrace(parts: Parts, request: JobRequest, reply: FastifyReply): FastifyReply {
  const job = authenticateJob(parts, request, reply);
  if (!job) {
    return reply;
  }
  const range = /^(\d+)-(\d+)$/.exec(header(request, "content-range") ?? "");
  if (!range) {
    return reply.code(400).send({ message: "400 Missing header Content-Range" });
  }
  const content = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const [start, end] = [Number(range[1]), Number(range[2])];
  if (start !== job.traceSize || end - start + 1 !== content.length) {
    return reply.code(416).header("Range", `0-${job.traceSize}`).send({ message: "416 Range Not Satisfiable" });
  }
  job.trace.push(content);
  job.traceSize += content.length;
  if (job.scriptSeenAt === undefined && scriptHasStarted(job)) {
    job.scriptSeenAt = Date.now();
  }
  return status(parts, reply, job).code(202).header("Range", `0-${job.traceSize}`).send("202");
}

/** The section that holds the job's own script: `build_script` until runner 13, `step_script` since. */
function scriptHasStarted(job: Job): boolean {
  return /section_start:\d+:(?:build_script|step_script)/.test(Buffer.concat(job.trace).toString("latin1"));
}

async function upload(parts: Parts, request: JobRequest, reply: FastifyReply): Promise<FastifyReply> {
  const job = authenticateJob(parts, request, reply);
  if (!job) {
    return reply;
  }
  const query = request.query as Record<string, string | undefined>;
  const type = query["artifact_type"] ?? "archive";
  const part = await request.file({ limits: { fileSize: parts.options.maxArtifactBytes } });
  if (!part || part.fieldname !== "file") {
    return reply.code(400).send({ message: "400 Bad request - file is missing" });
  }
  const folder = join(parts.options.stateDir, "artifacts", String(job.id));
  mkdirSync(folder, { recursive: true });
  const file = join(folder, type.replace(/\W/g, "_"));
  await pump(part.file, createWriteStream(file));
  if (part.file.truncated) {
    rmSync(file);
    return reply.code(413).send({ message: "413 Request Entity Too Large" });
  }
  const format = query["artifact_format"] ?? "zip";
  job.artifacts = job.artifacts.filter((artifact) => artifact.type !== type);
  job.artifacts.push({ type, format, filename: part.filename, size: statSync(file).size, file });
  if (type === "dotenv") {
    job.dotenv = readDotenv(file);
  }
  return reply.code(201).send({ message: "201 Created" });
}

function readDotenv(file: string): Job["dotenv"] {
  const values = parseEnv(gunzipSync(readFileSync(file)).toString("utf8"));
  return Object.entries(values).map(([key, value]) => ({ key, value: value ?? "" }));
}

/** A job may fetch the artifacts of its own pipeline's jobs, with its own token. */
function download({ store }: Parts, request: JobRequest, reply: FastifyReply): FastifyReply {
  const reader = store.runningJobByToken(header(request, "job-token"));
  const job = store.jobs.get(Number(request.params.id));
  if (!reader || (job && job.pipeline !== reader.pipeline)) {
    return reply.code(403).send({ message: "403 Forbidden" });
  }
  const artifact = job?.artifacts.find(({ type }) => type === "archive");
  if (!artifact) {
    return reply.code(404).send({ message: "404 Not found" });
  }
  return reply
    .header("Content-Disposition", `attachment; filename="${artifact.filename.replace(/["\r\n]/g, "")}"`)
    .header("Content-Length", artifact.size)
    .type("application/zip")
    .send(createReadStream(artifact.file));
}
