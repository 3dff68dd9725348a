import { images } from "../components/runners/images";
import type { Way } from "../components/runners/executors";
import { dockerConfig } from "../components/runners/shell/shellConfig";

/** What of a CI/CD component depends on how it builds. */
interface Part {
  /** What it does, in its first line. */
  title: string;
  /** The image of the job, where it is a container. */
  jobImage?: string;
  /** Programs that the job needs. */
  needs: string;
  /** The job itself. */
  job(): string;
}

const parts: Record<Way, Part> = {
  dood: {
    title: "with the Docker of the node (Docker out of Docker).",
    jobImage: images.job,
    needs: "the docker command",
    job: () => dockerJob + cleanUp,
  },
  dind: {
    title: "with a Docker daemon beside the job, over TLS; the runner starts it and waits for it.",
    jobImage: images.job,
    needs: "the docker command",
    job: () => dockerJob + cleanUp,
  },
  "dind-job": {
    title: "with a Docker daemon inside the job; the runner starts it and waits for it.",
    jobImage: images.dind,
    needs: "the commands docker and dockerd",
    job: () => dockerHead + dockerScript({ first: cleanUpInScript }) + cleanUp,
  },
  "dind-plain": {
    title: "with a Docker daemon beside the job, without TLS; the runner starts it and waits for it.",
    jobImage: images.job,
    needs: "the docker command",
    job: () => dockerJob + cleanUp,
  },
  kubernetes: {
    title: "with Buildah in an unprivileged pod; there is no daemon, and nothing to clean up after.",
    jobImage: images.buildah,
    needs: "the buildah command",
    job: () => buildahJob,
  },
  "dind-resident": {
    title: "with the Docker daemon of the runner's own pod, which stays up between jobs.",
    jobImage: images.job,
    needs: "the docker command",
    job: () => dockerJob + cleanUp,
  },
  shell: {
    title: "with the Docker of a host, in a shell there; jobs that run at once do not meet.",
    needs: "the docker command, on the host",
    job: () => shellJob,
  },
};

/** The file that GitLab finds a way's component in: `include: component` knows only the folder templates. */
export const componentFile = (way: Way): string => `templates/${way}.yml`;

/** The text of a way's CI/CD component: a header with `spec: inputs`, a line `---`, and the job. */
export function component(way: Way): string {
  return `${header(way)}---\n${parts[way].job()}`;
}

const header = (way: Way): string => `# Builds and pushes an image ${parts[way].title}
# Include it as a CI/CD component, copy it below templates/ of a project of your own,
# or let \`pulumi stack output pipeline\` print it with everything filled in. docs/pipelines.md says more.
# Generated from templates/component.ts by \`make docs\`.
${inputs({ ...parts[way], runner: tagsInput("tags", way, "Tags of the runner.") })}`;

/** An input for the tags of a runner. */
export const tagsInput = (name: string, tag: string, description: string): string => `    ${name}:
      type: array
      default: [${tag}]
      description: ${description}
`;

/** An input for how long a job may take. */
export const timeoutInput = `    timeout:
      default: 1 hour
      description: How long a job may take, whatever the project allows. The first build on a small node may need more.
`;

/** The same as a line of a job. */
export const timeoutLine = "  timeout: $[[ inputs.timeout ]]\n";

/** The inputs of a component that builds an image; `runner` are those that say which runners. */
export const inputs = (of: Pick<Part, "jobImage" | "needs"> & { runner: string }): string => `spec:
  inputs:
    job:
      default: build-image
      description: Name of the job.
    stage:
      default: build
      description: Stage of the job.
${of.runner}${jobImageInput(of)}    registry:
      default: $CI_REGISTRY
      description: Registry to push to, host or host:port.
    image:
      default: $CI_REGISTRY_IMAGE
      description: Name of the image without its tag. Letters become lower-case, as registries want them.
    tag:
      default: $CI_COMMIT_SHORT_SHA-$CI_PIPELINE_ID
      description: Tag of the image. The default is another one in every pipeline, so that none pushes over another's.
    context:
      default: .
      description: Folder to build, relative to the project.
    dockerfile:
      default: Dockerfile
      description: Dockerfile, relative to the project.
${timeoutInput}`;

function jobImageInput({ jobImage, needs }: Pick<Part, "jobImage" | "needs">): string {
  return jobImage === undefined
    ? ""
    : `    job_image:
      default: ${jobImage}
      description: Image of the job; it needs ${needs}.
`;
}

/** What every job has: its place and the names that it builds under; and what is between, such as its image. */
export const headWith = (between: string): string => `$[[ inputs.job ]]:
  stage: $[[ inputs.stage ]]
  tags: $[[ inputs.tags ]]
${timeoutLine}${between}${variables}`;

