/**
 * Merge requests with their notes and labels, and issues, as far as jobs use them, with PRIVATE-TOKEN. Merge requests are
 * opened and merged through the API as by people, and get the pipelines that GitLab makes of that; one for a later commit is
 * asked for.
 * https://docs.gitlab.com/api/merge_requests/, https://docs.gitlab.com/api/notes/, https://docs.gitlab.com/api/issues/
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { authorize } from "./accessTokens";
import type { Repositories } from "./git";
import type { Pipeline, Project } from "./model";
import type { PipelineInput } from "./protocol";
import { ProjectError } from "./projectError";
import { bodyOf } from "./runnerApi";
import type { Store } from "./store";

interface Note {
  id: number;
  body: string;
  author: { id: number; username: string };
  created_at: string;
  updated_at: string;
  system: false;
}

interface Issue {
  iid: number;
  title: string;
  description: string;
  state: "opened" | "closed";
  labels: string[];
}

interface MergeRequest extends Omit<Issue, "state"> {
  state: "opened" | "merged" | "closed";
  source_branch: string;
  target_branch: string;
  notes: Note[];
}

interface Tracked {
  mergeRequests: MergeRequest[];
  issues: Issue[];
}

type Call = FastifyRequest<{ Params: { id: string; iid: string; note: string }; Querystring: Record<string, string> }>;

/** Whoever's token it is: there is one user only. */
const author = { id: 1, username: "root" };

/** GitLab takes a note of a million characters, and no more (app/models/concerns/issuable or note: MAX 1_000_000). */
const longestNote = 1_000_000;

export class MergeRequests {
  private readonly tracked = new Map<number, Tracked>();
  private lastNote = 0;
  /** Set by whoever makes pipelines, which need to know merge requests themselves. */
  makePipeline?: (project: Project, input: PipelineInput) => Promise<Pipeline>;

  constructor(
    private readonly store: Store,
    private readonly repositories: Repositories,
  ) {}

  /** The open merge request of a branch; a pipeline for it is told of it. */
  ofBranch(project: Project, branch: string): { iid: number; target: string } | undefined {
    const found = this.of(project).mergeRequests.find((one) => one.state === "opened" && one.source_branch === branch);
    return found && { iid: found.iid, target: found.target_branch };
  }

  serve(app: FastifyInstance): void {
    const base = "/api/v4/projects/:id";
    const on = (method: "GET" | "POST" | "PUT" | "DELETE", url: string, answer: (at: At) => unknown): void => {
      app.route({ method, url, handler: (request, reply) => this.answer(request as Call, reply, answer) });
    };
    app.get("/api/v4/user", (request, reply) =>
      this.allowed(request, reply) ? reply.send({ ...author, name: "Administrator" }) : reply,
    );
    on("POST", `${base}/merge_requests`, (at) => this.open(at));
    on("GET", `${base}/merge_requests/:iid`, (at) => this.view(at));
    on("PUT", `${base}/merge_requests/:iid`, (at) => this.change(at));
    on("PUT", `${base}/merge_requests/:iid/merge`, (at) => this.merge(at));
    on("POST", `${base}/merge_requests/:iid/pipelines`, (at) => this.addPipeline(at));
    on("GET", `${base}/merge_requests/:iid/notes`, ({ request, mergeRequest }) => paged(request, mergeRequest!.notes));
    on("POST", `${base}/merge_requests/:iid/notes`, (at) => this.addNote(at));
    on("PUT", `${base}/merge_requests/:iid/notes/:note`, (at) => editNote(at));
    on("DELETE", `${base}/merge_requests/:iid/notes/:note`, ({ request, reply, mergeRequest }) => {
      mergeRequest!.notes = mergeRequest!.notes.filter(({ id }) => id !== Number(request.params.note));
      void reply.code(204);
      return undefined;
    });
    on("GET", `${base}/issues`, ({ request, tracked }) => paged(request, tracked.issues.filter(wanted(request.query))));
    on("POST", `${base}/issues`, (at) => addIssue(at));
    on("PUT", `${base}/issues/:iid`, (at) => changeIssue(at));
  }

