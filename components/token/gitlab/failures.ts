/** What GitLab's answers mean, each in three parts: what is wrong, where, what to do. Never a token. */
import type { Answer, Call, Failure, GitlabAddress } from "./request";

/** An error of a call. `status` is GitLab's; `maybeDone` says that it may have done what it was asked for. */
export interface GitlabError extends Error {
  status?: number;
  maybeDone?: boolean;
}

/** No stack: Pulumi prints it beside the message, and it says nothing to who reads it. */
export function gitlabError(what: string, where: string, todo: string, more: object = {}): GitlabError {
  return Object.assign(new Error(`${what}\n  ${where}\n  ${todo}`), { stack: "", ...more });
}

function placeOf({ url }: GitlabAddress, { method, path, subject }: Call): string {
  return `At ${method} ${url.replace(/\/+$/, "")}/api/v4/${path.split("?")[0]}, for ${subject}.`;
}

/** Scopes of an access token; manage_runner is there from GitLab 17.1 on (doc/security/tokens/access_token_scopes.md). */
export const scopes = "the scopes create_runner and manage_runner (before GitLab 17.1: api)";

/** Where an access token is set. */
export const setAccessToken =
  "pulumi config set --path --secret 'gitlab.accessToken', or 'runners[N].gitlab.accessToken' where the runner has a GitLab of its own";

const newToken = `Create an access token with ${scopes}, and set it: ${setAccessToken}. Then pulumi up, also before a destroy.`;

/** No answer came. */
export function failureOf(address: GitlabAddress, call: Call, { code = "", message, maybeDone }: Failure): GitlabError {
  const where = placeOf(address, call);
  const more = { maybeDone };
  if (code === "CERT_HAS_EXPIRED") {
    return gitlabError("The certificate of GitLab has expired.", where, "Renew it there, then run again.", more);
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const todo = "Write the name that the certificate holds in gitlab.url; hostAliases gives it an address.";
    return gitlabError("The certificate of GitLab is for another name.", where, todo, more);
  }
  if (/SELF_SIGNED|UNABLE_TO|CERT_/.test(code)) {
    const todo = "Name the CA that signed it, a PEM file, in gitlab.caFile.";
    return gitlabError(`The certificate of GitLab is not trusted (${code}).`, where, todo, more);
  }
  const todo = maybeDone
    ? "Run again once it answers: what GitLab may have done is found."
    : "Check gitlab.url, names of the LAN (hostAliases) and the proxy (HTTPS_PROXY, NO_PROXY), then run again: nothing was changed.";
  return gitlabError(`GitLab does not answer: ${message}.`, where, todo, more);
}

/** The same of a deletion: one that no GitLab will ever answer must not keep a stack from going. */
export function orForget(error: GitlabError): GitlabError {
  if (error.status === undefined) {
    error.message +=
      " Where that GitLab is gone for good: pulumi state delete URN, of the resource of this message (docs/tokens.md).";
  } else if (error.status < 400 || error.status === 401 || error.status === 403) {
    error.message += " Or delete the runner in GitLab by hand, then pulumi state delete URN (docs/tokens.md).";
  }
  return error;
}

/** An answer came that is none to the call. */
export function refusalOf(address: GitlabAddress, call: Call, answer: Answer): GitlabError {
  const { status } = answer;
  const [what, todo] = meaningOf(call, answer);
  // A gateway that gave up may have handed the call on before.
  return gitlabError(what, placeOf(address, call), todo, { status, maybeDone: status >= 500 || status < 400 });
}

function meaningOf(call: Call, answer: Answer): [what: string, todo: string] {
  const { status, headers } = answer;
  const said = saying(call, answer);
  if (status >= 300 && status < 400) {
    const target = String(headers.location ?? "").split("?")[0];
    return /sign_in|login|auth/.test(target!)
      ? [
          `Something in front of GitLab asks for a login: ${status} to ${target}.`,
          "Let calls of /api/v4 through, or name an address in gitlab.url that leads to GitLab itself.",
        ]
      : [`GitLab is at another address: ${status} to ${target}.`, "Write that one in gitlab.url, with its scheme."];
  }
  if (status === 429) {
    return [
      `GitLab limits the rate of calls (429), and still did after waiting.`,
      "Run again later; nothing was changed.",
    ];
  }
  if (answer.json === undefined && status !== 204) {
    return [
      `The answer is no JSON (${status}, ${headers["content-type"] ?? "no type"}): no GitLab's API is there, or it is out of order.`,
      "Open gitlab.url in a browser: it has to lead to GitLab itself, with its path where it has one. Then run again.",
    ];
  }
  switch (status) {
    case 401:
      return [`GitLab refuses the access token (401): ${said}.`, newToken];
    case 403:
      return [`GitLab refuses the call (403): ${said}.`, call.needs ?? newToken];
    case 404:
      return [
        `GitLab does not know what was asked for (404): ${said}.`,
        "Check the id, and that gitlab.url leads to a GitLab from 16.0 on.",
      ];
    case 410:
      return [
        `GitLab registers no runners by registration token (410): ${said}.`,
        "Use `create` with gitlab.accessToken instead: docs/tokens.md. Or have an administrator allow it: Admin > Settings > CI/CD > Runners.",
      ];
    default:
      return status >= 500
        ? [`GitLab has an error of its own (${status}): ${said}.`, "Run again once it is well; see its logs."]
        : [
            `GitLab refuses what was asked for (${status}): ${said}.`,
            "Change the settings that it names, then run again.",
          ];
  }
}

/** GitLab's own words, without the secrets of the call. */
function saying(call: Call, { json, text }: Answer): string {
  const { message, error, error_description: description } = (json ?? {}) as Record<string, unknown>;
  const words = description ?? message ?? error ?? text;
  const plain = typeof words === "string" ? words : JSON.stringify(words);
  const token = (call.body as { token?: string } | undefined)?.token;
  const secrets = [call.accessToken, token].filter((secret) => secret !== undefined && secret !== "");
  return secrets
    .reduce((all: string, secret) => all.replaceAll(secret!, "[secret]"), plain)
    .replace(/\b(gl[a-z]{2,}-|GR1348941)[\w.-]{8,}/g, "[secret]") // also one that GitLab has made just now
    .slice(0, 300)
    .replace(/\.$/, "");
}
