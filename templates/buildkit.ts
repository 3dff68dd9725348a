import { images } from "../components/runners/images";
import { headWith, imageLine, inputs, logIn, tagsInput } from "./component";

/** The file of the component that builds with BuildKit in a pod. */
export const buildkitFile = "templates/buildkit.yml";

/** There is no docker command in the image: what it would write, without a password on a command line. */
const login = `    - |
      log_in() { # --username USER --password-stdin REGISTRY
        (umask 077 && mkdir -p ~/.docker)
        auth="$({ printf '%s:' "$2" && cat; } | base64 | tr -d '\\n')"
        printf '{"auths":{"%s":{"auth":"%s"}}}\\n' "$4" "$auth" >~/.docker/config.json
      }
`;

/** The text of the component that builds with BuildKit, for runners of way kubernetes. */
export const buildkitComponent = `# Builds and pushes an image with rootless BuildKit in an unprivileged pod; its daemon lives as long as the build.
# For runners of way kubernetes, beside the component of that name, which builds with Buildah. docs/pipelines.md says more.
# Generated from templates/buildkit.ts by \`make docs\`.
${inputs({
  jobImage: images.buildkit,
  needs: "buildctl-daemonless.sh, rootlesskit, and a user of its own",
  runner: tagsInput("tags", "kubernetes", "Tags of the runner."),
})}---
${headWith(`  image:
    name: $[[ inputs.job_image ]]
    # The image's own is a daemon, which would never end.
    entrypoint: [""]
`)}    # The daemon, which trusts the registry, fetches its tokens.
    BUILDKIT_NO_CLIENT_TOKEN: "1"
${logIn("log_in", login)}  script:
${imageLine}    # Runners of this project say in BUILDKITD_FLAGS where the daemon's settings are; a pod lets nobody make a /proc of their own.
    - export BUILDKITD_FLAGS="\${BUILDKITD_FLAGS:---oci-worker-no-process-sandbox}"
    - >-
      buildctl-daemonless.sh build --progress plain --frontend dockerfile.v0
      --local context="$PI_RUNNERS_BUILD_CONTEXT" --local dockerfile="$(dirname "$PI_RUNNERS_DOCKERFILE")" --opt filename="$(basename "$PI_RUNNERS_DOCKERFILE")"
      --output "type=image,name=$IMAGE,push=true" --metadata-file /tmp/pushed
    - |
      digest="$(sed -n 's/.*"containerimage.digest": "\\(sha256:[0-9a-f]*\\)".*/\\1/p' /tmp/pushed)"
    - echo "\${IMAGE%:*}@$digest"
`;
