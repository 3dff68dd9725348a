/**
 * The calls by which runners come and go. Checked against network/gitlab.go of GitLab Runner 19.4.0, and
 * https://docs.gitlab.com/api/runners/.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Manager, Runner } from "./model";
import type { Schedule } from "./schedule";
import { type Store, newToken } from "./store";

/** What the legacy runner, which sends no system_id, is filed under; GitLab's own word. */
const legacySystemId = "<legacy>";

type Body = Record<string, unknown>;

export function bodyOf(request: FastifyRequest): Body {
  return typeof request.body === "object" && request.body !== null ? (request.body as Body) : {};
}

export function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

export function header(request: FastifyRequest, name: string): string | undefined {
  return text([request.headers[name]].flat()[0]);
}

export function tagList(value: unknown): string[] {
  const list = Array.isArray(value) ? value.map(String) : String(value ?? "").split(",");
  return [...new Set(list.map((tag) => tag.trim()).filter(Boolean))];
}

/** The runner that a call is from; when there is none, the call is answered with 403. */
export function authenticate(store: Store, request: FastifyRequest, reply: FastifyReply): Runner | undefined {
  const token = text(bodyOf(request)["token"]) ?? header(request, "runner-token");
  const runner = store.runnerByToken(token);
  if (!runner) {
    void reply.code(403).send({ message: "403 Forbidden - invalid token supplied" });
  }
  return runner;
}

/** Notes that this process of the runner is alive, and what it says of itself. */
export function heartbeat(runner: Runner, request: FastifyRequest): Manager {
  const body = bodyOf(request);
  const systemId = text(body["system_id"]) ?? legacySystemId;
  const info = (body["info"] ?? {}) as {
    version?: string;
    executor?: string;
    architecture?: string;
    features?: object;
  };
  const before = runner.managers.get(systemId);
  const now = Date.now();
  const manager: Manager = {
    systemId,
    version: info.version ?? before?.version,
    executor: info.executor ?? before?.executor,
    architecture: info.architecture ?? before?.architecture,
    features: { ...before?.features, ...info.features },
    ip: request.ip,
    firstSeenAt: before?.firstSeenAt ?? now,
    contactedAt: now,
  };
  // A running job points at its manager, so the object stays the same one.
  if (before) {
    return Object.assign(before, manager);
  }
  runner.managers.set(systemId, manager);
  return manager;
}

export function credentials({ id, token, tokenExpiresAt }: Runner) {
  const token_expires_at = tokenExpiresAt === undefined ? null : new Date(tokenExpiresAt).toISOString();
  return { id, token, token_expires_at };
}

export function runnerApi(app: FastifyInstance, store: Store, schedule: Schedule): void {
  app.post("/api/v4/runners", (request, reply) => {
    const body = bodyOf(request);
    const token = text(body["token"]) ?? header(request, "runner-token");
    if (store.settings.registration === "off") {
      // gitlab-runner 19.4.0, docs/register/_index.md, "Error: 410 Gone - runner registration disallowed".
      return reply.code(410).send({ message: "410 Gone - runner registration disallowed" });
    }
    if (!token || token !== (store.settings.registrationToken ?? store.registrationToken)) {
      return reply.code(403).send({ message: "403 Forbidden - invalid token supplied" });
    }
    const tags = tagList(body["tag_list"]);
    const runUntagged = body["run_untagged"] === undefined ? true : String(body["run_untagged"]) === "true";
    if (tags.length === 0 && !runUntagged) {
      const message = { tags_list: ["can not be empty when runner is not allowed to pick untagged jobs"] };
      return reply.code(400).send({ message });
    }
    const description = text(body["description"]) ?? "";
    const paused = String(body["paused"]) === "true" || String(body["active"]) === "false";
    const maximumTimeout = Number(body["maximum_timeout"]) || undefined;
    const accessLevel = body["access_level"] === "ref_protected" ? ("ref_protected" as const) : undefined;
    const maintenanceNote = text(body["maintenance_note"]);
    const locked = String(body["locked"]) === "true";
    const given = { description, tags, runUntagged, paused, maximumTimeout, accessLevel, maintenanceNote, locked };
    const runner = store.addRunner(given, "registration");
    return reply.code(201).send(credentials(runner));
  });

  app.post("/api/v4/runners/verify", (request, reply) => {
    const runner = authenticate(store, request, reply);
    if (!runner) {
      return reply;
    }
    heartbeat(runner, request);
    return reply.code(200).send(credentials(runner));
  });

  app.delete("/api/v4/runners", (request, reply) => {
    const runner = authenticate(store, request, reply);
    if (!runner) {
      return reply;
    }
    store.removeRunner(runner);
    return reply.code(204).send();
  });

  app.delete("/api/v4/runners/managers", (request, reply) => {
    const runner = authenticate(store, request, reply);
    if (!runner) {
      return reply;
    }
    const systemId = text(bodyOf(request)["system_id"]);
    if (!systemId) {
      return reply.code(400).send({ message: "system_id is missing" });
    }
    if (!runner.managers.delete(systemId)) {
      return reply.code(404).send({ message: "404 Runner manager not found" });
    }
    return reply.code(204).send();
  });

  app.post("/api/v4/runners/reset_authentication_token", (request, reply) => {
    const runner = authenticate(store, request, reply);
    if (!runner) {
      return reply;
    }
    return reply.code(201).send(resetToken(store, schedule, runner));
  });
}

/** The old token is worth nothing from now on (app/services/ci/runners/reset_authentication_token_service.rb: reset_token!). */
export function resetToken(store: Store, schedule: Schedule, runner: Runner) {
  runner.token = newToken(runner.token.startsWith("glrt-") ? "glrt-" : "");
  runner.tokenExpiresAt = store.expiry();
  store.save();
  schedule.touch(runner);
  return credentials(runner);
}
