import { GitlabProject, tokenVariable } from "./gitlabApi";
import { code } from "./report/markdown";
import { anyMarker, marker } from "./report/note";
import type { Report } from "./report/report";

interface Note {
  id: number;
  body: string;
  author: { id: number };
}

/** The job's place: which merge request, which commit of it, which pipeline. */
interface Place {
  mergeRequest: string;
  commit: string;
  pipeline: number;
}

function placeOf(env: NodeJS.ProcessEnv): Place | undefined {
  const { CI_MERGE_REQUEST_IID: mergeRequest, CI_PIPELINE_IID: pipeline } = env;
  // In a pipeline of merged results CI_COMMIT_SHA is a commit that only that pipeline has.
  const commit = env["CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"] || env["CI_COMMIT_SHA"];
  return mergeRequest && commit ? { mergeRequest, commit, pipeline: Number(pipeline ?? 0) } : undefined;
}

/**
 * Keeps one note for each stack on the merge request of the job that this runs in, and its labels. Where there is no merge
 * request, or no token, it says so once and does nothing: then the widget and the artifact are all.
 */
export class MergeRequestNote {
  private constructor(
    private readonly stack: string,
    private readonly project: GitlabProject,
    private readonly place: Place,
    private readonly me: number,
  ) {}

  static async ofJob(stack: string, env = process.env): Promise<MergeRequestNote | undefined> {
    const [project, place] = [GitlabProject.ofJob(env), placeOf(env)];
    if (project === undefined || place === undefined) {
      const missing = place === undefined ? "this is no job of a merge request" : `${tokenVariable} is not set`;
      console.log(`No note is written: ${missing}. The report is in the job's artifacts, and in GitLab's widget.`);
      return undefined;
    }
    return new MergeRequestNote(stack, project, place, await project.me());
  }

  /** Says of every note that is of another commit that it is, so that none looks current until it is. */
  async begin(): Promise<void> {
    for (const note of await this.own()) {
      const { commit, pipeline } = stampOf(note.body);
      if (commit !== this.place.commit && pipeline <= this.place.pipeline) {
        await this.project.put(this.path(note), { body: outdated(note.body, this.place.commit) });
      }
    }
  }

  /** Writes the note, or brings it up to date; a pipeline that is late does not write over a newer one's. */
  async write(report: Report, text: string): Promise<void> {
    const [first, ...others] = (await this.own()).filter(({ body }) => body.startsWith(marker(this.stack)));
    if (first !== undefined && stampOf(first.body).pipeline > this.place.pipeline) {
      console.log("The note stays as it is: it is a newer pipeline's.");
      return;
    }
    const head = await this.project.get<{ sha: string }>(`/merge_requests/${this.place.mergeRequest}`);
    const body = stamped(text, this.place);
    const current = head.sha === this.place.commit ? body : outdated(body, head.sha);
    if (first === undefined) {
      await this.project.post(`/merge_requests/${this.place.mergeRequest}/notes`, { body: current });
    } else {
      await this.project.put(this.path(first), { body: current });
    }
    // Of two jobs that began at once each may have made one.
    for (const other of others) {
      await this.project.delete(this.path(other));
    }
    await this.label(report);
  }

  /** Brings the note up to date where there is one: nothing is to be said where nothing was. */
  async withdraw(report: Report, text: string): Promise<void> {
    const notes = await this.own();
    if (notes.some(({ body }) => body.startsWith(marker(this.stack)))) {
      await this.write(report, text);
    } else {
      console.log("There is no note of this stack, and none is needed.");
    }
  }

  /** One label of this stack says what came out; GitLab makes labels that it does not know. */
  private async label(report: Report): Promise<void> {
    const result = labelOf(report);
    const [add, remove] = [[result], labels.filter((label) => label !== result)].map((list) =>
      list.map((label) => `${this.stack}: ${label}`).join(","),
    );
    await this.project.put(`/merge_requests/${this.place.mergeRequest}`, { add_labels: add, remove_labels: remove });
  }

  /** Notes that are ours by their mark and by who wrote them: anybody could write the mark. */
  private async own(): Promise<Note[]> {
    const notes = await this.project.all<Note>(
      `/merge_requests/${this.place.mergeRequest}/notes?sort=asc&order_by=created_at`,
    );
    return notes.filter(({ body, author }) => author.id === this.me && anyMarker.test(body));
  }

  private path({ id }: Note): string {
    return `/merge_requests/${this.place.mergeRequest}/notes/${id}`;
  }
}

const labels = ["no changes", "changes", "removes", "failed"] as const;

function labelOf({ result, counts }: Report): (typeof labels)[number] {
  switch (result) {
    case "error":
      return "failed";
    case "none":
      return "no changes";
    default:
      return counts.delete + counts.replace > 0 ? "removes" : "changes";
  }
}

/** The second line says what the note is of; it is not seen. */
function stamped(text: string, { commit, pipeline }: Place): string {
  const [first, ...rest] = text.split("\n");
  return [first, `<!-- commit ${commit} pipeline ${pipeline} -->`, ...rest].join("\n");
}

function stampOf(body: string): { commit: string; pipeline: number } {
  const [, commit = "", pipeline = "0"] = /^<!-- commit (\w+) pipeline (\d+) -->$/m.exec(body) ?? [];
  return { commit, pipeline: Number(pipeline) };
}

const banner = "> :hourglass_flowing_sand: **Outdated**: ";

/** The note with a word above it that it is of another commit than the newest. */
function outdated(body: string, newest: string): string {
  const lines = body.split("\n").filter((line, index) => index > 3 || !line.startsWith(banner));
  const { commit } = stampOf(body);
  const word = `${banner}this is of commit ${code(commit.slice(0, 12))}; the newest is ${code(newest.slice(0, 12))}.`;
  const rest = lines.slice(2).join("\n").trimStart();
  return [...lines.slice(0, 2), word, "", rest].join("\n");
}
