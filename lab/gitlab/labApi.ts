/** The control API, for tests, the lab and benches: not GitLab's. README.md has it in a page; `client.ts` speaks it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { createReadStream } from "node:fs";
import { z } from "zod";
import type { Faults } from "./faults";
import type { Repositories } from "./git";
import type { Job, Project, Runner } from "./model";
import type { ServerOptions } from "./options";
import { type Pipelines, viewJob, viewPipeline } from "./pipelines";
import { ProjectError } from "./projectError";
import type { RequestCounts, RunnerView, Settings } from "./protocol";
import { header } from "./runnerApi";
import type { Schedule } from "./schedule";
import { newToken, type Store } from "./store";
import { cloneUrl } from "./variables";

const variable = z.strictObject({
  key: z.string().regex(/^\w+$/),
  value: z.string(),
  file: z.boolean().optional(),
  masked: z.boolean().optional(),
  raw: z.boolean().optional(),
  protected: z.boolean().optional(),
  environmentScope: z.string().min(1).optional(),
});

const projectInput = z.strictObject({
  files: z.record(
    z.string().min(1),
    z.union([
      z.string(),
      z.strictObject({
        content: z.string(),
        encoding: z.enum(["utf8", "base64"]).optional(),
        executable: z.boolean().optional(),
      }),
    ]),
  ),
  branch: z.string().min(1).default("main"),
  message: z.string().min(1).default("Commit of the lab"),
  variables: z.array(variable).optional(),
  deployTokens: z
    .array(
      z.strictObject({
        username: z.string().min(1),
        token: z.string().min(8),
        scopes: z.array(z.enum(["read_registry", "write_registry"])),
      }),
    )
    .optional(),
  public: z.boolean().optional(),
});

const pipelineInput = z.strictObject({
  ref: z.string().optional(),
  variables: z.array(variable).optional(),
  source: z.string().optional(),
});

const runnerInput = z.strictObject({
  description: z.string().optional(),
  tags: z.array(z.string()).optional(),
  runUntagged: z.boolean().optional(),
  token: z.string().min(8).optional(),
  paused: z.boolean().optional(),
  maximumTimeout: z.number().int().positive().optional(),
  locked: z.boolean().optional(),
  accessLevel: z.enum(["not_protected", "ref_protected"]).optional(),
  maintenanceNote: z.string().optional(),
  tokenExpiresAt: z.number().optional(),
});

const accessTokenInput = z.strictObject({
  scopes: z.array(z.enum(["api", "read_api", "create_runner", "manage_runner"])),
  role: z.enum(["developer", "maintainer", "owner", "admin"]),
  expiresAt: z.number().optional(),
  revoked: z.boolean().optional(),
});

const settingsInput = z.strictObject({
  runnerTokenLifetime: z.number().positive().optional(),
  registration: z.enum(["on", "off"]).optional(),
  registrationToken: z.string().min(8).optional(),
  twoPhaseCommit: z.enum(["on", "off"]).optional(),
});

const faultInput = z.strictObject({
  mode: z.enum(["up", "down", "unavailable", "slow", "refuse", "lose", "answer"]),
  status: z.number().int().min(200).max(599).optional(),
  headers: z.record(z.string(), z.string()).optional(),
  body: z.string().optional(),
  ms: z.number().int().nonnegative().optional(),
  only: z.string().optional(),
  times: z.number().int().positive().optional(),
});

interface Parts {
  options: ServerOptions;
  store: Store;
  schedule: Schedule;
  pipelines: Pipelines;
  repositories: Repositories;
  faults: Faults;
  counts: { current: RequestCounts };
}

type ById = { Params: { id: string } };
type ByName = { Params: { name: string } };

/** A wrong call of the control API: the status, and what to do. */
class RefusalError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

function read<T>(schema: z.ZodType<T>, request: FastifyRequest): T {
  const parsed = schema.safeParse(request.body ?? {});
  if (parsed.success) {
    return parsed.data;
  }
  throw new RefusalError(400, `${request.method} ${request.url}: ${z.prettifyError(parsed.error)}`);
}

export function labApi(app: FastifyInstance, parts: Parts): void {
  app.register(async (lab) => {
    lab.addHook("onRequest", async (request) => {
      const { controlToken } = parts.options;
      if (controlToken === undefined || header(request, "lab-token") === controlToken) {
        return;
      }
      throw new RefusalError(401, "The control API needs its token: send it in the header Lab-Token.");
    });
    lab.setErrorHandler((error, _request, reply) => {
      if (!(error instanceof RefusalError || error instanceof ProjectError)) {
        throw error;
      }
      const status = error instanceof RefusalError ? error.status : 422;
      return reply.code(status).send({ message: error.message });
    });
    projects(lab, parts);
    jobs(lab, parts);
    runners(lab, parts);
    instance(lab, parts);
    machinery(lab, parts);
  });
}

