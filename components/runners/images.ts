import type { Architecture } from "./architecture";

/** The GitLab Runner release that this product is made for; the helper image must be of the same one. */
export const runnerVersion = "19.4.0";

/** The Docker release of the job image and of the inner daemon. */
export const dockerVersion = "29.7.2";

/**
 * Every image that is used unless the stack file says otherwise, pinned here and nowhere else.
 *
 * - runner: published for amd64, arm64 and others, not for 32-bit arm (gitlab-runner 19.4.0, dockerfiles/runner/docker-bake.hcl).
 * - buildah: published for amd64, arm64 and others, not for 32-bit arm.
 * - registry: published for amd64, arm64v8, arm32v7, arm32v6 and others.
 * - buildkit: published for amd64, arm64, 32-bit arm and others (moby/buildkit v0.33.0, docker-bake.hcl).
 * - job, dind: published for amd64, arm64v8, arm32v7 and arm32v6 (docker-library/docker, versions.json at 29.7.2).
 */
export const images = {
  runner: `gitlab/gitlab-runner:alpine-v${runnerVersion}`,
  job: `docker:${dockerVersion}-cli`,
  buildah: "quay.io/buildah/stable:v1.43.4",
  buildkit: "moby/buildkit:v0.33.0-rootless",
  dind: `docker:${dockerVersion}-dind`,
  registry: "registry:3.0.0",
} as const;

/** Architectures that the default runner image is not published for. */
export const runnerImageLacks: readonly Architecture[] = ["arm"];

/** The release in the name of a runner's or helper's image, such as 19.4.0; undefined when it has none. */
export function releaseOf(image: string): string | undefined {
  return /gitlab-runner(?:-helper)?:(?:[\w.-]*[-_.])?v?(\d+\.\d+\.\d+)(?:$|[-_@])/.exec(image)?.[1];
}

/**
 * The helper image for nodes of one architecture, of the release of the runner's own image (docs/configuration/
 * advanced-configuration.md, "Helper image"). Undefined where that release cannot be told, or has no helpers by its number
 * in GitLab's registry (before 14): the runner then chooses the helper itself, by the node's daemon and its own release.
 *
 * @param image image of the runner. Default: the pinned one
 */
export function helperImage(architecture: Architecture | undefined, image: string = images.runner): string | undefined {
  const release = releaseOf(image);
  if (architecture === undefined || release === undefined || Number.parseInt(release, 10) < 14) {
    return undefined;
  }
  const name = architecture === "amd64" ? "x86_64" : architecture;
  return `registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:${name}-v${release}`;
}
