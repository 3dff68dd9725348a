/** What of GitLab's API the jobs need (https://docs.gitlab.com/api/rest/), by a project access token with scope `api`. */

/** A call that GitLab refused, or that did not reach it. */
export class GitlabError extends Error {}

/** Where the variable with the token is missing, everything else goes on. */
export const tokenVariable = "PI_RUNNERS_GITLAB_TOKEN";

export class GitlabProject {
  private constructor(
    private readonly api: string,
    private readonly base: string,
    private readonly token: string,
  ) {}

  /** The project of the job that this runs in; undefined where there is no token, or no job. */
  static ofJob(env: NodeJS.ProcessEnv): GitlabProject | undefined {
    const { CI_API_V4_URL: api, CI_PROJECT_ID: project, [tokenVariable]: token } = env;
    return api && project && token
      ? new GitlabProject(api, `${api}/projects/${encodeURIComponent(project)}`, token)
      : undefined;
  }

  get<T>(path: string): Promise<T> {
    return this.call<T>("GET", path);
  }

  post<T>(path: string, body: object): Promise<T> {
    return this.call<T>("POST", path, body);
  }

  put<T>(path: string, body: object): Promise<T> {
    return this.call<T>("PUT", path, body);
  }

  delete(path: string): Promise<unknown> {
    return this.call("DELETE", path);
  }

  /** All of a list, page by page. */
  async all<T>(path: string): Promise<T[]> {
    const found: T[] = [];
    for (let page = 1; ; page++) {
      const entries = await this.get<T[]>(`${path}${path.includes("?") ? "&" : "?"}per_page=100&page=${page}`);
      found.push(...entries);
      if (entries.length < 100) {
        return found;
      }
    }
  }

  /** The id of whoever the token belongs to. */
  async me(): Promise<number> {
    const { id } = await this.call<{ id: number }>("GET", `${this.api}/user`);
    return id;
  }

  private async call<T>(method: string, path: string, body?: object): Promise<T> {
    const address = path.startsWith("http") ? path : this.base + path;
    const { ok, status, text } = await this.answer(method, address, body);
    if (!ok) {
      throw new GitlabError(
        `GitLab refused ${method} ${address}: ${status} ${text.slice(0, 300)}\n` +
          `The token in ${tokenVariable} has to be a project access token with scope api and role Developer or more.`,
      );
    }
    try {
      return (text === "" ? undefined : JSON.parse(text)) as T;
    } catch {
      throw new GitlabError(
        `What answers ${method} ${address} is no API of GitLab: ${text.slice(0, 100)}\n` +
          "Look at what stands between the job and CI_API_V4_URL: a proxy, a page that asks for a login.",
      );
    }
  }

  private async answer(
    method: string,
    address: string,
    body?: object,
  ): Promise<{ ok: boolean; status: number; text: string }> {
    try {
      const response = await fetch(address, {
        method,
        headers: { "PRIVATE-TOKEN": this.token, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        // The token would go along, to wherever it leads.
        redirect: "error",
        signal: AbortSignal.timeout(30_000),
      });
      return { ok: response.ok, status: response.status, text: await response.text() };
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      throw new GitlabError(
        `GitLab does not answer: ${method} ${address}: ${String(error)}${cause === undefined ? "" : ` (${String(cause)})`}\n` +
          "Check that the job reaches CI_API_V4_URL, without a redirection, and trusts its certificate.",
      );
    }
  }
}
