import { randomBytes, timingSafeEqual } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AccessToken } from "./accessTokens";
import type { Group, Job, Pipeline, Project, Runner } from "./model";
import type { ServerOptions } from "./options";
import type { RunnerInput, Settings } from "./protocol";

/** What outlives a restart. Pipelines do not: their runners' next call gets 403, and they give the job up. */
interface Saved {
  nextId: Record<"group" | "project" | "runner" | "pipeline" | "job", number>;
  projects: Project[];
  /** Missing in what an older stand-in has saved. */
  groups?: Group[];
  runners: Omit<Runner, "managers" | "queueValue">[];
  /** Missing in what an older stand-in has saved. */
  accessTokens?: AccessToken[];
  settings?: Settings;
}

/** A new secret in the form of GitLab's: a prefix that says what it is, then 20 characters. */
export function newToken(prefix: string): string {
  return prefix + randomBytes(15).toString("base64url");
}

/** Compares secrets in a time that does not tell how much of them is right. */
export function same(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Projects, runners, pipelines and jobs, in memory; what must outlive a restart also in `state.json`. */
export class Store {
  readonly projects = new Map<string, Project>();
  readonly groups = new Map<string, Group>();
  readonly runners = new Map<number, Runner>();
  readonly pipelines = new Map<number, Pipeline>();
  readonly jobs = new Map<number, Job>();
  readonly registrationToken: string | undefined;
  readonly adminToken: string | undefined;
  readonly accessTokens: AccessToken[] = [];
  readonly settings: Settings = {};
  private readonly nextId: Saved["nextId"] = { group: 1, project: 1, runner: 1, pipeline: 1, job: 1 };
  private readonly file: string;

  constructor(options: ServerOptions) {
    const { stateDir } = options;
    mkdirSync(stateDir, { recursive: true });
    this.file = join(stateDir, "state.json");
    this.registrationToken = options.registrationToken;
    this.adminToken = options.adminToken;
    rmSync(join(stateDir, "artifacts"), { recursive: true, force: true }); // their jobs are forgotten
    this.load(options.log);
    for (const { name, ...runner } of options.runners) {
      this.seed({ description: name, ...runner });
    }
  }

  id(kind: keyof Saved["nextId"]): number {
    return this.nextId[kind]++;
  }

  addRunner(input: RunnerInput, origin: Runner["origin"], scope: Pick<Runner, "projectId" | "groupPath"> = {}): Runner {
    const tags = input.tags ?? [];
    const runner: Runner = {
      id: this.id("runner"),
      description: input.description ?? "",
      tags,
      runUntagged: input.runUntagged ?? tags.length === 0,
      paused: input.paused ?? false,
      maximumTimeout: input.maximumTimeout,
      locked: input.locked ?? false,
      accessLevel: input.accessLevel ?? "not_protected",
      maintenanceNote: input.maintenanceNote ?? "",
      token: input.token ?? newToken(origin === "registration" ? "" : "glrt-"),
      tokenExpiresAt: input.tokenExpiresAt ?? this.expiry(),
      origin,
      ...scope,
      managers: new Map(),
      queueValue: newToken(""),
    };
    this.runners.set(runner.id, runner);
    this.save();
    return runner;
  }

  /** When a token that is made now expires. */
  expiry(): number | undefined {
    const { runnerTokenLifetime } = this.settings;
    return runnerTokenLifetime === undefined ? undefined : Date.now() + runnerTokenLifetime * 1000;
  }

  removeRunner(runner: Runner): void {
    this.runners.delete(runner.id);
    this.save();
  }

  runnerByToken(token: string | undefined): Runner | undefined {
    if (!token) {
      return undefined;
    }
    return [...this.runners.values()].find(
      ({ token: known, tokenExpiresAt = Number.POSITIVE_INFINITY }) => known === token && tokenExpiresAt > Date.now(),
    );
  }

  /** Adds a project, with the groups that it is in. */
  addProject(project: Project): void {
    this.projects.set(project.path, project);
    const folders = project.path.split("/").slice(0, -1);
    folders.forEach((_, index) => {
      const path = folders.slice(0, index + 1).join("/");
      if (!this.groups.has(path)) {
        this.groups.set(path, { id: this.id("group"), path });
      }
    });
  }

  /** A group by its number or its path, as GitLab's calls name it. */
  group(id: string): Group | undefined {
    return this.groups.get(id) ?? [...this.groups.values()].find((group) => String(group.id) === id);
  }

  projectById(id: number): Project | undefined {
    return [...this.projects.values()].find((project) => project.id === id);
  }

  /** A job by its token; GitLab honours the token only while the job runs. */
  runningJobByToken(token: string | undefined): Job | undefined {
    if (!token) {
      return undefined;
    }
    return [...this.jobs.values()].find(
      (job) => job.token === token && (job.status === "running" || job.status === "canceling"),
    );
  }

  save(): void {
    const saved: Saved = {
      nextId: this.nextId,
      projects: [...this.projects.values()],
      groups: [...this.groups.values()],
      runners: [...this.runners.values()].map(({ managers: _managers, queueValue: _queueValue, ...runner }) => runner),
      accessTokens: this.accessTokens,
      settings: this.settings,
    };
    writeFileSync(`${this.file}.new`, JSON.stringify(saved, null, 2), { mode: 0o600 });
    renameSync(`${this.file}.new`, this.file);
  }

  /** The file of runners wins over what was kept of the last run. */
  private seed(input: RunnerInput): void {
    const known = this.runnerByToken(input.token);
    if (known) {
      this.runners.delete(known.id);
    }
    const runner = this.addRunner(input, "seed");
    if (!known) {
      return;
    }
    this.runners.delete(runner.id);
    this.runners.set(known.id, { ...runner, id: known.id });
    this.save();
  }

  private load(log: ServerOptions["log"]): void {
    let saved: Saved;
    try {
      saved = JSON.parse(readFileSync(this.file, "utf8")) as Saved;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") {
        return;
      }
      log(`${this.file} cannot be read and is put aside, starting afresh: ${String(error)}`);
      renameSync(this.file, `${this.file}.broken`);
      return;
    }
    Object.assign(this.nextId, saved.nextId);
    Object.assign(this.settings, saved.settings);
    this.accessTokens.push(...(saved.accessTokens ?? []));
    for (const group of saved.groups ?? []) {
      this.groups.set(group.path, group);
    }
    for (const project of saved.projects) {
      this.addProject(project);
    }
    for (const runner of saved.runners) {
      const since = { locked: false, accessLevel: "not_protected", maintenanceNote: "" } as const;
      this.runners.set(runner.id, { ...since, ...runner, managers: new Map(), queueValue: newToken("") });
    }
  }
}
