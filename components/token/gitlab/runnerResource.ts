/**
 * A runner in GitLab, created by its API. Its token is not kept here: `tokenResource.ts` asks for one of its own, so that a
 * runner whose creation got no answer is found again and used, and a change of tags does not make its token unknown in a
 * preview. Everything but the class is serialised into the state: see request.ts.
 */
import * as pulumi from "@pulumi/pulumi";
import { gitlabError, orForget, scopes, setAccessToken, type GitlabError } from "./failures";
import { byAnyAddress, keyOf, memory, remember, taken } from "./remembered";
import { gitlab, unknownValue } from "./request";
import {
  attributesOf,
  differ,
  isOurs,
  isTakenOver,
  refuseOthers,
  unmarked,
  withShown,
  type GitlabRunnerState,
  type Shown,
} from "./shownRunner";

export type { GitlabRunnerState };

interface Stored extends GitlabRunnerState {
  /** When another runner shall take this one's place, as its token will expire; empty where it does not. */
  renewAt: string;
  /** When it was created or taken over: numbers come again in a GitLab that was set up anew. */
  createdAt: string;
}

const roles = {
  project: "at least the role Maintainer in the project",
  group: "the role Owner of the group",
  instance: "an administrator's token",
};

/** What a token needs for runners of a kind. */
export function needsOf({ type }: Pick<GitlabRunnerState, "type">): string {
  const kind = type === "instance" ? "an instance runner" : `a ${type} runner`;
  return `For ${kind} give an access token with ${scopes}, of somebody with ${roles[type]}: ${setAccessToken}.`;
}

function callOf(state: GitlabRunnerState) {
  return { accessToken: state.accessToken, subject: `runner ${state.name}`, needs: needsOf(state) };
}

async function show(state: GitlabRunnerState, id: string): Promise<Shown | undefined> {
  const call = { ...callOf(state), method: "GET" as const, path: `runners/${id}`, repeatable: true };
  const { status, json } = await gitlab(state, call, [200, 404]);
  const shown = json as Shown;
  return status === 200 && isOurs(state, shown) ? shown : undefined;
}

async function change(state: GitlabRunnerState, id: string, body: object): Promise<void> {
  const call = { ...callOf(state), method: "PUT" as const, path: `runners/${id}`, body, repeatable: true };
  await gitlab(state, call, [200]);
}

async function remove(state: GitlabRunnerState, id: string): Promise<void> {
  const needs = `${needsOf(state)} A runner that several projects have has to be taken out of the others first: Settings > CI/CD > Runners.`;
  const call = { ...callOf(state), needs, method: "DELETE" as const, path: `runners/${id}`, repeatable: true };
  await gitlab(state, call, [204, 404]);
}

/**
 * A runner that an earlier creation left, whose answer got lost. Nobody knows its token, so it was never in contact: one
 * that was is in use, as before `pulumi up --replace`, which asks for no diff. Looking for it takes the scope read_api,
 * which is not asked for: without it, `denied`.
 */
async function findLost(state: GitlabRunnerState): Promise<{ id?: string; denied: boolean }> {
  const base = {
    instance: "runners/all",
    group: `groups/${state.groupId}/runners`,
    project: `projects/${state.projectId}/runners`,
  };
  for (let page = 1; page > 0;) {
    const path = `${base[state.type]}?type=${state.type}_type&per_page=100&page=${page}`;
    const call = { ...callOf(state), method: "GET" as const, path, repeatable: true };
    const { status, json, headers } = await gitlab(state, call, [200, 403, 404]);
    if (status !== 200) {
      return { denied: true };
    }
    const found = (json as Shown[]).filter(
      ({ id, description }) => description?.includes(state.mark) === true && !memory().replaced.has(keyOf(state, id)),
    );
    for (const { id } of found) {
      const shown = await show(state, String(id));
      if (shown !== undefined && !shown.contacted_at) {
        return { id: String(id), denied: false };
      }
    }
    const next = Number(headers["x-next-page"]);
    page = next > page ? next : 0;
  }
  return { denied: false };
}

/** When to renew what expires: once two thirds of its time are over, so that any `pulumi up` in the last third does. */
export function renewalOf(expiresAt: unknown): string {
  if (typeof expiresAt !== "string" || expiresAt === "") {
    return "";
  }
  const left = Date.parse(expiresAt) - Date.now();
  return new Date(Date.now() + (left * 2) / 3).toISOString();
}

/** An answer of the right status that is none. */
export function strange({ url, name }: { url: string; name: string }, what: string): GitlabError {
  return gitlabError(
    what,
    `At POST ${url}, for runner ${name}.`,
    "Check that gitlab.url leads to GitLab itself, then run again.",
    {
      maybeDone: true,
    },
  );
}

