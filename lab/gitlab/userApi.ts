/**
 * The few calls of GitLab's API that create, show and delete runners for people and programs, with PRIVATE-TOKEN.
 * https://docs.gitlab.com/api/users/#create-a-runner-linked-to-a-user, https://docs.gitlab.com/api/runners/
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Project, Runner } from "./model";
import { bodyOf, header, resetToken, tagList, text } from "./runnerApi";
import type { Schedule } from "./schedule";
import type { Store } from "./store";
import { serverVersion } from "./variables";

type Call<P = unknown> = FastifyRequest<{ Params: P }>;

function runnerType(runner: Runner): string {
  if (runner.projectId !== undefined) {
    return "project_type";
  }
  return runner.groupPath === undefined ? "instance_type" : "group_type";
}

function show(runner: Runner) {
  const contacted = Math.max(0, ...[...runner.managers.values()].map((manager) => manager.contactedAt));
  return {
    id: runner.id,
    description: runner.description,
    active: !runner.paused,
    paused: runner.paused,
    is_shared: runnerType(runner) === "instance_type",
    runner_type: runnerType(runner),
    name: "gitlab-runner",
    online: contacted > 0 && Date.now() - contacted < 7_200_000,
    status: contacted === 0 ? "never_contacted" : Date.now() - contacted < 7_200_000 ? "online" : "offline",
    tag_list: runner.tags,
    run_untagged: runner.runUntagged,
    locked: false,
    maximum_timeout: runner.maximumTimeout ?? null,
    access_level: "not_protected",
    contacted_at: contacted === 0 ? null : new Date(contacted).toISOString(),
  };
}

export function userApi(app: FastifyInstance, store: Store, schedule: Schedule): void {
  const allowed = (request: FastifyRequest, reply: FastifyReply): boolean => {
    const bearer = header(request, "authorization")?.replace(/^Bearer /, "");
    const token = header(request, "private-token") ?? bearer;
    if (store.adminToken !== undefined && token === store.adminToken) {
      return true;
    }
    void reply.code(401).send({ message: "401 Unauthorized" });
    return false;
  };
  const find = (request: Call<{ id: string }>, reply: FastifyReply): Runner | undefined => {
    if (!allowed(request, reply)) {
      return undefined;
    }
    const runner = store.runners.get(Number(request.params.id));
    if (!runner) {
      void reply.code(404).send({ message: "404 Runner Not Found" });
    }
    return runner;
  };

  app.get("/api/v4/version", (request, reply) => {
    return allowed(request, reply) ? reply.send({ version: serverVersion, revision: "lab" }) : reply;
  });
  app.get<{ Params: { id: string } }>("/api/v4/projects/:id", (request, reply) => {
    if (!allowed(request, reply)) {
      return reply;
    }
    const project = store.projects.get(request.params.id) ?? store.projectById(Number(request.params.id));
    if (!project) {
      return reply.code(404).send({ message: "404 Project Not Found" });
    }
    const { id, path, defaultBranch } = project;
    return reply.send({ id, path_with_namespace: path, default_branch: defaultBranch });
  });
  app.post("/api/v4/user/runners", (request, reply) => {
    return allowed(request, reply) ? createRunner(store, request, reply) : reply;
  });
  app.get("/api/v4/runners/all", (request, reply) => {
    return allowed(request, reply) ? reply.send([...store.runners.values()].map(show)) : reply;
  });
  app.get<{ Params: { id: string } }>("/api/v4/runners/:id", (request, reply) => {
    const runner = find(request, reply);
    return runner ? reply.send(show(runner)) : reply;
  });
  app.put<{ Params: { id: string } }>("/api/v4/runners/:id", (request, reply) => {
    const runner = find(request, reply);
    if (!runner) {
      return reply;
    }
    update(runner, bodyOf(request));
    store.save();
    schedule.touch(runner);
    return reply.send(show(runner));
  });
  app.delete<{ Params: { id: string } }>("/api/v4/runners/:id", (request, reply) => {
    const runner = find(request, reply);
    if (!runner) {
      return reply;
    }
    store.removeRunner(runner);
    return reply.code(204).send();
  });
  app.post<{ Params: { id: string } }>("/api/v4/runners/:id/reset_authentication_token", (request, reply) => {
    const runner = find(request, reply);
    return runner ? reply.code(201).send(resetToken(store, schedule, runner)) : reply;
  });
}

function createRunner(store: Store, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const body = bodyOf(request);
  const scope = readScope(store, body);
  if (typeof scope === "string") {
    return reply.code(400).send({ message: scope });
  }
  const tags = tagList(body["tag_list"]);
  const runUntagged = body["run_untagged"] === undefined ? tags.length === 0 : String(body["run_untagged"]) === "true";
  const runner = store.addRunner(
    {
      tags,
      runUntagged,
      description: text(body["description"]),
      paused: String(body["paused"]) === "true",
      maximumTimeout: Number(body["maximum_timeout"]) || undefined,
    },
    "api",
    scope,
  );
  return reply.code(201).send({ id: runner.id, token: runner.token, token_expires_at: null });
}

/** Where the runner belongs; a text when the call does not say it well. Groups are known by path alone here. */
function readScope(store: Store, body: Record<string, unknown>): Pick<Runner, "projectId" | "groupPath"> | string {
  switch (body["runner_type"]) {
    case "instance_type":
      return {};
    case "group_type": {
      const groupPath = String(body["group_id"] ?? "");
      return groupPath === "" ? "group_id is missing" : { groupPath };
    }
    case "project_type": {
      const project: Project | undefined = store.projectById(Number(body["project_id"]));
      return project ? { projectId: project.id } : "404 Project Not Found";
    }
    default:
      return "runner_type does not have a valid value";
  }
}

function update(runner: Runner, body: Record<string, unknown>): void {
  if (body["description"] !== undefined) {
    runner.description = String(body["description"]);
  }
  if (body["tag_list"] !== undefined) {
    runner.tags = tagList(body["tag_list"]);
  }
  if (body["run_untagged"] !== undefined) {
    runner.runUntagged = String(body["run_untagged"]) === "true";
  }
  if (body["paused"] !== undefined) {
    runner.paused = String(body["paused"]) === "true";
  }
  if (body["maximum_timeout"] !== undefined) {
    runner.maximumTimeout = Number(body["maximum_timeout"]) || undefined;
  }
}
