/**
 * The variables that GitLab predefines. https://docs.gitlab.com/ci/variables/predefined_variables/
 * Those that the runner itself adds (CI_PROJECT_DIR, CI_BUILDS_DIR, CI_SERVER, CI_CONCURRENT_ID, …) are left to it.
 */
import type { Job, JobDefinition, Pipeline, Project } from "./model";
import type { ServerOptions } from "./options";
import type { VariableInput } from "./protocol";

/** As the runner wants it: common/spec/spec.go of GitLab Runner 19.4. */
export interface JobVariable {
  key: string;
  value: string;
  public: boolean;
  masked: boolean;
  file: boolean;
  raw: boolean;
}

/** Version of GitLab whose behaviour the stand-in follows; runners and jobs are told it. */
export const serverVersion = "18.6.0";

type Server = Pick<ServerOptions, "externalUrl" | "registry">;

function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 63)
    .replace(/^-+|-+$/g, "");
}

export function cloneUrl(server: Server, project: Project): string {
  return `${server.externalUrl}/${project.path}.git`;
}

/** What is the same for all jobs of a pipeline, and may be looked at by rules and includes. */
export function pipelineVariables(server: Server, pipeline: Pipeline): Record<string, string> {
  const { project, commit } = pipeline;
  const namespace = project.path.slice(0, project.path.lastIndexOf("/"));
  const url = new URL(server.externalUrl);
  const [major, minor, patch] = serverVersion.split(".");
  return {
    CI: "true",
    GITLAB_CI: "true",
    CI_SERVER_URL: server.externalUrl,
    CI_SERVER_HOST: url.hostname,
    CI_SERVER_PORT: url.port || (url.protocol === "https:" ? "443" : "80"),
    CI_SERVER_PROTOCOL: url.protocol.slice(0, -1),
    CI_SERVER_FQDN: url.host,
    CI_SERVER_NAME: "GitLab",
    CI_SERVER_VERSION: serverVersion,
    CI_SERVER_VERSION_MAJOR: major ?? "",
    CI_SERVER_VERSION_MINOR: minor ?? "",
    CI_SERVER_VERSION_PATCH: patch ?? "",
    CI_SERVER_REVISION: "lab",
    CI_API_V4_URL: `${server.externalUrl}/api/v4`,
    CI_PROJECT_ID: String(project.id),
    CI_PROJECT_NAME: project.path.slice(namespace.length + 1),
    CI_PROJECT_TITLE: project.path.slice(namespace.length + 1),
    CI_PROJECT_PATH: project.path,
    CI_PROJECT_PATH_SLUG: slug(project.path),
    CI_PROJECT_NAMESPACE: namespace,
    CI_PROJECT_ROOT_NAMESPACE: namespace.split("/")[0] ?? "",
    CI_PROJECT_URL: `${server.externalUrl}/${project.path}`,
    CI_PROJECT_VISIBILITY: project.public ? "public" : "private",
    CI_DEFAULT_BRANCH: project.defaultBranch,
    CI_REGISTRY: server.registry,
    CI_REGISTRY_IMAGE: `${server.registry}/${project.path.toLowerCase()}`,
    CI_PIPELINE_ID: String(pipeline.id),
    CI_PIPELINE_IID: String(pipeline.iid),
    CI_PIPELINE_SOURCE: pipeline.source,
    CI_PIPELINE_URL: `${server.externalUrl}/${project.path}/-/pipelines/${pipeline.id}`,
    CI_PIPELINE_CREATED_AT: new Date(pipeline.createdAt).toISOString(),
    CI_COMMIT_SHA: pipeline.sha,
    CI_COMMIT_SHORT_SHA: pipeline.sha.slice(0, 8),
    CI_COMMIT_BEFORE_SHA: pipeline.beforeSha,
    CI_COMMIT_REF_NAME: pipeline.ref,
    CI_COMMIT_REF_SLUG: slug(pipeline.ref),
    CI_COMMIT_REF_PROTECTED: String(pipeline.ref === project.defaultBranch),
    ...refVariables(pipeline),
    CI_COMMIT_TITLE: commit.title,
    CI_COMMIT_MESSAGE: commit.message,
    CI_COMMIT_DESCRIPTION: commit.message.split("\n").slice(1).join("\n").trim(),
    CI_COMMIT_AUTHOR: commit.author,
    CI_COMMIT_TIMESTAMP: commit.timestamp,
    GITLAB_USER_ID: "1",
    GITLAB_USER_LOGIN: "root",
    GITLAB_USER_NAME: "Administrator",
    GITLAB_USER_EMAIL: "root@gitlab.lab",
  };
}

/** A pipeline of a merge request has no CI_COMMIT_BRANCH. */
function refVariables({ ref, refType, mergeRequest, project }: Pipeline): Record<string, string> {
  if (mergeRequest !== undefined) {
    return {
      CI_MERGE_REQUEST_IID: String(mergeRequest.iid),
      CI_MERGE_REQUEST_PROJECT_ID: String(project.id),
      CI_MERGE_REQUEST_PROJECT_PATH: project.path,
      CI_MERGE_REQUEST_SOURCE_PROJECT_ID: String(project.id),
      CI_MERGE_REQUEST_SOURCE_BRANCH_NAME: ref,
      CI_MERGE_REQUEST_SOURCE_BRANCH_SHA: "", // empty unless it is a pipeline of merged results
      CI_MERGE_REQUEST_TARGET_BRANCH_NAME: mergeRequest.target,
      CI_MERGE_REQUEST_EVENT_TYPE: "detached",
    };
  }
  return refType === "tag" ? { CI_COMMIT_TAG: ref } : { CI_COMMIT_BRANCH: ref };
}