async function post(state: GitlabRunnerState): Promise<{ id: string; renewAt: string }> {
  const scope = { runner_type: `${state.type}_type`, group_id: state.groupId, project_id: state.projectId };
  const body = { ...scope, ...attributesOf(state) };
  const call = { ...callOf(state), method: "POST" as const, path: "user/runners", body };
  const { json } = await gitlab(state, call, [201]);
  const { id, token_expires_at } = json as { id?: number; token_expires_at?: string };
  if (id === undefined) {
    throw strange(state, "The answer to the creation of a runner has no id in it.");
  }
  return { id: String(id), renewAt: renewalOf(token_expires_at) };
}

/** Creates the runner once: what an earlier try has made goes. It is not used, as when its token expires is not known. */
async function createOnce(state: GitlabRunnerState): Promise<{ id: string; renewAt: string }> {
  const lost = await findLost(state);
  if (lost.id !== undefined) {
    await remove(state, lost.id);
  }
  try {
    return await post(state);
  } catch (error) {
    const { maybeDone } = error as GitlabError;
    if (maybeDone !== true) {
      throw error;
    }
    const made = await findLost(state).catch(() => undefined);
    if (made?.id !== undefined) {
      await remove(state, made.id);
      return post(state);
    }
    if (made?.denied !== true) {
      throw error;
    }
    throw gitlabError(
      `GitLab's answer to the creation of a runner got lost, and the access token may not look whether it was created.`,
      (error as Error).message.split("\n").join(" "),
      `Look in GitLab for a runner "${state.description}" and delete it, or give the access token the scope read_api, by which it is found. Then run again.`,
    );
  }
}

/** Takes a runner over that is there, unless it is another's. */
async function takeOver(state: GitlabRunnerState, id: string): Promise<void> {
  const call = { ...callOf(state), method: "GET" as const, path: `runners/${id}`, repeatable: true };
  const { json } = await gitlab(state, call, [200]);
  refuseOthers(state, json as Shown);
  await change(state, id, attributesOf(state));
}

async function release(state: GitlabRunnerState, id: string): Promise<void> {
  if ((await show(state, id)) !== undefined) {
    await change(state, id, unmarked(state));
  }
}

/** Seconds that the managers may take to turn to a new runner: kubelet brings a Secret within about 90. */
const handover = 150;

const seconds = (count: number): Promise<unknown> => new Promise((done) => setTimeout(done, count * 1000));

/** System ids of the runner's processes that GitLab calls online; undefined where it does not say. */
async function online(state: GitlabRunnerState, id: string): Promise<string[] | undefined> {
  const call = { ...callOf(state), method: "GET" as const, path: `runners/${id}/managers`, repeatable: true };
  const { status, json } = await gitlab(state, call, [200, 403, 404]);
  if (status !== 200) {
    return undefined;
  }
  const managers = json as { system_id: string; status: string }[];
  return managers.filter((manager) => manager.status === "online").map((manager) => manager.system_id);
}

async function hasJobs(state: GitlabRunnerState, id: string): Promise<boolean> {
  const path = `runners/${id}/jobs?status=running&per_page=1`;
  const call = { ...callOf(state), method: "GET" as const, path, repeatable: true };
  const { status, json } = await gitlab(state, call, [200, 403, 404]);
  return status === 200 && (json as unknown[]).length > 0;
}

/** Before a runner goes: its processes have turned to its successor, where there is one, and its jobs are over. */
async function drain(state: GitlabRunnerState, id: string): Promise<void> {
  const successor = memory().successors.get(state.mark);
  if (successor !== undefined && successor !== id) {
    const wanted = await online(state, id);
    for (let waited = 0; waited < handover; waited += 3) {
      const there = await online(state, successor);
      if (wanted?.every((manager) => there?.includes(manager)) === true) {
        break;
      }
      await seconds(3);
    }
  }
  if (!(await hasJobs(state, id))) {
    return;
  }
  await change(state, id, { paused: true });
  for (let waited = 0; waited < state.drainTimeout && (await hasJobs(state, id)); waited += 3) {
    await seconds(3);
  }
}

async function removeOurs(state: GitlabRunnerState, id: string): Promise<void> {
  const shown = await show(state, id);
  if (shown === undefined) {
    return;
  }
  // What took it over may have been interrupted, and now all goes: this is its entry from when the stack had created it.
  if (isTakenOver(state, shown)) {
    await change(state, id, unmarked(withShown(state, shown)));
    return;
  }
  await drain(state, id);
  await remove(state, id);
}

/** Settings whose change makes another runner, as another url does that leads elsewhere. */
const identity = ["type", "groupId", "projectId", "adopt", "rotate", "mark"] as const;

