/**
 * `.gitlab-ci.yml` to jobs, by gitlab-ci-local: include, spec:inputs, components, extends, !reference, default, rules,
 * parallel and needs are its work. Its command line is used, since the package exports no functions:
 *
 * - `--list-json` says which jobs there are, with `when`, `allow_failure` and `needs` after their rules;
 * - the same call leaves the expanded file, `expanded-gitlab-ci.yml`, in its state folder.
 *
 * Three things it leaves open are completed here: keywords of `default:` that it does not inherit (tags, timeout,
 * retry, hooks), which of its rules a job matched (for `rules:variables`, see `probe`), and `workflow:rules`.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { parse, stringify } from "yaml";
import type { JobDefinition, JobYaml } from "./model";
import { ProjectError } from "./projectError";

const stateDir = ".gitlab-ci-local";
const cli = require.resolve("gitlab-ci-local");

interface ListedJob {
  name: string;
  stage: string;
  when: string;
  allow_failure: boolean | { exit_codes: number | number[] };
  needs?: { job: string; artifacts?: boolean; optional?: boolean; project?: string; pipeline?: string }[];
  rules?: Rule[];
}

interface Rule {
  if?: string;
  variables?: Record<string, unknown>;
  [key: string]: unknown;
}

type ExpandedJob = JobYaml & {
  when?: string;
  allow_failure?: unknown;
  tags?: string[];
  timeout?: string;
  retry?: number | { max?: number; when?: string | string[] };
  variables?: Record<string, unknown>;
  dependencies?: string[];
  inherit?: { default?: boolean | string[]; variables?: boolean | string[] };
  parallel?: number | { matrix: Record<string, unknown>[] };
  environment?: string | { name: string; action?: string };
  rules?: Rule[];
  trigger?: unknown;
};

interface ExpandedFile {
  stages: string[];
  variables?: Record<string, unknown>;
  default?: Partial<ExpandedJob>;
  workflow?: { rules?: Rule[] };
  [job: string]: unknown;
}

export interface Expanded {
  stages: string[];
  jobs: JobDefinition[];
}

/**
 * @param directory a checkout that looks like a clone from the stand-in; files may be added to it
 * @param variables those that rules and includes may look at
 * @throws ProjectError when the file is missing or GitLab would call it invalid
 */
export async function expandPipeline(directory: string, variables: Record<string, string>): Promise<Expanded> {
  const listed = await list(directory, variables, ".gitlab-ci.yml");
  const file = parse(readFileSync(join(directory, stateDir, "expanded-gitlab-ci.yml"), "utf8")) as ExpandedFile;
  const matched = await probe(directory, variables, file, listed);
  const positions = new Map<string, number>();
  const jobs: JobDefinition[] = [];
  for (const job of listed) {
    const baseName = findBase(file, job.name);
    const position = positions.get(baseName) ?? 0;
    positions.set(baseName, position + 1);
    if (job.when === "never") {
      continue;
    }
    jobs.push(define(file, job, baseName, position, matched.get(job.name)));
  }
  if (jobs.length === 0) {
    throw new ProjectError("No job of .gitlab-ci.yml is to run: look at its rules.");
  }
  return { stages: file.stages, jobs };
}

