/**
 * A job as it is handed to a runner. Fields: common/spec/spec.go of GitLab Runner 19.4; what
 * the older does not know it ignores.
 */
import { createHash } from "node:crypto";
import type { ImageYaml, Job, JobYaml } from "./model";
import { mayFail } from "./model";
import type { ServerOptions } from "./options";
import { predecessors } from "./schedule";
import { type JobVariable, allVariables, jobTimeout, repositoryUrl } from "./variables";

/** What runners are told they may give as the reason of a failure; older ones know fewer. */
const failureReasons = [
  "script_failure",
  "runner_system_failure",
  "job_execution_timeout",
  "image_pull_failure",
  "unknown_failure",
  "runner_configuration_error",
];

/** @param cacheKey turns a cache's key into text; it needs the repository. */
export async function jobPayload(
  server: ServerOptions,
  job: Job,
  cacheKey: (key: NonNullable<JobYaml["cache"]>[number]["key"]) => Promise<string>,
) {
  const { yaml } = job.definition;
  const suppliers = artifactSuppliers(job);
  const variables = allVariables(
    server,
    job,
    suppliers.flatMap((supplier) => supplier.dotenv),
  );
  return {
    id: job.id,
    token: job.token,
    allow_git_fetch: true,
    job_info: jobInfo(job),
    git_info: gitInfo(server, job, variables),
    runner_info: { timeout: jobTimeout(job), uuid: runnerUuid(job) },
    // No `inputs`: jobs here have none, and a runner that is not sent any evaluates nothing.
    variables,
    steps: steps(job),
    hooks: yaml.hooks?.pre_get_sources_script
      ? [{ name: "pre_get_sources_script", script: yaml.hooks.pre_get_sources_script }]
      : [],
    image: yaml.image ? image(yaml.image) : { name: "" },
    services: (yaml.services ?? []).map(image),
    artifacts: artifacts(yaml),
    cache: await Promise.all(
      (yaml.cache ?? []).map(async (cache) => ({ ...cache, key: await cacheKey(cache.key), paths: cache.paths ?? [] })),
    ),
    credentials: [{ type: "registry", url: server.registry, username: "gitlab-ci-token", password: job.token }],
    dependencies: suppliers.flatMap((supplier) => dependency(supplier, job)),
    features: {
      trace_sections: true,
      token_mask_prefixes: ["glpat-", "glrt-", "glcbt-"],
      failure_reasons: failureReasons,
    },
  };
}

/** A name for the runner that is the same in every job: runner 19 shows it at the top of the log. */
function runnerUuid({ runner }: Job): string {
  const digits = createHash("sha256").update(`pi-lab runner ${runner?.id}`).digest("hex");
  return [8, 12, 16, 20, 32].map((end, part) => digits.slice([0, 8, 12, 16, 20][part], end)).join("-");
}

function jobInfo({ definition, pipeline, pendingAt, createdAt }: Job) {
  const { project } = pipeline;
  return {
    name: definition.name,
    stage: definition.stage,
    pipeline_id: pipeline.id,
    project_id: project.id,
    project_name: project.path.split("/").at(-1),
    project_full_path: project.path,
    namespace_id: 1,
    root_namespace_id: 1,
    organization_id: 1,
    instance_id: "pi-lab",
    instance_uuid: "pi-lab",
    user_id: 1,
    time_in_queue_seconds: (Date.now() - (pendingAt ?? createdAt)) / 1000,
    project_jobs_running_on_instance_runners_count: "+Inf",
    queue_size: 0,
    queue_depth: 0,
  };
}

function gitInfo(server: ServerOptions, job: Job, variables: JobVariable[]) {
  const { pipeline } = job;
  const depth = Number(variables.find((variable) => variable.key === "GIT_DEPTH")?.value ?? 20);
  const remote = pipeline.refType === "tag" ? `refs/tags/${pipeline.ref}` : `refs/remotes/origin/${pipeline.ref}`;
  const local = pipeline.refType === "tag" ? `refs/tags/${pipeline.ref}` : `refs/heads/${pipeline.ref}`;
  return {
    repo_url: repositoryUrl(server, job),
    repo_object_format: "sha1",
    ref: pipeline.ref,
    sha: pipeline.sha,
    before_sha: pipeline.beforeSha,
    ref_type: pipeline.refType,
    refspecs: [`+refs/pipelines/${pipeline.id}:refs/pipelines/${pipeline.id}`, `+${local}:${remote}`],
    depth: Number.isFinite(depth) ? depth : 20,
    protected: pipeline.ref === pipeline.project.defaultBranch,
  };
}

function steps(job: Job) {
  const { yaml } = job.definition;
  const timeout = jobTimeout(job);
  const script = [...(yaml.before_script ?? []), ...(yaml.script ?? [])];
  const found = [{ name: "script", script, timeout, when: "on_success", allow_failure: false }];
  if (yaml.after_script?.length) {
    found.push({ name: "after_script", script: yaml.after_script, timeout, when: "always", allow_failure: true });
  }
  return found;
}

function image({ name, alias, entrypoint, command, variables, docker }: ImageYaml) {
  return {
    name,
    alias,
    entrypoint,
    command,
    ...(variables
      ? { variables: Object.entries(variables).map(([key, value]) => ({ key, value: String(value), public: true })) }
      : {}),
    ...(docker ? { executor_opts: { docker } } : {}),
  };
}

/** File names that GitLab gives to reports. */
const reportNames: Record<string, string> = { junit: "junit.xml", dotenv: ".env" };

function artifacts({ artifacts: wanted }: JobYaml) {
  if (!wanted) {
    return [];
  }
  const { reports = {}, name, paths, exclude, untracked = false, when = "on_success", expire_in } = wanted;
  const found: object[] = [];
  if (paths?.length || untracked) {
    found.push({ name, untracked, paths, exclude, when, expire_in, artifact_type: "archive", artifact_format: "zip" });
  }
  for (const [type, value] of Object.entries(reports)) {
    const files = typeof value === "string" || Array.isArray(value) ? [value].flat() : [value["path"]];
    const report = { paths: files, when: "always", expire_in, artifact_type: type, artifact_format: "gzip" };
    found.push({ name: reportNames[type] ?? `gl-${type}-report.json`, ...report });
  }
  return found;
}

/** Jobs whose artifacts and dotenv variables this one gets. https://docs.gitlab.com/ci/yaml/#dependencies */
function artifactSuppliers(job: Job): Job[] {
  const { needs, dependencies } = job.definition;
  return predecessors(job).filter(({ definition }) => {
    const names = [definition.name, definition.baseName];
    if (dependencies) {
      return dependencies.some((name) => names.includes(name));
    }
    return !needs || needs.some((need) => need.artifacts && names.includes(need.job));
  });
}

function dependency(supplier: Job, job: Job) {
  const archive = supplier.artifacts.find((artifact) => artifact.type === "archive");
  if (!archive || (supplier.status !== "success" && !mayFail(supplier) && job.definition.when === "on_success")) {
    return [];
  }
  return [
    {
      id: supplier.id,
      token: job.token, // a finished job's own token is worth nothing any more
      name: supplier.definition.name,
      artifacts_file: { filename: archive.filename, size: archive.size },
    },
  ];
}
