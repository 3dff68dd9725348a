/**
 * The calls of GitLab's API that create, show, change and delete runners for people and programs. What each needs and
 * answers is after lib/api/user_runners.rb and lib/api/ci/runners.rb (gitlabhq/gitlabhq), and
 * https://docs.gitlab.com/api/users/#create-a-runner-linked-to-a-user, https://docs.gitlab.com/api/runners/.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { authorize, isAtLeast, type AccessToken, type Scope } from "./accessTokens";
import { isDone, type Project, type Runner } from "./model";
import { bodyOf, credentials, resetToken, tagList, text } from "./runnerApi";
import type { Schedule } from "./schedule";
import { type Store, newToken } from "./store";
import { serverVersion } from "./variables";

type ById = { Params: { id: string } };
type Body = Record<string, unknown>;

function runnerType(runner: Runner): string {
  if (runner.projectId !== undefined) {
    return "project_type";
  }
  return runner.groupPath === undefined ? "instance_type" : "group_type";
}

/** Two hours without contact make a runner offline (app/models/ci/runner.rb, ONLINE_CONTACT_TIMEOUT). */
const onlineFor = 2 * 3600 * 1000;

function statusOf(contacted: number): string {
  if (contacted === 0) {
    return "never_contacted";
  }
  return Date.now() - contacted < onlineFor ? "online" : "offline";
}

/** As lists show a runner: without tags and settings, and never with its token. */
function entry(runner: Runner) {
  const contacted = Math.max(0, ...[...runner.managers.values()].map((manager) => manager.contactedAt));
  return {
    id: runner.id,
    description: runner.description,
    active: !runner.paused,
    paused: runner.paused,
    is_shared: runnerType(runner) === "instance_type",
    runner_type: runnerType(runner),
    name: "gitlab-runner",
    online: statusOf(contacted) === "online",
    status: statusOf(contacted),
  };
}

/** As one runner is shown by itself (lib/api/entities/ci/runner_details.rb). */
function details(store: Store, runner: Runner) {
  const contacted = Math.max(0, ...[...runner.managers.values()].map((manager) => manager.contactedAt));
  return {
    ...entry(runner),
    tag_list: runner.tags,
    run_untagged: runner.runUntagged,
    locked: runner.locked,
    maximum_timeout: runner.maximumTimeout ?? null,
    access_level: runner.accessLevel,
    maintenance_note: runner.maintenanceNote === "" ? null : runner.maintenanceNote,
    contacted_at: contacted === 0 ? null : new Date(contacted).toISOString(),
    projects: runner.projectId === undefined ? [] : [{ id: runner.projectId }],
    groups: runner.groupPath === undefined ? [] : [{ id: store.group(runner.groupPath)?.id }],
  };
}

function managersOf(runner: Runner) {
  return [...runner.managers.values()].map((manager, index) => ({
    id: runner.id * 1000 + index,
    system_id: manager.systemId,
    version: manager.version ?? null,
    architecture: manager.architecture ?? null,
    created_at: new Date(manager.firstSeenAt).toISOString(),
    contacted_at: new Date(manager.contactedAt).toISOString(),
    ip_address: manager.ip,
    status: statusOf(manager.contactedAt),
  }));
}

/** The role that a runner of this kind asks for (https://docs.gitlab.com/ci/runners/runners_scope/). */
const roles = { project_type: "maintainer", group_type: "owner", instance_type: "admin" } as const;

/** Pages of 20, or as many as are asked for up to 100 (https://docs.gitlab.com/api/rest/#pagination). */
function paginate(request: FastifyRequest, reply: FastifyReply, all: object[]): FastifyReply {
  const query = request.query as { page?: string; per_page?: string };
  const page = Math.max(1, Number(query.page) || 1);
  const size = Math.min(100, Math.max(1, Number(query.per_page) || 20));
  const pages = Math.ceil(all.length / size);
  return reply
    .headers({ "x-page": page, "x-per-page": size, "x-total": all.length, "x-total-pages": pages })
    .header("x-next-page", page < pages ? String(page + 1) : "")
    .send(all.slice((page - 1) * size, page * size));
}

