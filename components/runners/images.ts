import type { Architecture } from "./architecture";

/** The GitLab Runner release that this product is made for; the helper image must be of the same one. */
export const runnerVersion = "19.4.0";

/** The Docker release of the job image and of the inner daemon. */
export const dockerVersion = "29.7.2";

/**
 * Every image that is used unless the stack file says otherwise, pinned here and nowhere else.
 *
 * - runner: published for amd64, arm64 and others, not for 32-bit arm (gitlab-runner 19.4.0, dockerfiles/runner/docker-bake.hcl).
 * - job, dind: published for amd64, arm64v8, arm32v7 and arm32v6 (docker-library/docker, versions.json at 29.7.2).
 */
export const images = {
  runner: `gitlab/gitlab-runner:alpine-v${runnerVersion}`,
  job: `docker:${dockerVersion}-cli`,
  dind: `docker:${dockerVersion}-dind`,
} as const;

/** Architectures that the default runner image is not published for. */
export const runnerImageLacks: readonly Architecture[] = ["arm"];

/**
 * The helper image for nodes of one architecture, of the runner's own version. Without an architecture the runner picks
 * it by the node's daemon, again of its own version (docs/configuration/advanced-configuration.md, "Helper image").
 */
export function helperImage(architecture: Architecture): string {
  const name = architecture === "amd64" ? "x86_64" : architecture;
  return `registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:${name}-v${runnerVersion}`;
}
