import { images } from "../components/runners/images";
import type { Executor } from "../components/runners/executors";
import {
  buildahScript,
  cleanUp,
  cleanUpInScript,
  dockerScript,
  freshLogins,
  imageLine,
  inputs,
  jobImageLine,
  logIn,
  ownLogins,
  staleLogins,
  tagsInput,
  timeoutLine,
  tokenByDaemon,
  variables,
} from "./component";

/** What of a build for two architectures depends on the executor. */
interface Part {
  /** With what it builds, in its first line. */
  title: string;
  /** The image of the jobs, where they are containers. */
  jobImage?: string;
  /** Programs that the jobs need. */
  needs: string;
  /** Further variables of every job. */
  variables: string;
  /** What logs in. */
  login: string;
  /** What runs before it. */
  first?: string;
  /** Builds and pushes one image, for $PI_RUNNERS_PLATFORM. */
  build: string;
  /** Makes one name of the two. */
  list: string;
  /** What runs after every job; `build` ends with its key. */
  after: string;
}

/** The image is said to be what it is built for: on a runner of the other kind the build fails, or copies files only. */
const platform = ' --platform "$PI_RUNNERS_PLATFORM"';

/**
 * `imagetools` asks the registry itself, not by the daemon, so it is told what the daemon knows of it. That it is insecure goes
 * by the settings of a builder, which is named here and never started, and which needs a context where the daemon is reached
 * over TLS. A CA in those settings is looked for where the builder has it (buildx 0.13), so it goes by Go's own variable, beside
 * the system's. The digest is that of the manifest's bytes: \`--format\` prints something else in buildx 0.13.
 */
const imagetools = `    # imagetools asks the registry itself: it is told what the daemon knows of it, as the settings of a builder that never
    # starts. For another CA set REGISTRY_CA as a CI/CD variable of type file.
    - |
      settings="\${DOCKER_CONFIG:-$HOME/.docker}/buildx"
      insecure="$(docker info --format '{{range $name, $one := .RegistryConfig.IndexConfigs}}{{if not $one.Secure}}{{$name}} {{end}}{{end}}')"
      mkdir -p "$settings"
      case " $insecure " in *" $PI_RUNNERS_REGISTRY "*)
        printf '[registry."%s"]\\nhttp = true\\ninsecure = true\\n' "$PI_RUNNERS_REGISTRY" >"$settings/buildkitd.default.toml" ;;
      esac
      for ca in "/etc/docker/certs.d/$PI_RUNNERS_REGISTRY"/*.crt "\${REGISTRY_CA:-}" "\${CI_SERVER_TLS_CA_FILE:-}"; do
        if [ -f "$ca" ]; then cat "$ca" >>"$settings/ca.crt" && echo >>"$settings/ca.crt"; fi
      done
      if [ -f "$settings/ca.crt" ]; then export SSL_CERT_FILE="$settings/ca.crt"; fi
    - docker context create "daemon-$CI_JOB_ID" >/dev/null
    - docker buildx create --name "list-$CI_JOB_ID" --driver docker-container "daemon-$CI_JOB_ID" >/dev/null
    - docker buildx imagetools create --builder "list-$CI_JOB_ID" --tag "$IMAGE" "$IMAGE-amd64" "$IMAGE-arm64"
    - digest="$(docker buildx imagetools inspect --builder "list-$CI_JOB_ID" --raw "$IMAGE" | sha256sum | cut -d ' ' -f 1)"
    - echo "\${IMAGE%:*}@sha256:$digest"
`;

const docker = {
  needs: "the docker command with buildx",
  login: "docker login",
  list: imagetools,
};

const parts: Record<Executor, Part> = {
  docker: {
    ...docker,
    title: "with Docker, on runners of way dood or one of the dind ways",
    jobImage: images.job,
    build: dockerScript({ options: platform, first: cleanUpInScript }),
    variables: tokenByDaemon,
    after: cleanUp,
  },
  kubernetes: {
    title: "with Buildah in unprivileged pods",
    jobImage: images.buildah,
    needs: "the buildah command",
    variables: "",
    login: "buildah login",
    build: buildahScript(platform),
    list: `    - buildah manifest create "$IMAGE"
    - buildah manifest add "$IMAGE" "docker://$IMAGE-amd64"
    - buildah manifest add "$IMAGE" "docker://$IMAGE-arm64"
    - buildah manifest push --all --digestfile /tmp/pushed "$IMAGE" "docker://$IMAGE"
    - echo "\${IMAGE%:*}@$(cat /tmp/pushed)"
`,
    after: "",
  },
  shell: {
    ...docker,
    title: "with the Docker of hosts, in shells there",
    needs: "the docker command with buildx, on the hosts",
    variables: tokenByDaemon,
    first: freshLogins,
    build: dockerScript({ options: platform }),
    after: ownLogins + cleanUp + staleLogins,
  },
};

/** The file of the component that builds for two architectures on runners of this executor. */
export const multiArchFile = (executor: Executor): string => `templates/multi-arch-${executor}.yml`;

/** The text of that component: a job for each architecture, and one that makes one name of both. */
export function multiArchComponent(executor: Executor): string {
  const part = parts[executor];
  const image = part.jobImage === undefined ? "" : jobImageLine;
  return `${header(part)}---
# What all of its jobs have.
.$[[ inputs.job ]]:
  stage: $[[ inputs.stage ]]
${timeoutLine}${image}${variables}${part.variables}${logIn(part.login, part.first)}${part.build}${part.after}
${["amd64", "arm64"].map(oneJob).join("\n")}
# One name for both: who pulls it gets the image for their own architecture.
$[[ inputs.job ]]:
  extends: .$[[ inputs.job ]]
  needs: ["$[[ inputs.job ]]-amd64", "$[[ inputs.job ]]-arm64"]
  tags: $[[ inputs.tags_amd64 ]]
  script:
${imageLine}${part.list}`;
}

const oneJob = (architecture: string): string => `$[[ inputs.job ]]-${architecture}:
  extends: .$[[ inputs.job ]]
  tags: $[[ inputs.tags_${architecture} ]]
  variables:
    PI_RUNNERS_PLATFORM: linux/${architecture}
    PI_RUNNERS_IMAGE_TAG: "$[[ inputs.tag ]]-${architecture}"
`;

const header = (part: Part): string => `# Builds and pushes an image for amd64 and for arm64 ${part.title},
# each on a runner of its own kind, and makes one name of both. docs/pipelines.md says more.
# Generated from templates/multiArch.ts by \`make docs\`.
${inputs({
  ...part,
  runner:
    tagsInput("tags_amd64", "amd64", "Tags of the runner on nodes or hosts with amd64.") +
    tagsInput("tags_arm64", "arm64", "Tags of the runner on nodes or hosts with arm64."),
})}`;