function projects(lab: FastifyInstance, { options, store, repositories, pipelines }: Parts): void {
  const creating = new Map<string, Promise<unknown>>(); // commits to one project go one after the other
  lab.put<ByName>("/lab/projects/:name", async (request, reply) => {
    const input = read(projectInput, request);
    const path = projectPath(request.params.name);
    const turn = (creating.get(path) ?? Promise.resolve())
      .catch(() => undefined)
      .then(async () => {
        const project = findOrAdd(store, path, input.branch);
        project.public = input.public ?? project.public;
        project.variables = input.variables ?? project.variables;
        project.deployTokens = input.deployTokens ?? project.deployTokens;
        store.save();
        await repositories.create(project);
        const sha = await repositories.commit(project, input.branch, input.files, input.message);
        return viewProject(options, store, project, sha);
      });
    creating.set(path, turn);
    return reply.code(200).send(await turn);
  });
  lab.get("/lab/projects", async () =>
    [...store.projects.values()].map((project) => viewProject(options, store, project, undefined)),
  );
  lab.post<ByName>("/lab/projects/:name/pipelines", async (request, reply) => {
    const project = store.projects.get(projectPath(request.params.name));
    if (!project) {
      throw new RefusalError(404, `No project ${request.params.name}: PUT it first.`);
    }
    const pipeline = await pipelines.create(project, read(pipelineInput, request));
    return reply.code(201).send(viewPipeline(pipeline));
  });
}

/** `name` is in the group `lab`; `group/name` (the slash as %2F) is where it says. */
function projectPath(name: string): string {
  const path = name.includes("/") ? name : `lab/${name}`;
  if (/^[a-z0-9][\w.-]*(\/[a-z0-9][\w.-]*)+$/i.test(path) && !/\.git(\/|$)|\.\./.test(path)) {
    return path;
  }
  throw new RefusalError(400, `Not a project's name: ${name}: use letters, digits, dots, dashes and underscores.`);
}

function findOrAdd(store: Store, path: string, branch: string): Project {
  const found = store.projects.get(path);
  if (found) {
    return found;
  }
  const id = store.id("project");
  const project: Project = { id, path, defaultBranch: branch, public: false, variables: [], lastPipelineIid: 0 };
  store.addProject(project);
  return project;
}

function viewProject(options: ServerOptions, store: Store, project: Project, sha: string | undefined) {
  const { id, path, defaultBranch } = project;
  const groupId = store.group(path.slice(0, path.lastIndexOf("/")))!.id;
  return { id, path, groupId, defaultBranch, cloneUrl: cloneUrl(options, project), sha };
}

function jobs(lab: FastifyInstance, { store, schedule }: Parts): void {
  const findJob = (request: FastifyRequest<ById>): Job => {
    const job = store.jobs.get(Number(request.params.id));
    if (job) {
      return job;
    }
    throw new RefusalError(404, `No job ${request.params.id} since the stand-in was started.`);
  };
  const findPipeline = (request: FastifyRequest<ById>) => {
    const pipeline = store.pipelines.get(Number(request.params.id));
    if (pipeline) {
      return pipeline;
    }
    throw new RefusalError(404, `No pipeline ${request.params.id} since the stand-in was started.`);
  };
  lab.get("/lab/pipelines", async () => [...store.pipelines.values()].map(viewPipeline));
  lab.get<ById>("/lab/pipelines/:id", async (request) => viewPipeline(findPipeline(request)));
  lab.post<ById>("/lab/pipelines/:id/cancel", async (request) => {
    const pipeline = findPipeline(request);
    for (const job of pipeline.jobs) {
      schedule.cancel(job);
    }
    return viewPipeline(pipeline);
  });
  lab.get<ById>("/lab/jobs/:id", async (request) => viewJob(findJob(request)));
  lab.get<ById>("/lab/jobs/:id/trace", async (request, reply) => sendTrace(findJob(request), request, reply));
  lab.get<{ Params: { id: string; type: string } }>("/lab/jobs/:id/artifacts/:type", async (request, reply) => {
    const artifact = findJob(request).artifacts.find(({ type }) => type === request.params.type);
    if (artifact === undefined) {
      throw new RefusalError(404, `Job ${request.params.id} has no artifact of type ${request.params.type}.`);
    }
    return reply.type("application/octet-stream").send(createReadStream(artifact.file));
  });
  lab.post<ById>("/lab/jobs/:id/cancel", async (request) => {
    const job = findJob(request);
    schedule.cancel(job);
    return viewJob(job);
  });
  lab.post<ById>("/lab/jobs/:id/play", async (request) => {
    const job = findJob(request);
    if (!schedule.play(job)) {
      throw new RefusalError(409, `Job ${job.definition.name} is ${job.status}, not manual.`);
    }
    return viewJob(job);
  });
}