export function userApi(app: FastifyInstance, store: Store, schedule: Schedule): void {
  /** The runner that a call is about; else the call is answered. */
  const find = (request: FastifyRequest<ById>, reply: FastifyReply, ...scopes: Scope[]): Runner | undefined => {
    const caller = authorize(store, request, reply, "manage_runner", ...scopes);
    if (caller === undefined) {
      return undefined;
    }
    const runner = store.runners.get(Number(request.params.id));
    if (!runner) {
      void reply.code(404).send({ message: "404 Not found" });
      return undefined;
    }
    const mayRead = request.method === "GET" && runnerType(runner) === "instance_type";
    if (!mayRead && !isAtLeast(caller, roles[runnerType(runner) as keyof typeof roles])) {
      void reply.code(403).send({ message: "403 Forbidden - No access granted" });
      return undefined;
    }
    return runner;
  };

  app.get("/api/v4/version", (request, reply) => {
    const caller = authorize(store, request, reply, "read_api");
    return caller ? reply.send({ version: serverVersion, revision: "lab" }) : reply;
  });
  app.get<ById>("/api/v4/projects/:id", (request, reply) => {
    if (!authorize(store, request, reply, "read_api")) {
      return reply;
    }
    const project = projectOf(store, request.params.id);
    if (!project) {
      return reply.code(404).send({ message: "404 Project Not Found" });
    }
    const { id, path, defaultBranch } = project;
    return reply.send({ id, path_with_namespace: path, default_branch: defaultBranch });
  });
  app.post("/api/v4/user/runners", (request, reply) => {
    const caller = authorize(store, request, reply, "create_runner");
    return caller ? createRunner(store, caller, request, reply) : reply;
  });
  lists(app, store);
  app.get<ById>("/api/v4/runners/:id", (request, reply) => {
    const runner = find(request, reply, "read_api");
    return runner ? reply.send(details(store, runner)) : reply;
  });
  app.get<ById>("/api/v4/runners/:id/managers", (request, reply) => {
    const runner = find(request, reply, "read_api");
    return runner ? reply.send(managersOf(runner)) : reply;
  });
  app.get<ById>("/api/v4/runners/:id/jobs", (request, reply) => {
    const runner = find(request, reply, "read_api");
    if (!runner) {
      return reply;
    }
    const { status } = request.query as { status?: string };
    const jobs = [...store.jobs.values()].filter((job) => job.runner?.id === runner.id);
    // A job that was handed out, but is not yet confirmed, is the runner's too.
    const wanted = jobs.filter((job) => status !== "running" || !isDone(job.status));
    return paginate(
      request,
      reply,
      wanted.map(({ id, status: is, definition }) => ({ id, status: is, name: definition.name })),
    );
  });
  app.put<ById>("/api/v4/runners/:id", (request, reply) => {
    const runner = find(request, reply);
    return runner ? updateRunner(store, schedule, runner, request, reply) : reply;
  });
  app.delete<ById>("/api/v4/runners/:id", (request, reply) => {
    const runner = find(request, reply);
    if (!runner) {
      return reply;
    }
    store.removeRunner(runner);
    return reply.code(204).send();
  });
  app.post<ById>("/api/v4/runners/:id/reset_authentication_token", (request, reply) => {
    const runner = find(request, reply);
    if (!runner) {
      return reply;
    }
    const { token, token_expires_at } = resetToken(store, schedule, runner);
    return reply.code(201).send({ token, token_expires_at });
  });
}

function projectOf(store: Store, id: string): Project | undefined {
  return store.projects.get(id) ?? store.projectById(Number(id));
}

/** What `manage_runner` does not reach: it is for calls that name one runner. */
function lists(app: FastifyInstance, store: Store): void {
  /** `pathOf`: of the project or group that is asked about; the empty path is the instance. */
  const list = (
    path: string,
    least: AccessToken["role"],
    pathOf: (id: string) => string | undefined,
    belongs: (runner: Runner, of: string) => boolean,
  ) =>
    app.get<ById>(path, (request, reply) => {
      const caller = authorize(store, request, reply, "read_api");
      if (!caller) {
        return reply;
      }
      const of = pathOf(request.params.id);
      if (of === undefined) {
        return reply.code(404).send({ message: `404 ${path.includes("groups") ? "Group" : "Project"} Not Found` });
      }
      if (!isAtLeast(caller, least)) {
        return reply.code(403).send({ message: "403 Forbidden" });
      }
      const { type } = request.query as { type?: string };
      const runners = [...store.runners.values()]
        .filter((runner) => belongs(runner, of))
        .filter((runner) => type === undefined || runnerType(runner) === type);
      return paginate(request, reply, runners.reverse().map(entry));
    });
  const isWide = (runner: Runner): boolean => runnerType(runner) === "instance_type";
  // `Ci::Runner.owned_or_instance_wide` and `group_or_instance_wide`: those of groups further up are among them.
  const isAbove = ({ groupPath }: Runner, path: string): boolean =>
    groupPath !== undefined && `${path}/`.startsWith(`${groupPath}/`);
  list(
    "/api/v4/runners/all",
    "admin",
    () => "",
    () => true,
  );
  list(
    "/api/v4/projects/:id/runners",
    "maintainer",
    (id) => projectOf(store, id)?.path,
    (runner, path) => isWide(runner) || isAbove(runner, path) || runner.projectId === store.projects.get(path)?.id,
  );
  list(
    "/api/v4/groups/:id/runners",
    "maintainer",
    (id) => store.group(id)?.path,
    (runner, path) => isWide(runner) || isAbove(runner, path),
  );
}