/** What the scripts take from the inputs. A project's, a group's or an earlier job's variable of the same name would win. */
export const variables = `  variables:
    PI_RUNNERS_REGISTRY: "$[[ inputs.registry ]]"
    PI_RUNNERS_IMAGE_NAME: "$[[ inputs.image ]]"
    PI_RUNNERS_IMAGE_TAG: "$[[ inputs.tag ]]"
    PI_RUNNERS_BUILD_CONTEXT: "$[[ inputs.context ]]"
    PI_RUNNERS_DOCKERFILE: "$[[ inputs.dockerfile ]]"
`;

export const jobImageLine = "  image: $[[ inputs.job_image ]]\n";

const head = headWith(jobImageLine);

/** Logs in by a program's own words. */
export const logIn = (login: string, first = ""): string => `  before_script:
${first}    # The job's own user and password are for GitLab's registry; for another one set REGISTRY_USER and REGISTRY_PASSWORD
    # as CI/CD variables. The password goes by stdin: command lines can be read by others.
    - |
      if [ -n "\${REGISTRY_USER:-}" ]; then
        printf '%s' "$REGISTRY_PASSWORD" | ${login} --username "$REGISTRY_USER" --password-stdin "$PI_RUNNERS_REGISTRY"
      elif [ -n "\${CI_REGISTRY_USER:-}" ] && [ "$PI_RUNNERS_REGISTRY" = "\${CI_REGISTRY:-}" ]; then
        printf '%s' "$CI_REGISTRY_PASSWORD" | ${login} --username "$CI_REGISTRY_USER" --password-stdin "$PI_RUNNERS_REGISTRY"
      else
        echo "No login to $PI_RUNNERS_REGISTRY: it is not this GitLab's own registry, and REGISTRY_USER is not set."
      fi
`;

export const tokenByDaemon = `    # The daemon, which trusts the registry, fetches its tokens; the client in the job does not know the registry's CA.
    BUILDKIT_NO_CLIENT_TOKEN: "1"
`;

/** The full name of the image, in its registry's letters. */
export const imageLine = `    - IMAGE="$(printf '%s' "$PI_RUNNERS_IMAGE_NAME" | tr '[:upper:]' '[:lower:]'):$PI_RUNNERS_IMAGE_TAG"
`;

/** For a daemon inside the job: it ends with the script, and after_script has none. */
export const cleanUpInScript = `    # A daemon inside the job ends with this script.
    - trap 'docker image rm --force --no-prune "$IMAGE" >/dev/null 2>&1 || true' EXIT
`;

/**
 * Builds, pushes, prints the digest.
 *
 * @param options further ones of the build, each with a space before it
 * @param first lines before the build
 */
export const dockerScript = ({ options = "", first = "" } = {}): string => `  script:
${imageLine}${first}    - docker build --pull${options} --file "$PI_RUNNERS_DOCKERFILE" --tag "$IMAGE" "$PI_RUNNERS_BUILD_CONTEXT"
    - docker push "$IMAGE"
    # The same image may have been pushed elsewhere, too.
    - docker image inspect --format '{{join .RepoDigests "\\n"}}' "$IMAGE" | grep -F "\${IMAGE%:*}@"
  after_script:
`;

const dockerHead = head + tokenByDaemon + logIn("docker login");
const dockerJob = dockerHead + dockerScript();

export const buildahScript = (options = ""): string => `  script:
${imageLine}    - buildah build --pull${options} --file "$PI_RUNNERS_DOCKERFILE" --tag "$IMAGE" "$PI_RUNNERS_BUILD_CONTEXT"
    - buildah push --digestfile /tmp/pushed "$IMAGE"
    - echo "\${IMAGE%:*}@$(cat /tmp/pushed)"
`;

const buildahJob = head + logIn("buildah login") + buildahScript();

export const cleanUp = `    # Whatever keeps layers for the next build keeps images, too. --no-prune keeps the layers below.
${imageLine}    - docker image rm --force --no-prune "$IMAGE" >/dev/null 2>&1 || true
    - docker logout "$PI_RUNNERS_REGISTRY" >/dev/null 2>&1 || true
`;

/** Logins of this job alone. Not by `variables`: a DOCKER_CONFIG of the project would win, and be emptied. */
export const ownLogins = `    # Logins of this job alone: in the home of the host's user, jobs that run at once would share them, and a logout of one
    # would end the others'. The folder beside the checkout is another one for each job that runs at the same time.
    - export DOCKER_CONFIG="${dockerConfig}"
`;

/** The same at the begin of a job: none of the last one's. */
export const freshLogins = `${ownLogins}    # A runner with a proxy has made it, and says in there what docker is to tell containers.
    - if [ "\${PI_RUNNERS_FRESH_LOGINS:-}" != "$DOCKER_CONFIG" ]; then rm -rf "$DOCKER_CONFIG" && (umask 077 && mkdir -p "$DOCKER_CONFIG"); fi
`;

export const staleLogins = `    - rm -rf "$DOCKER_CONFIG"
`;

const shellJob =
  headWith("") +
  tokenByDaemon +
  logIn("docker login", freshLogins) +
  dockerScript() +
  ownLogins +
  cleanUp +
  staleLogins;
