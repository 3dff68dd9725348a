/**
 * Who may use GitLab's API: access tokens with scopes, and the role of whoever they belong to. GitLab's words and
 * answers: lib/api/api_guard.rb and the `allow_access_with_scope` of lib/api/user_runners.rb and lib/api/ci/runners.rb
 * (gitlabhq/gitlabhq); https://docs.gitlab.com/user/profile/personal_access_tokens/#personal-access-token-scopes.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { AccessTokenInput } from "./protocol";
import { header } from "./runnerApi";
import { same, type Store } from "./store";

export interface AccessToken extends Required<Omit<AccessTokenInput, "expiresAt">> {
  token: string;
  expiresAt?: number;
}

/** What a call needs, beside the scope `api`, which may do everything. */
export type Scope = "create_runner" | "manage_runner" | "read_api";

/** What the administrator's token of the lab stands for. */
const administrator = { scopes: ["api"], role: "admin", revoked: false } as const;

type Caller = Pick<AccessToken, "scopes" | "role" | "revoked" | "expiresAt">;

function callerOf(store: Store, token: string | undefined): Caller | undefined {
  if (token === undefined) {
    return undefined;
  }
  if (store.adminToken !== undefined && same(token, store.adminToken)) {
    return { ...administrator, scopes: [...administrator.scopes] };
  }
  return store.accessTokens.find((known) => same(known.token, token));
}

/** The caller, when their token is good for one of these scopes; else the call is answered. */
export function authorize(
  store: Store,
  request: FastifyRequest,
  reply: FastifyReply,
  ...scopes: Scope[]
): Caller | undefined {
  const bearer = header(request, "authorization")?.replace(/^Bearer /, "");
  const caller = callerOf(store, header(request, "private-token") ?? bearer);
  const refuse = (status: number, body: object): undefined => void reply.code(status).send(body);
  if (caller === undefined) {
    return refuse(401, { message: "401 Unauthorized" });
  }
  if (caller.revoked) {
    const error_description = "Token was revoked. You have to re-authorize from the user.";
    return refuse(401, { error: "invalid_token", error_description });
  }
  if (caller.expiresAt !== undefined && caller.expiresAt <= Date.now()) {
    const error_description = "Token is expired. You can either do re-authorization or token refresh.";
    return refuse(401, { error: "invalid_token", error_description });
  }
  if (caller.scopes.includes("api") || scopes.some((scope) => caller.scopes.includes(scope))) {
    return caller;
  }
  const error_description = "The request requires higher privileges than provided by the access token.";
  return refuse(403, { error: "insufficient_scope", error_description, scope: ["api", ...scopes].join(" ") });
}

const order = ["developer", "maintainer", "owner", "admin"] as const;

/** Has the caller at least this role? */
export function isAtLeast({ role }: Caller, least: AccessToken["role"]): boolean {
  return order.indexOf(role) >= order.indexOf(least);
}
