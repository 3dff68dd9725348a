import multipart from "@fastify/multipart";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { join } from "node:path";
import { Faults } from "./faults";
import { Repositories, serveGit } from "./git";
import { jobApi } from "./jobApi";
import { labApi, newCounts } from "./labApi";
import { MergeRequests } from "./mergeRequests";
import type { ServerOptions } from "./options";
import { Pipelines } from "./pipelines";
import { registryAuth } from "./registryAuth";
import { header, runnerApi } from "./runnerApi";
import { Schedule } from "./schedule";
import { same, Store } from "./store";
import { userApi } from "./userApi";

/** The stand-in, ready to listen; `close()` ends it. */
export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: 64 * 1024 * 1024,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 300 },
  });
  const store = new Store(options);
  const repositories = new Repositories(join(options.stateDir, "repositories"), join(options.stateDir, "tmp"));
  const schedule = new Schedule(store);
  const mergeRequests = new MergeRequests(store, repositories);
  const pipelines = new Pipelines(options, store, repositories, schedule, mergeRequests);
  const faults = new Faults();
  const counts = { current: newCounts() };

  const sweep = setInterval(() => schedule.dropStale(options.staleJobSeconds), 1000);
  app.addHook("onClose", async () => clearInterval(sweep));
  app.addHook("onRequest", (request, reply) => faults.before(request, reply));
  app.addHook("onSend", (request, reply) => faults.after(request, reply));
  app.addHook("onResponse", async (request, reply) => {
    count(counts.current, request, reply);
    options.log(logLine(request, reply));
  });
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) {
      options.log(`${request.method} ${request.routeOptions.url ?? "?"}: ${error.stack ?? error.message}`);
    }
    return reply.code(status).send({ message: error.message });
  });
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ message: "404 Not Found" }));
  await app.register(multipart);
  bodies(app);
  runnerApi(app, store, schedule);
  jobApi(app, { options, store, schedule, pipelines });
  userApi(app, store, schedule);
  mergeRequests.serve(app);
  registryAuth(app, store, options.registryKey);
  labApi(app, { options, store, schedule, pipelines, repositories, faults, counts });
  gitOverHttp(app, store, repositories, join(options.stateDir, "repositories"));
  return app;
}

/** What the callers send: JSON (also empty), forms, traces, and git's own streams. */
function bodies(app: FastifyInstance): void {
  app.removeContentTypeParser(["application/json", "text/plain"]);
  app.addContentTypeParser("application/json", { parseAs: "string" }, (_request, body, done) => {
    try {
      done(null, body === "" ? {} : JSON.parse(body as string));
    } catch (error) {
      done(Object.assign(error as Error, { statusCode: 400 }));
    }
  });
  app.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string" }, (_request, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(body as string)));
  });
  app.addContentTypeParser("text/plain", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.addContentTypeParser(/^application\/x-git-/, (_request, payload, done) => done(null, payload));
}

/** `/<group>/<name>.git`: reading with a running job's token, all with the administrator's. */
function gitOverHttp(app: FastifyInstance, store: Store, repositories: Repositories, root: string): void {
  const serve = async (request: FastifyRequest, reply: FastifyReply) => {
    const path = request.url.slice(1, request.url.indexOf(".git/"));
    const service = /git-(?:upload|receive)-pack/.exec(request.url)?.[0];
    const project = store.projects.get(decodeURIComponent(path));
    const access = gitAccess(store, request, path);
    if (project?.public && service !== "git-receive-pack") {
      access.read = true;
    }
    if (!project || !(service === "git-receive-pack" ? access.write : access.read)) {
      if (access.known) {
        return reply.code(403).send("You are not allowed to do this with this project.\n");
      }
      return reply.code(401).header("WWW-Authenticate", 'Basic realm="GitLab"').send("HTTP Basic: Access denied\n");
    }
    await repositories.create(project);
    reply.hijack();
    serveGit(root, request.raw, reply.raw);
    return reply;
  };
  const method = ["GET", "POST"];
  app.route({ method, url: "/*", handler: serve, constraints: {}, onRequest: onlyGit });
}

/** Everything else under `/*` is not there. */
async function onlyGit(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  if (
    /^\/[\w./-]+\.git\/(?:info\/refs|git-upload-pack|git-receive-pack|HEAD|objects\/[\w/.-]+)(?:\?|$)/.test(request.url)
  ) {
    return;
  }
  return reply.code(404).send({ message: "404 Not Found" });
}

function gitAccess(store: Store, request: FastifyRequest, path: string) {
  const basic = /^Basic (.+)$/i.exec(header(request, "authorization") ?? "")?.[1];
  const password = Buffer.from(basic ?? "", "base64")
    .toString("utf8")
    .split(":")
    .slice(1)
    .join(":");
  if (store.adminToken !== undefined && same(password, store.adminToken)) {
    return { known: true, read: true, write: true };
  }
  const job = store.runningJobByToken(password);
  return { known: job !== undefined, read: job?.pipeline.project.path === path, write: false };
}

function count(counts: ReturnType<typeof newCounts>, request: FastifyRequest, reply: FastifyReply): void {
  const route = `${request.method} ${request.routeOptions.url ?? request.url}`;
  const statuses = (counts.routes[route] ??= {});
  statuses[reply.statusCode] = (statuses[reply.statusCode] ?? 0) + 1;
  counts.total++;
}

/** Tokens travel in bodies and headers, which are not logged; of the query only git's service is. */
function logLine(request: FastifyRequest, reply: FastifyReply): string {
  const [path = "", query = ""] = request.url.split("?");
  const service = /(?:^|&)(service=[\w-]+)/.exec(query)?.[1];
  const url = service ? `${path}?${service}` : path;
  return `${new Date().toISOString()} ${request.ip} ${request.method} ${url} ${reply.statusCode} ${Math.round(reply.elapsedTime)}ms`;
}
