import { execFile, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { dirname, join, resolve, sep } from "node:path";
import { promisify } from "node:util";
import type { Project } from "./model";
import { ProjectError } from "./projectError";
import type { FileInput } from "./protocol";

/** Git without the settings of whoever runs the stand-in. */
const env = {
  PATH: process.env["PATH"],
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "pi-lab",
  GIT_AUTHOR_EMAIL: "pi-lab@gitlab.lab",
  GIT_COMMITTER_NAME: "pi-lab",
  GIT_COMMITTER_EMAIL: "pi-lab@gitlab.lab",
  GIT_TERMINAL_PROMPT: "0",
};

async function git(cwd: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("git", args, { cwd, env, maxBuffer: 64 * 1024 * 1024 });
  return stdout.trimEnd();
}

/** Bare repositories, one a project, and work trees made of them for a moment. */
export class Repositories {
  /** Those that this process has seen to: a predecessor may have been killed half-way. */
  private readonly ready = new Set<string>();

  constructor(
    private readonly root: string,
    private readonly temporary: string,
  ) {
    rmSync(temporary, { recursive: true, force: true }); // what a killed predecessor left
    mkdirSync(root, { recursive: true });
    mkdirSync(temporary, { recursive: true });
  }

  path(project: Project): string {
    return join(this.root, `${project.path}.git`);
  }

  async create(project: Project): Promise<void> {
    const path = this.path(project);
    if (this.ready.has(path)) {
      return;
    }
    mkdirSync(path, { recursive: true });
    await git(path, "init", "--quiet", "--bare", `--initial-branch=${project.defaultBranch}`);
    // Runners fetch single commits and GitLab's refs/pipelines/*; pushing is guarded by the HTTP side.
    await git(path, "config", "uploadpack.allowAnySHA1InWant", "true");
    await git(path, "config", "uploadpack.allowFilter", "true");
    await git(path, "config", "http.receivepack", "true");
    this.ready.add(path);
  }

  /**
   * Commits exactly these files to the branch; the same tree again makes no new commit. A new branch begins at the default
   * one. Returns the commit.
   */
  async commit(project: Project, branch: string, files: Record<string, FileInput>, message: string): Promise<string> {
    const exists = await this.resolve(project, `refs/heads/${branch}`);
    return this.withTemporary(async (directory) => {
      await git(directory, "init", "--quiet", `--initial-branch=${branch}`);
      const from = exists ? branch : project.defaultBranch;
      if (exists ?? (await this.resolve(project, `refs/heads/${from}`))) {
        await git(directory, "fetch", "--quiet", this.path(project), `refs/heads/${from}`);
        await git(directory, "reset", "--quiet", "--soft", "FETCH_HEAD");
      }
      for (const [path, file] of Object.entries(files)) {
        writeFile(directory, path, file);
      }
      await git(directory, "add", "--all", "--force", ".");
      const changed = !exists || (await git(directory, "status", "--porcelain")) !== "";
      if (changed) {
        await git(directory, "commit", "--quiet", "--allow-empty", "--message", message);
      }
      await git(directory, "push", "--quiet", this.path(project), `HEAD:refs/heads/${branch}`);
      return git(directory, "rev-parse", "HEAD");
    });
  }

  /** Merges one branch into another. Returns the new commit; undefined where the two cannot be merged. */
  async merge(project: Project, source: string, target: string, message: string): Promise<string | undefined> {
    return this.withTemporary(async (directory) => {
      await git(directory, "clone", "--quiet", "--branch", target, this.path(project), "tree");
      const tree = join(directory, "tree");
      try {
        await git(tree, "merge", "--quiet", "--no-ff", "--message", message, `origin/${source}`);
      } catch {
        return undefined;
      }
      await git(tree, "push", "--quiet", this.path(project), `HEAD:refs/heads/${target}`);
      return git(tree, "rev-parse", "HEAD");
    });
  }

  /** The commit of a ref; undefined when there is none. */
  async resolve(project: Project, ref: string): Promise<string | undefined> {
    try {
      return await git(this.path(project), "rev-parse", "--quiet", "--verify", `${ref}^{commit}`);
    } catch {
      return undefined;
    }
  }

  async describe(project: Project, sha: string) {
    const text = await git(this.path(project), "show", "--no-patch", "--format=%s%x00%an <%ae>%x00%cI%x00%B", sha);
    const [title = "", author = "", timestamp = "", message = ""] = text.split("\0");
    return { title, author, timestamp, message: message.trim() };
  }

  /** GitLab keeps a ref per pipeline, and tells runners to fetch that one. */
  async keepForPipeline(project: Project, pipelineId: number, sha: string): Promise<void> {
    await git(this.path(project), "update-ref", `refs/pipelines/${pipelineId}`, sha);
  }

  /** The last commit that changed each file: what `cache:key:files` is made of. */
  async lastChange(project: Project, sha: string, file: string): Promise<string> {
    return git(this.path(project), "log", "-1", "--format=%H", sha, "--", file);
  }

  /** What the changes of a commit are compared with: where a merge request's branch left its target, else the commit before. */
  async comparedWith(project: Project, sha: string, target: string | undefined): Promise<string | undefined> {
    return target === undefined
      ? this.resolve(project, `${sha}^`)
      : git(this.path(project), "merge-base", sha, `refs/heads/${target}`).catch(() => undefined);
  }

  /**
   * Gives a checkout of the commit that looks like a clone from `url`, and removes it afterwards.
   *
   * @param base what the remote's default branch is to look like there
   */
  async withCheckout<T>(
    project: Project,
    { sha, ref, base }: { sha: string; ref: string; base?: string | undefined },
    url: string,
    use: (path: string) => Promise<T>,
  ) {
    return this.withTemporary(async (directory): Promise<T> => {
      const user = ["-c", `user.name=${env.GIT_AUTHOR_NAME}`, "-c", `user.email=${env.GIT_AUTHOR_EMAIL}`];
      await git(directory, "clone", "--quiet", "--no-checkout", ...user, this.path(project), "tree");
      const tree = join(directory, "tree");
      await git(tree, "checkout", "--quiet", "-B", ref, sha);
      await git(tree, "remote", "set-url", "origin", url);
      if (base !== undefined) {
        await git(tree, "update-ref", `refs/remotes/origin/${project.defaultBranch}`, base);
      }
      return use(tree);
    });
  }

  private async withTemporary<T>(use: (directory: string) => Promise<T>): Promise<T> {
    const directory = mkdtempSync(join(this.temporary, "tree-"));
    try {
      return await use(directory);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

function writeFile(directory: string, path: string, file: FileInput): void {
  const target = resolve(directory, path);
  if (!target.startsWith(directory + sep) || path.split("/").includes(".git")) {
    throw new ProjectError(`A file of a project must lie inside it: ${path}: give a path such as src/main.c`);
  }
  const { content, encoding = "utf8", executable = false } = typeof file === "string" ? { content: file } : file;
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, Buffer.from(content, encoding));
  if (executable) {
    chmodSync(target, 0o755);
  }
}

/**
 * One call of git's own HTTP server, `git http-backend`, by the rules of CGI (RFC 3875).
 * https://git-scm.com/docs/git-http-backend
 */
export function serveGit(root: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", "http://localhost");
  const child = spawn("git", ["http-backend"], {
    env: {
      ...env,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      REMOTE_USER: "lab", // who may do what has been decided before
      REQUEST_METHOD: request.method,
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
      GIT_PROTOCOL: [request.headers["git-protocol"] ?? ""].flat().join(""),
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  request.pipe(child.stdin);
  child.stdin.on("error", () => undefined); // git may stop reading early; its answer says why
  response.on("close", () => child.kill());
  child.on("error", () => response.destroy());
  let head = Buffer.alloc(0);
  child.stdout.on("data", (chunk: Buffer) => {
    if (response.headersSent) {
      return void writeOrPause(response, chunk, child.stdout);
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) {
      return;
    }
    sendHead(response, head.subarray(0, end).toString("latin1"));
    writeOrPause(response, head.subarray(end + 4), child.stdout);
  });
  child.stdout.on("end", () => {
    if (!response.headersSent) {
      response.writeHead(500);
    }
    response.end();
  });
}

function writeOrPause(response: ServerResponse, chunk: Buffer, source: NodeJS.ReadableStream): void {
  if (response.write(chunk)) {
    return;
  }
  source.pause();
  response.once("drain", () => source.resume());
}

function sendHead(response: ServerResponse, head: string): void {
  let status = 200;
  for (const line of head.split("\r\n")) {
    const colon = line.indexOf(":");
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()];
    if (name.toLowerCase() === "status") {
      status = Number.parseInt(value, 10);
    } else {
      response.setHeader(name, value);
    }
  }
  response.writeHead(status);
}