/** Settings that are changed in place: in GitLab, or, as the access token, only in the state. */
const changeable = [
  "url",
  "ca",
  "hostAliases",
  "accessToken",
  "name",
  "description",
  "tags",
  "runUntagged",
  "locked",
  "paused",
  "protected",
  "maximumTimeout",
  "maintenanceNote",
  "drainTimeout",
] as const;

/** Does another address lead to another GitLab? Not where the runner is there, too: https in place of http, a new name. */
async function leadsElsewhere(id: string, olds: GitlabRunnerState, news: GitlabRunnerState): Promise<boolean> {
  const [from, to] = [olds.url, news.url].map((url) => url.replace(/\/+$/, ""));
  if (from === to) {
    return false;
  }
  if ([news.url, news.accessToken].includes(unknownValue)) {
    return true;
  }
  const there = await show({ ...news, adopt: undefined }, id).catch((error: GitlabError) => {
    // A GitLab that knows neither the token nor the runner is another one; one that does not answer may be any.
    if (error.status !== 401 && error.status !== 403) {
      throw error;
    }
    return undefined;
  });
  return there === undefined;
}

/** What Pulumi calls; public for its tests. */
export const runnerProvider = {
  async create(inputs: GitlabRunnerState) {
    const createdAt = new Date().toISOString();
    remember(inputs);
    if (inputs.adopt !== undefined) {
      const id = String(inputs.adopt);
      await takeOver(inputs, id);
      taken().add(keyOf(inputs, id));
      return { id, outs: { ...inputs, renewAt: "", createdAt } };
    }
    const { id, renewAt } = await createOnce(inputs);
    memory().successors.set(inputs.mark, id);
    return { id, outs: { ...inputs, renewAt, createdAt } };
  },

  async read(id: string, state: Stored) {
    const shown = await show(state, id);
    if (shown === undefined) {
      return { id: "", props: {} };
    }
    const props = withShown(state, shown);
    const { renewAt: _renewAt, createdAt: _createdAt, ...inputs } = props;
    return { id, props, inputs };
  },

  async diff(id: string, olds: Stored, news: GitlabRunnerState) {
    remember(news);
    const replaces = differ(olds, news, identity);
    if (await leadsElsewhere(id, olds, news)) {
      replaces.push("url");
    }
    if (olds.renewAt !== "" && olds.renewAt !== undefined && Date.parse(olds.renewAt) <= Date.now()) {
      replaces.push("renewAt");
    }
    if (replaces.length > 0) {
      memory().replaced.add(keyOf(olds, id));
    } else if (news.adopt === undefined) {
      // The update that created it may have ended before the one whose place it takes went.
      memory().successors.set(news.mark, id);
    }
    // The update that took it over may have ended before the entry of the one that created it was cleared up.
    if (olds.adopt !== undefined && olds.adopt === news.adopt) {
      taken().add(keyOf(olds, id));
    }
    return { changes: replaces.length > 0 || differ(olds, news, changeable).length > 0, replaces };
  },

  async update(id: string, olds: Stored, news: GitlabRunnerState) {
    if ((await show(news, id)) === undefined) {
      throw gitlabError(
        `Runner ${id} is no longer in GitLab, or is another stack's now.`,
        `At ${news.url}, for runner ${news.name}.`,
        "Run pulumi up --refresh, which creates it again.",
      );
    }
    await change(news, id, attributesOf(news));
    return { outs: { ...news, renewAt: olds.renewAt, createdAt: olds.createdAt ?? "" } };
  },

  async delete(id: string, state: Stored) {
    // It is taken over by now, such as one that this stack had created: only its old entry in the state goes.
    if (taken().has(keyOf(state, id))) {
      return;
    }
    if (state.adopt !== undefined) {
      // Nothing of it is lost where GitLab cannot be asked: who takes it over next is told how to go on.
      await byAnyAddress(state, (by) => release(by, id)).catch(() => undefined);
      return;
    }
    await byAnyAddress(state, (by) => removeOurs(by, id)).catch((error: GitlabError) => {
      throw orForget(error);
    });
  },
};

/** A runner in GitLab; its id is GitLab's number. */
export class GitlabRunner extends pulumi.dynamic.Resource {
  declare public readonly createdAt: pulumi.Output<string>;

  public constructor(
    name: string,
    args: { [K in keyof GitlabRunnerState]: pulumi.Input<GitlabRunnerState[K]> },
    opts?: pulumi.CustomResourceOptions,
  ) {
    super(runnerProvider, name, { createdAt: undefined, ...args }, opts, "pi-runners", "GitlabRunner");
  }
}