async function list(
  directory: string,
  variables: Record<string, string>,
  file: string,
  ...flags: string[]
): Promise<ListedJob[]> {
  const args = ["--file", file, "--state-dir", stateDir, "--home", join(directory, stateDir), ...flags];
  args.push("--list-json", "--ignore-predefined-vars", Object.keys(variables).join(","));
  // Values may be secret or long, so they go by the environment, not on the command line.
  const given = Object.entries(variables).map(([key, value]) => [`GCL_VARIABLE_${key}`, value] as const);
  const home = join(directory, stateDir);
  const environment = { PATH: process.env["PATH"], HOME: home, FORCE_COLOR: "0", ...Object.fromEntries(given) };
  const result = await promisify(execFile)(process.execPath, [cli, ...args], {
    cwd: directory,
    env: environment,
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  }).catch((error: { stdout?: string; stderr?: string }) => ({ stdout: "", stderr: "", ...error, failed: true }));
  const start = result.stdout.search(/^\[/m);
  if (!("failed" in result) && start >= 0) {
    return JSON.parse(result.stdout.slice(start)) as ListedJob[];
  }
  const said = `${result.stdout}\n${result.stderr}`
    .replaceAll(directory, ".")
    .replace(/^ {4}at .*\n?/gm, "")
    .trim();
  throw new ProjectError(`.gitlab-ci.yml cannot be expanded:\n${said}`);
}

/**
 * Which rule each job matched, and whether `workflow:rules` lets the pipeline be. gitlab-ci-local evaluates rules but
 * does not say which one it took; asked about the same rules with `allow_failure:exit_codes` numbered, it does.
 */
async function probe(
  directory: string,
  variables: Record<string, string>,
  file: ExpandedFile,
  listed: ListedJob[],
): Promise<Map<string, Record<string, unknown>>> {
  const workflow = file.workflow?.rules;
  const asking = listed.filter((job) => job.rules?.some((rule) => rule.variables));
  if (!workflow && asking.length === 0) {
    return new Map();
  }
  const numbered = (rules: Rule[]) =>
    rules.map((rule, index) => ({ ...rule, allow_failure: { exit_codes: index + 1 } }));
  const questions: Record<string, unknown> = { variables: file.variables ?? {} };
  const plain = (rules: Rule[]) => rules.map(({ needs: _needs, ...rule }) => rule);
  asking.forEach((job, index) => {
    const { variables: own } = (file[findBase(file, job.name)] ?? {}) as ExpandedJob;
    questions[`job ${index}`] = { script: ["true"], variables: own ?? {}, rules: numbered(plain(job.rules ?? [])) };
  });
  if (workflow) {
    questions["workflow probe"] = { script: ["true"], rules: plain(workflow) };
  }
  writeFileSync(join(directory, stateDir, "probe.yml"), stringify(questions));
  const answers = new Map(
    (await list(directory, variables, `${stateDir}/probe.yml`, "--no-json-schema-validation")).map((answer) => [
      answer.name,
      answer,
    ]),
  );
  if (answers.get("workflow probe")?.when === "never") {
    throw new ProjectError("Pipeline filtered out by workflow rules: no rule of workflow:rules lets it be created.");
  }
  return new Map(
    asking.map((job, index) => {
      const answer = answers.get(`job ${index}`)?.allow_failure;
      const number = typeof answer === "object" ? Number([answer.exit_codes].flat()[0]) : 0;
      return [job.name, job.rules?.[number - 1]?.variables ?? {}];
    }),
  );
}

/** `build: [a,b]` and `build: [1/2]` are instances of `build`. */
function findBase(file: ExpandedFile, name: string): string {
  if (file[name] !== undefined) {
    return name;
  }
  const base = name.replace(/: \[.*\]$/s, "");
  if (file[base] !== undefined) {
    return base;
  }
  throw new ProjectError(`Job ${name} is not in the expanded .gitlab-ci.yml: rename it.`);
}

function define(
  file: ExpandedFile,
  listed: ListedJob,
  baseName: string,
  position: number,
  ruleVariables: Record<string, unknown> = {},
): JobDefinition {
  const job = { ...(file[baseName] as ExpandedJob) };
  if (job.trigger) {
    throw new ProjectError(`Job ${baseName} has trigger: the stand-in has no child pipelines.`);
  }
  if (listed.when === "delayed") {
    throw new ProjectError(`Job ${baseName} has when: delayed: use another when.`);
  }
  const inherited = completeDefaults(job, file.default);
  // GitLab's rule, which gitlab-ci-local does not know: a manual job may fail, unless rules made it manual.
  const optionalByDefault = job.when === "manual" && !job.rules && job.allow_failure === undefined;
  const instances = Math.max(1, instanceCount(job.parallel));
  const node: Record<string, unknown> = job.parallel === undefined ? {} : { CI_NODE_INDEX: String(position + 1) };
  const variables = {
    ...inheritedVariables(job, file.variables),
    ...job.variables,
    ...matrixVariables(job.parallel, position),
    ...ruleVariables,
    ...node,
    CI_NODE_TOTAL: String(instances),
  };
  return {
    name: gitlabName(baseName, job.parallel, position),
    baseName,
    stage: listed.stage,
    when: listed.when as JobDefinition["when"],
    allowFailure: optionalByDefault ? true : listed.allow_failure,
    needs: readNeeds(listed),
    dependencies: job.dependencies ?? null,
    tags: inherited.tags ?? [],
    ...readEnvironment(job.environment),
    timeoutSeconds: parseDuration(inherited.timeout ?? "1h", baseName),
    retry: readRetry(inherited.retry),
    variables: Object.entries(variables).map(([key, value]) => ({ key, value: variableValue(value) })),
    yaml: inherited,
  };
}

function completeDefaults(job: ExpandedJob, defaults: Partial<ExpandedJob> = {}): ExpandedJob {
  const allowed = job.inherit?.default ?? true;
  const complete: Record<string, unknown> = { ...job };
  for (const key of ["tags", "timeout", "retry", "hooks"] as const) {
    if (allowed === false || (Array.isArray(allowed) && !allowed.includes(key))) {
      continue;
    }
    complete[key] ??= defaults[key];
  }
  return complete as ExpandedJob;
}

function inheritedVariables(job: ExpandedJob, globals: Record<string, unknown> = {}): Record<string, unknown> {
  const allowed = job.inherit?.variables ?? true;
  if (allowed === true) {
    return globals;
  }
  const names = allowed === false ? [] : allowed;
  return Object.fromEntries(Object.entries(globals).filter(([key]) => names.includes(key)));
}

function variableValue(value: unknown): string {
  return String(typeof value === "object" && value !== null && "value" in value ? value.value : (value ?? ""));
}

function readNeeds(listed: ListedJob): JobDefinition["needs"] {
  return listed.needs?.map(({ job, artifacts = true, optional = false }) => ({ job, artifacts, optional })) ?? null;
}

function readEnvironment(given: ExpandedJob["environment"]): Pick<JobDefinition, "environment"> {
  const { name, action = "start" } = typeof given === "string" ? { name: given } : (given ?? {});
  return name === undefined ? {} : { environment: { name, action } };
}

function readRetry(retry: ExpandedJob["retry"]): JobDefinition["retry"] {
  if (typeof retry !== "object" || retry === null) {
    return { max: retry ?? 0, when: ["always"] };
  }
  return { max: retry.max ?? 0, when: [retry.when ?? "always"].flat() };
}

function instanceCount(parallel: ExpandedJob["parallel"]): number {
  if (parallel === undefined) {
    return 1;
  }
  return typeof parallel === "number" ? parallel : permutations(parallel.matrix).length;
}

/** Instances of a job are named a little differently by gitlab-ci-local. */
function gitlabName(baseName: string, parallel: ExpandedJob["parallel"], position: number): string {
  if (parallel === undefined) {
    return baseName;
  }
  if (typeof parallel === "number") {
    return `${baseName} ${position + 1}/${parallel}`;
  }
  return `${baseName}: [${Object.values(matrixVariables(parallel, position)).join(", ")}]`;
}

function matrixVariables(parallel: ExpandedJob["parallel"], position: number): Record<string, unknown> {
  return typeof parallel === "object" ? (permutations(parallel.matrix)[position] ?? {}) : {};
}

/** In the order in which gitlab-ci-local lists them: the last variable changes first. */
function permutations(matrix: Record<string, unknown>[]): Record<string, unknown>[] {
  return matrix.flatMap((row) =>
    Object.entries(row).reduce<Record<string, unknown>[]>(
      (found, [key, values]) => found.flatMap((one) => [values].flat().map((value) => ({ ...one, [key]: value }))),
      [{}],
    ),
  );
}

const unitSeconds: Record<string, number> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
  mo: 2_592_000,
  y: 31_536_000,
};

/** GitLab's human durations: `3600`, `90 minutes`, `1h 30m`, `2 days and 3 hours`. */
export function parseDuration(text: string | number, job: string): number {
  const source = String(text).trim();
  if (/^\d+$/.test(source)) {
    return Number(source);
  }
  let seconds = 0;
  const rest = source.replace(/(\d+(?:\.\d+)?)\s*(mo|[smhdwy])[a-z]*/gi, (_, amount: string, unit: string) => {
    seconds += Number(amount) * (unitSeconds[unit.toLowerCase()] ?? 0);
    return "";
  });
  if (seconds > 0 && /^[\s,]*(and[\s,]*)*$/.test(rest)) {
    return seconds;
  }
  throw new ProjectError(`Job ${job}: timeout ${source} is not a duration: write it as 90m or 1h 30m.`);
}

/** GitLab's key for `cache:key:files`: a hash of the last commits of these files. */
export function cacheFilesKey(prefix: string | undefined, commits: string[]): string {
  const hash = commits.some(Boolean) ? createHash("sha1").update(commits.join("-")).digest("hex") : "default";
  return prefix ? `${prefix}-${hash}` : hash;
}