  private of(project: Project): Tracked {
    const known = this.tracked.get(project.id) ?? { mergeRequests: [], issues: [] };
    this.tracked.set(project.id, known);
    return known;
  }

  private allowed(request: FastifyRequest, reply: FastifyReply): boolean {
    return authorize(this.store, request, reply) !== undefined;
  }

  private async answer(request: Call, reply: FastifyReply, answer: (at: At) => unknown): Promise<unknown> {
    if (!this.allowed(request, reply)) {
      return reply;
    }
    const { id, iid } = request.params;
    const project = this.store.projects.get(id) ?? this.store.projectById(Number(id));
    if (!project) {
      return reply.code(404).send({ message: "404 Project Not Found" });
    }
    const tracked = this.of(project);
    const at = (list: { iid: number }[]): never => list.find((one) => one.iid === Number(iid)) as never;
    const mergeRequest: MergeRequest | undefined = at(tracked.mergeRequests);
    const issue: Issue | undefined = at(tracked.issues);
    const wants = request.url.includes("/merge_requests/")
      ? mergeRequest
      : request.url.includes("/issues/")
        ? issue
        : {};
    if (wants === undefined) {
      return reply.code(404).send({ message: "404 Not found" });
    }
    const body = bodyOf(request) as Record<string, string | undefined>;
    const sent = await answer({ request, reply, project, tracked, mergeRequest, issue, body });
    return reply.sent ? reply : reply.send(sent);
  }

  private async open({ reply, project, tracked, body }: At): Promise<unknown> {
    const { source_branch, target_branch, title } = body;
    const sha = await this.repositories.resolve(project, `refs/heads/${source_branch ?? ""}`);
    if (!source_branch || !target_branch || !title || !sha) {
      void reply.code(400);
      return { message: "title, source_branch and target_branch are needed, and the branches have to be there" };
    }
    const { description = "", labels } = body;
    const mergeRequest: MergeRequest = {
      ...{
        iid: tracked.mergeRequests.length + 1,
        title,
        description,
        state: "opened",
        labels: listed(labels),
        notes: [],
      },
      ...{ source_branch, target_branch },
    };
    tracked.mergeRequests.push(mergeRequest);
    const pipeline = await this.pipelineOf(project, { ref: source_branch, source: "merge_request_event" });
    void reply.code(201);
    return { ...(await this.shown(project, mergeRequest)), head_pipeline: pipeline ?? null };
  }

  /** The pipeline for the branch's last commit. */
  private async addPipeline({ reply, project, mergeRequest }: At): Promise<unknown> {
    const input = { ref: mergeRequest!.source_branch, source: "merge_request_event" };
    const pipeline = await this.pipelineOf(project, input);
    void reply.code(pipeline === undefined ? 400 : 201);
    return pipeline ?? { message: "No jobs for this pipeline" };
  }

  /** Merges by a commit of its own, as GitLab does by default; the target branch gets its pipeline. */
  private async merge({ reply, project, mergeRequest }: At): Promise<unknown> {
    const { source_branch, target_branch, title, state } = mergeRequest!;
    if (state !== "opened") {
      void reply.code(405);
      return { message: "405 Method Not Allowed" };
    }
    const sha = await this.repositories.merge(
      project,
      source_branch,
      target_branch,
      `Merge branch '${source_branch}'\n\n${title}`,
    );
    if (sha === undefined) {
      void reply.code(422);
      return { message: "Branch cannot be merged" };
    }
    mergeRequest!.state = "merged";
    const pipeline = await this.pipelineOf(project, { ref: target_branch, source: "push" });
    return { ...(await this.shown(project, mergeRequest!)), merge_commit_sha: sha, pipeline: pipeline ?? null };
  }