/** The trace from byte `from` on, as it is, with the runner's colours and section marks. */
function sendTrace(job: Job, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const from = Number((request.query as { from?: string }).from ?? 0);
  const trace = Buffer.concat(job.trace).subarray(Number.isFinite(from) ? from : 0);
  return reply.type("text/plain; charset=utf-8").send(trace);
}

function runners(lab: FastifyInstance, { store, schedule }: Parts): void {
  lab.get("/lab/runners", async () => [...store.runners.values()].map(viewRunner));
  lab.post("/lab/runners", async (request, reply) => {
    const input = read(runnerInput, request);
    if (store.runnerByToken(input.token)) {
      throw new RefusalError(409, "There is a runner with this token already.");
    }
    const runner = store.addRunner(input, "lab");
    return reply.code(201).send({ ...viewRunner(runner), token: runner.token });
  });
  lab.patch<ById>("/lab/runners/:id", async (request) => {
    const runner = findRunner(store, request);
    const { token: _token, ...input } = read(runnerInput, request);
    Object.assign(runner, input);
    store.save();
    schedule.touch(runner);
    return viewRunner(runner);
  });
  lab.delete<ById>("/lab/runners/:id", async (request, reply) => {
    store.removeRunner(findRunner(store, request));
    return reply.code(204).send();
  });
}

function findRunner(store: Store, request: FastifyRequest<ById>): Runner {
  const runner = store.runners.get(Number(request.params.id));
  if (runner) {
    return runner;
  }
  throw new RefusalError(404, `No runner ${request.params.id}: GET /lab/runners lists them.`);
}

/** What an administrator of GitLab does in its own pages: access tokens, and settings of the instance. */
function instance(lab: FastifyInstance, { store }: Parts): void {
  lab.post("/lab/access-tokens", async (request, reply) => {
    const { revoked = false, ...input } = read(accessTokenInput, request);
    const made = { ...input, revoked, token: newToken("glpat-") };
    store.accessTokens.push(made);
    store.save();
    return reply.code(201).send(made);
  });
  lab.put("/lab/access-tokens/:token", async (request) => {
    const { token } = request.params as { token: string };
    const known = store.accessTokens.find((one) => one.token === token);
    if (known === undefined) {
      throw new RefusalError(404, "No such access token: POST /lab/access-tokens makes one.");
    }
    const { revoked = false, ...input } = read(accessTokenInput, request);
    Object.assign(known, { expiresAt: undefined, ...input, revoked });
    store.save();
    return known;
  });
  lab.put("/lab/settings", async (request) => {
    const given = read(settingsInput, request);
    for (const key of Object.keys(settingsInput.shape) as (keyof Settings)[]) {
      delete store.settings[key];
    }
    Object.assign(store.settings, given);
    store.save();
    return store.settings;
  });
}

function viewRunner(runner: Runner): RunnerView {
  const { id, description, tags, runUntagged, paused, origin, token } = runner;
  const { locked, accessLevel, maintenanceNote, maximumTimeout } = runner;
  const managers = [...runner.managers.values()].map(({ features: _features, ...manager }) => manager);
  const tokenPrefix = token.slice(0, token.startsWith("glrt-") ? 13 : 8);
  const shown = { locked, accessLevel, maintenanceNote, maximumTimeout };
  return { id, description, tags, runUntagged, paused, origin, ...shown, tokenPrefix, managers };
}

function machinery(lab: FastifyInstance, { faults, counts }: Parts): void {
  lab.get("/lab/health", async () => ({ status: "up", fault: faults.current }));
  lab.get("/lab/faults", async () => faults.current);
  lab.put("/lab/faults", async (request) => {
    const fault = read(faultInput, request);
    try {
      new RegExp(fault.only ?? "");
    } catch {
      throw new RefusalError(400, `only: not a regular expression: ${fault.only}`);
    }
    faults.set(fault);
    return faults.current;
  });
  lab.get("/lab/requests", async () => counts.current);
  lab.delete("/lab/requests", async (_request, reply) => {
    counts.current = newCounts();
    return reply.code(204).send();
  });
}

export function newCounts(): RequestCounts {
  return { since: Date.now(), total: 0, routes: {} };
}
