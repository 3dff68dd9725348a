/** What a token of GitLab is for, told by its prefix. */
type TokenKind = "authentication" | "registration" | "other" | "unknown";

/** Prefixes of tokens that never authenticate a runner (GitLab docs, "Token overview"). */
const others: Record<string, string> = {
  "glpat-": "a personal, project or group access token",
  "glptt-": "a pipeline trigger token",
  "glcbt-": "a job token",
  "gldt-": "a deploy token",
  "glagent-": "an agent token",
  "gloas-": "an OAuth secret",
  "glft-": "a feed token",
  "glimt-": "an incoming mail token",
};

/**
 * Tells a token's kind. `glrt-` begins the authentication token of a runner that was created in GitLab, `glrtr-` that
 * of one that was registered; `GR1348941` begins a legacy registration token (gitlab-runner 19.4.0,
 * helpers/shorten_token.go and network/gitlab.go).
 */
export function tokenKind(token: string): TokenKind {
  if (/^glrtr?-/.test(token)) {
    return "authentication";
  }
  if (token.startsWith("GR1348941")) {
    return "registration";
  }
  return Object.keys(others).some((prefix) => token.startsWith(prefix)) ? "other" : "unknown";
}

/** The name of a token that never authenticates a runner. */
function otherIn(token: string): string {
  const prefix = Object.keys(others).find((start) => token.startsWith(start))!;
  return `${others[prefix]} (${prefix}…)`;
}

const wayOut =
  "create a runner in GitLab (Settings > CI/CD > Runners > New runner, or POST /user/runners) and give its token, which begins with glrt-";

/**
 * Says what is wrong with a runner's authentication token; undefined when nothing is. The text never holds the token.
 */
export function authenticationTokenError(token: string): string | undefined {
  if (token.trim() === "") {
    return `the token is empty; ${wayOut}`;
  }
  if (token !== token.trim() || /\s/.test(token)) {
    return "the token contains white space, probably from copying; set it again without";
  }
  const kind = tokenKind(token);
  if (kind === "registration") {
    return `a legacy registration token was given where an authentication token is due; such tokens are off by default since GitLab 17.0; ${wayOut}`;
  }
  if (kind === "other") {
    return `${otherIn(token)} was given where a runner's authentication token is due; ${wayOut}`;
  }
  if (kind === "unknown") {
    return `the token does not begin with glrt-, so it is no runner's authentication token (it may be a legacy registration token); ${wayOut}`;
  }
  return token.replace(/^glrtr?-/, "").length < 8 ? `the token is cut short; ${wayOut}` : undefined;
}

/** Says what is wrong with a legacy registration token; undefined when nothing is. The text never holds the token. */
export function registrationTokenError(token: string): string | undefined {
  if (token.trim() === "") {
    return `the registration token is empty; ${wayOut}`;
  }
  if (/\s/.test(token)) {
    return "the registration token contains white space, probably from copying; set it again without";
  }
  const kind = tokenKind(token);
  if (kind === "authentication") {
    return "an authentication token (glrt-…) was given where a legacy registration token is due; no registration is needed with it: give it as the authentication token";
  }
  return kind === "other"
    ? `${otherIn(token)} was given where a legacy registration token is due; ${wayOut}`
    : undefined;
}

/** Says what is wrong with an access token of GitLab's API; undefined when nothing is. The text never holds the token. */
export function accessTokenError(token: string): string | undefined {
  if (token.trim() === "" || /\s/.test(token)) {
    return "the access token is empty or contains white space; set it again";
  }
  const kind = tokenKind(token);
  return kind === "authentication" || kind === "registration"
    ? "a runner's token was given where an access token of GitLab's API is due; create one with the scopes create_runner and manage_runner (before GitLab 17.1: api)"
    : undefined;
}