  /** Undefined where there is no pipeline to be made: no `.gitlab-ci.yml`, or no job in it for this. */
  private async pipelineOf(project: Project, input: PipelineInput): Promise<object | undefined> {
    try {
      const { id, iid, sha, ref } = (await this.makePipeline?.(project, input)) ?? {};
      return id === undefined ? undefined : { id, iid, sha, ref, source: input.source };
    } catch (error) {
      if (error instanceof ProjectError) {
        return undefined;
      }
      throw error;
    }
  }

  private view({ project, mergeRequest }: At): Promise<unknown> {
    return this.shown(project, mergeRequest!);
  }

  private async shown(project: Project, { notes, ...mergeRequest }: MergeRequest): Promise<object> {
    const sha = await this.repositories.resolve(project, `refs/heads/${mergeRequest.source_branch}`);
    return { ...mergeRequest, project_id: project.id, sha, user_notes_count: notes.length };
  }

  private change(at: At): Promise<unknown> {
    const { mergeRequest, body } = at;
    mergeRequest!.labels = labelsAfter(mergeRequest!, body);
    if (body["state_event"] === "close") {
      mergeRequest!.state = "closed";
    }
    return this.view(at);
  }

  private addNote({ reply, mergeRequest, body }: At): unknown {
    const text = body["body"] ?? "";
    if (text === "" || text.length > longestNote) {
      void reply.code(400);
      return { message: { note: [text === "" ? "can't be blank" : "is too long (maximum is 1000000 characters)"] } };
    }
    const now = new Date().toISOString();
    const note: Note = { id: ++this.lastNote, body: text, author, created_at: now, updated_at: now, system: false };
    mergeRequest!.notes.push(note);
    void reply.code(201);
    return note;
  }
}

interface At {
  request: Call;
  reply: FastifyReply;
  project: Project;
  tracked: Tracked;
  mergeRequest: MergeRequest | undefined;
  issue: Issue | undefined;
  body: Record<string, string | undefined>;
}

function editNote({ request, reply, mergeRequest, body }: At): unknown {
  const note = mergeRequest!.notes.find(({ id }) => id === Number(request.params.note));
  if (note === undefined) {
    void reply.code(404);
    return { message: "404 Note Not Found" };
  }
  note.body = body["body"] ?? note.body;
  note.updated_at = new Date().toISOString();
  return note;
}

function addIssue({ reply, tracked, body }: At): unknown {
  const { title = "", description = "", labels } = body;
  const issue: Issue = { iid: tracked.issues.length + 1, title, description, state: "opened", labels: listed(labels) };
  tracked.issues.push(issue);
  void reply.code(201);
  return issue;
}

function changeIssue({ issue, body }: At): unknown {
  issue!.description = body["description"] ?? issue!.description;
  issue!.title = body["title"] ?? issue!.title;
  issue!.labels = labelsAfter(issue!, body);
  const event = body["state_event"];
  issue!.state = event === "close" ? "closed" : event === "reopen" ? "opened" : issue!.state;
  return issue;
}

/** Labels as a change leaves them: `labels` are all that are left, the other two take some away and add some. */
function labelsAfter({ labels: now }: { labels: string[] }, body: At["body"]): string[] {
  const { labels, remove_labels, add_labels } = body;
  const gone = new Set(listed(remove_labels));
  const kept = (labels === undefined ? now : listed(labels)).filter((label) => !gone.has(label));
  return [...new Set([...kept, ...listed(add_labels)])];
}

function wanted({ state, labels, search }: Record<string, string>): (issue: Issue) => boolean {
  return (issue) =>
    (state === undefined || state === "all" || issue.state === state) &&
    listed(labels).every((label) => issue.labels.includes(label)) &&
    (search === undefined || `${issue.title}\n${issue.description}`.includes(search));
}

/** Page by page, as GitLab does; 20 a page unless asked otherwise, 100 at most. */
function paged<T>({ query }: Call, list: T[]): T[] {
  const size = Math.min(100, Number(query["per_page"] ?? 20));
  const start = (Number(query["page"] ?? 1) - 1) * size;
  return list.slice(start, start + size);
}

function listed(labels: string | undefined): string[] {
  return (labels ?? "").split(",").filter((label) => label !== "");
}