function createRunner(
  store: Store,
  caller: Parameters<typeof isAtLeast>[0],
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const body = bodyOf(request);
  const type = body["runner_type"];
  if (type !== "instance_type" && type !== "group_type" && type !== "project_type") {
    return reply.code(400).send({ error: "runner_type does not have a valid value" });
  }
  const idOf = { instance_type: undefined, group_type: "group_id", project_type: "project_id" }[type];
  if (idOf !== undefined && body[idOf] === undefined) {
    return reply.code(400).send({ error: `${idOf} is missing` });
  }
  // app/services/ci/runners/runner_creation_strategies/: what is not there comes before who may.
  const project = type === "project_type" ? store.projectById(Number(body["project_id"])) : undefined;
  const group = type === "group_type" ? store.group(String(body["group_id"])) : undefined;
  if (type !== "instance_type" && project === undefined && group === undefined) {
    const kind = type.replace("_type", "");
    return reply.code(400).send({ message: `400 Bad request - Missing/invalid ${kind}` });
  }
  if (!isAtLeast(caller, roles[type])) {
    return reply.code(403).send({ message: "403 Forbidden - Insufficient permissions" });
  }
  const tags = tagList(body["tag_list"]);
  const runUntagged = body["run_untagged"] === undefined ? true : String(body["run_untagged"]) === "true";
  const maximumTimeout = body["maximum_timeout"] == null ? undefined : Number(body["maximum_timeout"]);
  const errors = runnerErrors({ tags, runUntagged, maximumTimeout });
  if (Object.keys(errors).length > 0) {
    const sentences = Object.entries(errors).map(([field, [what]]) => `${words(field)} ${what}`);
    return reply.code(400).send({ message: `400 Bad request - ${sentences.join(" and ")}` });
  }
  const scope = { projectId: project?.id, groupPath: group?.path };
  const input = {
    tags,
    runUntagged,
    maximumTimeout,
    description: text(body["description"]),
    paused: String(body["paused"]) === "true",
    locked: String(body["locked"]) === "true",
    accessLevel: body["access_level"] === "ref_protected" ? ("ref_protected" as const) : ("not_protected" as const),
    maintenanceNote: text(body["maintenance_note"]),
  };
  const runner = store.addRunner({ ...input, token: newToken("glrt-") }, "api", scope);
  return reply.code(201).send(credentials(runner));
}

/** What GitLab's model refuses (app/models/ci/runner.rb). */
function runnerErrors(runner: Pick<Runner, "tags" | "runUntagged" | "maximumTimeout">): Record<string, string[]> {
  const errors: Record<string, string[]> = {};
  if (runner.tags.length === 0 && !runner.runUntagged) {
    errors["tags_list"] = ["can not be empty when runner is not allowed to pick untagged jobs"];
  }
  if (runner.maximumTimeout !== undefined && !(runner.maximumTimeout >= 600)) {
    errors["maximum_timeout"] = ["needs to be at least 10 minutes"];
  }
  return errors;
}

const words = (field: string): string => field.charAt(0).toUpperCase() + field.slice(1).replaceAll("_", " ");

function updateRunner(
  store: Store,
  schedule: Schedule,
  runner: Runner,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const changes = changesOf(bodyOf(request));
  if (Object.keys(changes).length === 0) {
    const error =
      "description, active, paused, tag_list, run_untagged, locked, access_level, maximum_timeout, maintenance_note are missing, at least one parameter must be provided";
    return reply.code(400).send({ error });
  }
  const errors = runnerErrors({ ...runner, ...changes });
  if (Object.keys(errors).length > 0) {
    return reply.code(400).send({ message: errors });
  }
  Object.assign(runner, changes);
  store.save();
  schedule.touch(runner);
  return reply.send(details(store, runner));
}

function changesOf(body: Body): Partial<Runner> {
  const isTrue = (value: unknown): boolean => String(value) === "true";
  const readers: Record<string, (value: unknown) => Partial<Runner>> = {
    description: (value) => ({ description: String(value ?? "") }),
    tag_list: (value) => ({ tags: tagList(value) }),
    run_untagged: (value) => ({ runUntagged: isTrue(value) }),
    paused: (value) => ({ paused: isTrue(value) }),
    active: (value) => ({ paused: !isTrue(value) }),
    locked: (value) => ({ locked: isTrue(value) }),
    access_level: (value) => ({ accessLevel: value === "ref_protected" ? "ref_protected" : "not_protected" }),
    maximum_timeout: (value) => ({ maximumTimeout: value == null || value === "" ? undefined : Number(value) }),
    maintenance_note: (value) => ({ maintenanceNote: String(value ?? "") }),
  };
  return Object.assign({}, ...Object.entries(readers).map(([key, read]) => (key in body ? read(body[key]) : {})));
}
