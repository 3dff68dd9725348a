/**
 * GitLab's token endpoint for its container registry: it signs, for the registry, what the caller may do with which
 * repository. After app/controllers/jwt_controller.rb and app/services/auth/container_registry_authentication_service.rb
 * of GitLab 18, and https://distribution.github.io/distribution/spec/auth/token/.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { SignJWT } from "jose";
import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomUUID } from "node:crypto";
import type { Job, Project } from "./model";
import type { DeployToken } from "./protocol";
import { header } from "./runnerApi";
import { same, type Store } from "./store";

/** The key with which GitLab signs; the registry has its certificate as `rootcertbundle`. */
export interface RegistryKey {
  /** RSA, PEM. */
  privateKey: string;
  /** What the registry's configuration calls `issuer`. GitLab's packages have `omnibus-gitlab-issuer`. */
  issuer: string;
}

/** Who asks. GitLab knows more kinds of tokens; these three are what jobs and people use for images. */
type Caller =
  | { type: "build"; name: string; job: Job }
  | { type: "personal_access_token"; name: string }
  | { type: "deploy_token"; name: string; token: DeployToken; project: Project };

interface Access {
  type: string;
  name: string;
  actions: string[];
}

/** Seconds that a token is good for: GitLab's default of five minutes. */
const lifetime = 300;

export function registryAuth(app: FastifyInstance, store: Store, key: RegistryKey | undefined): void {
  const sign = key && signer(key);
  app.get("/jwt/auth", async (request, reply) => {
    if (!sign) {
      return refuse(reply, 404, "UNAVAILABLE", "registry not enabled");
    }
    const caller = authenticate(store, request);
    if (caller === "unknown") {
      return refuse(reply, 401, "UNAUTHORIZED", "HTTP Basic: Access denied. The password was incorrect.");
    }
    const query = request.query as Record<string, string | string[] | undefined>;
    const access = scopesOf(query["scope"]).flatMap((scope) => grant(store, caller, scope));
    if (!caller && access.length === 0) {
      return refuse(reply, 403, "DENIED", "access forbidden");
    }
    return reply.send({ token: await sign(caller, String(query["service"] ?? ""), access) });
  });
  // GitLab has no POST here: clients that try OAuth first (containerd, BuildKit) hear 404 and ask by GET.
  app.post("/jwt/auth", (_request, reply) => reply.code(404).send(""));
}

const refuse = (reply: FastifyReply, status: number, code: string, message: string): FastifyReply =>
  reply.code(status).send({ errors: [{ code, message }] });

/** By Basic authentication; without it nobody in particular, who may pull what is public. */
function authenticate(store: Store, request: FastifyRequest): Caller | undefined | "unknown" {
  const basic = /^Basic (.+)$/i.exec(header(request, "authorization") ?? "")?.[1];
  if (basic === undefined) {
    return undefined;
  }
  const [, name = "", password = ""] = /^([^:]*):(.*)$/s.exec(Buffer.from(basic, "base64").toString("utf8")) ?? [];
  if (name === "gitlab-ci-token") {
    const job = store.runningJobByToken(password);
    return job ? { type: "build", name: "root", job } : "unknown";
  }
  if (store.adminToken !== undefined && same(password, store.adminToken)) {
    return { type: "personal_access_token", name: "root" };
  }
  for (const project of store.projects.values()) {
    const token = project.deployTokens?.find((one) => one.username === name && same(one.token, password));
    if (token) {
      return { type: "deploy_token", name, token, project };
    }
  }
  return "unknown";
}

/** Several `scope` parameters, each of which may hold several scopes with a blank between them (RFC 6749, 3.3). */
const scopesOf = (scope: string | string[] | undefined): string[] =>
  [scope ?? []].flat().flatMap((one) => one.split(/\s+/).filter(Boolean));

/** What of one scope the caller gets: nothing, or the actions that it may. A scope is `type:name:action,action`. */
function grant(store: Store, caller: Caller | undefined, scope: string): Access[] {
  const [, type = "", name = "", list = ""] = /^(\w+):(.+):([\w,*]*)$/.exec(scope) ?? [];
  if (type === "registry") {
    return caller?.type === "personal_access_token" && name === "catalog" ? [{ type, name, actions: ["*"] }] : [];
  }
  const project = type === "repository" ? projectOf(store, name) : undefined;
  const actions = project ? list.split(",").filter((action) => may(caller, project, action)) : [];
  return actions.length === 0 ? [] : [{ type, name, actions }];
}

/** A project's repositories are named as itself, or have up to two more parts. */
function projectOf(store: Store, repository: string): Project | undefined {
  return [...store.projects.values()].find((project) => {
    const path = project.path.toLowerCase();
    const rest = repository.slice(path.length);
    return repository.startsWith(path) && /^(\/[^/]+){0,2}$/.test(rest);
  });
}

function may(caller: Caller | undefined, project: Project, action: string): boolean {
  if (action === "pull" && project.public) {
    return true;
  }
  switch (caller?.type) {
    case undefined:
      return false;
    case "build": // GitLab lets a job also pull from projects whose allowlist names its own; there is none here
      return ["pull", "push", "delete"].includes(action) && caller.job.pipeline.project === project;
    case "personal_access_token":
      return ["pull", "push", "delete", "*"].includes(action);
    case "deploy_token":
      return (
        caller.project === project &&
        ((action === "pull" && caller.token.scopes.includes("read_registry")) ||
          (action === "push" && caller.token.scopes.includes("write_registry")))
      );
  }
}

function signer({ privateKey, issuer }: RegistryKey) {
  const key = createPrivateKey(privateKey);
  const kid = keyId(key);
  return (caller: Caller | undefined, audience: string, access: Access[]): Promise<string> =>
    new SignJWT({ access, auth_type: caller?.type ?? "none" })
      .setProtectedHeader({ typ: "JWT", alg: "RS256", kid })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(caller?.name ?? "")
      .setJti(randomUUID())
      .setIssuedAt()
      .setNotBefore("-5s") // clocks differ
      .setExpirationTime(`${lifetime}s`)
      .sign(key);
}

/** By this name Docker's registry (2.8, its libtrust) finds the key: base32 of a hash of the public key, in fours. */
function keyId(key: KeyObject): string {
  const der = createPublicKey(key).export({ type: "spki", format: "der" });
  const bits = [...createHash("sha256").update(der).digest().subarray(0, 30)]
    .map((byte) => byte.toString(2).padStart(8, "0"))
    .join("");
  const letters = bits.match(/.{5}/g)!.map((five) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[Number.parseInt(five, 2)]);
  return letters.join("").match(/.{4}/g)!.join(":");
}
