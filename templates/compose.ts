import { freshLogins, ownLogins, staleLogins, timeoutInput, timeoutLine, tokenByDaemon } from "./component";

/** The file of the component that tests with Compose. */
export const composeFile = "templates/compose.yml";

/**
 * Not by `variables`: those of the project with the same names would win. In `script` too, as a job may have a `before_script` of its
 * own beside the component.
 */
const ownProject = `    # Names of containers, networks and volumes begin with the project's: no other job has the same.
    - export COMPOSE_PROJECT_NAME="job-$CI_JOB_ID" COMPOSE_FILE="$PI_RUNNERS_COMPOSE_FILE"
`;

/** The text of the component that tests with Compose, for runners whose jobs use the Docker of a host: ways shell and dood. */
export const composeComponent = `# Starts the services of a Compose file on the host's Docker, runs a command in one of them, and removes them.
# Jobs that run at once do not meet: each has a Compose project of its own, named after the job, so the file must not have
# container_name, nor publish fixed ports. For runners of way shell or dood. docs/pipelines.md says more.
# Generated from templates/compose.ts by \`make docs\`.
spec:
  inputs:
    job:
      default: compose-test
      description: Name of the job.
    stage:
      default: test
      description: Stage of the job.
    tags:
      type: array
      default: [shell]
      description: Tags of the runner.
    compose_file:
      default: compose.yaml
      description: Compose file, relative to the project.
    service:
      default: app
      description: Service in which the command runs.
    command:
      description: What is run there, by the service's sh.
${timeoutInput}---
$[[ inputs.job ]]:
  stage: $[[ inputs.stage ]]
  tags: $[[ inputs.tags ]]
${timeoutLine}  variables:
    PI_RUNNERS_COMPOSE_FILE: "$[[ inputs.compose_file ]]"
    PI_RUNNERS_SERVICE: "$[[ inputs.service ]]"
    PI_RUNNERS_COMMAND: "$[[ inputs.command ]]"
${tokenByDaemon}  before_script:
${ownProject}${freshLogins}    # For images of the project's own registry.
    - |
      if [ -n "\${CI_REGISTRY_USER:-}" ]; then
        printf '%s' "$CI_REGISTRY_PASSWORD" | docker login --username "$CI_REGISTRY_USER" --password-stdin "$CI_REGISTRY"
      fi
  script:
${ownProject}    - docker compose up --build --detach --wait
    - docker compose exec -T "$PI_RUNNERS_SERVICE" sh -c "$PI_RUNNERS_COMMAND"
  after_script:
${ownProject}${ownLogins}    - docker compose logs --no-color 2>/dev/null | tail -n 200 || true
    - docker compose down --volumes --remove-orphans --rmi local --timeout 5 || true
${staleLogins}`;