function jobVariables(server: Server, job: Job): Record<string, string> {
  const { definition, pipeline, runner, manager } = job;
  const image = definition.yaml.image?.name;
  return {
    CI_JOB_ID: String(job.id),
    CI_JOB_NAME: definition.name,
    CI_JOB_NAME_SLUG: slug(definition.name),
    CI_JOB_STAGE: definition.stage,
    CI_JOB_URL: `${server.externalUrl}/${pipeline.project.path}/-/jobs/${job.id}`,
    CI_JOB_STARTED_AT: new Date(job.handedOutAt ?? Date.now()).toISOString(),
    CI_JOB_TIMEOUT: String(jobTimeout(job)),
    ...environmentVariables(definition.environment),
    ...(image === undefined ? {} : { CI_JOB_IMAGE: image }),
    CI_RUNNER_ID: String(runner?.id ?? ""),
    CI_RUNNER_DESCRIPTION: runner?.description ?? "",
    CI_RUNNER_TAGS: JSON.stringify(runner?.tags ?? []),
    CI_RUNNER_VERSION: manager?.version ?? "",
  };
}

function environmentVariables(environment: JobDefinition["environment"]): Record<string, string> {
  return environment === undefined
    ? {}
    : { CI_ENVIRONMENT_NAME: environment.name, CI_ENVIRONMENT_ACTION: environment.action };
}

function secretVariables(server: Server, job: Job): Record<string, string> {
  return {
    CI_JOB_TOKEN: job.token,
    CI_REGISTRY_PASSWORD: job.token,
    CI_REPOSITORY_URL: repositoryUrl(server, job),
  };
}

/** The project's address with the job's token in it: what the runner clones from. */
export function repositoryUrl(server: Server, job: Job): string {
  const url = new URL(cloneUrl(server, job.pipeline.project));
  url.username = "gitlab-ci-token";
  url.password = job.token;
  return url.href;
}

/** The job's own timeout, but not more than the runner's. */
export function jobTimeout(job: Job): number {
  return Math.min(job.definition.timeoutSeconds, job.runner?.maximumTimeout || Number.POSITIVE_INFINITY);
}

/** Of branches the default one is protected; a pipeline of a merge request runs on the other. */
function isProtected({ ref, project, mergeRequest }: Pipeline): boolean {
  return ref === project.defaultBranch && mergeRequest === undefined;
}

/**
 * The variables that a job with this environment may have, weakest first: of every environment, of several by a pattern, of
 * just this one. https://docs.gitlab.com/ci/environments/#limit-the-environment-scope-of-a-cicd-variable
 */
export function inScope(variables: VariableInput[], environment: string | undefined): VariableInput[] {
  const strength = ({ environmentScope: scope = "*" }: VariableInput): number => {
    if (scope === "*") {
      return 1;
    }
    const pattern = scope.split("*").map((text) => text.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
    const fits = environment !== undefined && new RegExp(`^${pattern.join(".*")}$`).test(environment);
    return fits ? (scope === environment ? 3 : 2) : 0;
  };
  return variables.filter((one) => strength(one) > 0).sort((a, b) => strength(a) - strength(b));
}

/** All variables of a job, weakest first; references to each other expanded, as GitLab does before it sends them. */
export function allVariables(server: Server, job: Job, inherited: { key: string; value: string }[]): JobVariable[] {
  const { pipeline, definition } = job;
  const plain = { public: true, masked: false, file: false, raw: false };
  const predefined = { ...pipelineVariables(server, pipeline), ...jobVariables(server, job) };
  const found: JobVariable[] = [
    ...Object.entries(predefined).map(([key, value]) => ({ key, value, ...plain })),
    { key: "CI_REGISTRY_USER", value: "gitlab-ci-token", ...plain },
    ...Object.entries(secretVariables(server, job)).map(([key, value]) => ({
      ...{ key, value, ...plain },
      public: false,
      masked: key !== "CI_REPOSITORY_URL",
    })),
    ...definition.variables.map((variable) => ({ ...variable, ...plain })),
    ...inherited.map((variable) => ({ ...variable, ...plain, public: false })),
    ...[
      ...inScope(pipeline.project.variables, definition.environment?.name).filter(
        (variable) => !variable.protected || isProtected(pipeline),
      ),
      ...pipeline.variables,
    ].map(({ key, value, file = false, masked = false, raw = false }) => ({
      key,
      value,
      file,
      masked,
      raw,
      public: false,
    })),
  ];
  const last = new Map(found.map((variable) => [variable.key, variable]));
  return [...last.values()].map((variable) =>
    variable.raw || variable.file ? variable : { ...variable, value: expand(variable.value, last, [variable.key]) },
  );
}

/** Replaces `$NAME` and `${NAME}` of known variables; unknown ones, file variables and `$$` are left to the runner. */
export function expand(text: string, known: Map<string, JobVariable>, within: string[] = []): string {
  return text.replace(/\$\$|\$(?:(\w+)|\{(\w+)\})/g, (match: string, bare?: string, braced?: string) => {
    const name = bare ?? braced ?? "";
    const variable = known.get(name);
    if (!variable || variable.file || within.includes(name)) {
      return match;
    }
    return variable.raw ? variable.value : expand(variable.value, known, [...within, name]);
  });
}
