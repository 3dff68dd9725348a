/**
 * Runners as the article that this project began with has them, DinD and DooD: its config.toml and its .gitlab-ci.yml as they stand there.
 * What differs: addresses; the images' names, and that they are not pulled; `extra_hosts`, as no DNS knows the lab's names
 * (DooD has the node's network instead, as there); CI_JOB_TOKEN, as GitLab has no CI_BUILD_TOKEN any more. The manager is a
 * container on a node's Docker with its socket, where the article has a pod.
 */
import { runnerVersion } from "../components/runners/images";
import { LabGitlab } from "../lab/gitlab/client";
import { gitlabUrl } from "../lab/cluster/controlPlane";
import { gitlab as gitlabPlace, gitlabRegistry, server } from "../lab/machine/places";
import { clusterNodes, type DeployedRunner } from "./labRunners";
import { onEach } from "./rawSsh";
import { whenDone } from "./stops";

const gitlab = new LabGitlab(gitlabUrl);

/** Both; they are gone when the bench ends. */
export async function articleRunners(): Promise<DeployedRunner[]> {
  return [await articleRunner("article-dind", dind, dindJob), await articleRunner("article-dood", dood, doodJob)];
}

async function articleRunner(name: string, docker: string[], job: string[]): Promise<DeployedRunner> {
  const node = clusterNodes().slice(0, 1);
  const { id, token } = await gitlab.createRunner({ description: name, tags: [name] });
  whenDone(`runner ${name}`, () => gitlab.deleteRunner(id));
  const container = `bench-${name}`;
  whenDone(`container ${container}`, async () => void (await onEach(node, `docker rm --force ${container}`)));
  const folder = `/run/${container}`;
  const start = [
    `mkdir -p -m 0700 ${folder}`,
    `cat >${folder}/config.toml <<'EOF'`,
    ...config(token, docker),
    "EOF",
    `docker run --detach --name ${container} --add-host ${gitlabPlace.host}:${server.address} --volume ${folder}:/etc/gitlab-runner --volume /var/run/docker.sock:/var/run/docker.sock pi-lab/gitlab-runner:${runnerVersion} run`,
  ];
  await onEach(node, start.join("\n"));
  return { name, way: name.replace("-", " "), tags: [name], pipeline: pipeline(name, job) };
}

const config = (token: string, docker: string[]): string[] => [
  "concurrent = 1",
  "check_interval = 0",
  "[[runners]]",
  '  name = "Docker-in-Docker"',
  `  url = "${gitlabPlace.url}"`,
  `  token = "${token}"`,
  '  executor = "docker"',
  "  [runners.docker]",
  "    tls_verify = false",
  ...docker.map((line) => `    ${line}`),
  "    shm_size = 0",
  '    pull_policy = "if-not-present"',
  `    helper_image = "pi-lab/gitlab-runner-helper:${runnerVersion}"`,
  "  [runners.cache]",
];

const dind = [
  'image = "pi-lab/docker:dind"',
  "privileged = true",
  "disable_cache = false",
  'volumes = ["/cache"]',
  `extra_hosts = ["${gitlabPlace.host}:${server.address}"]`,
];

const dood = [
  'image = "pi-lab/docker:dind"',
  "privileged = false",
  "disable_cache = false",
  'volumes = ["/cache", "/var/run/docker.sock:/var/run/docker.sock"]',
  'network_mode = "host"',
];

const doodJob = [
  "docker login -u gitlab-ci-token -p $CI_JOB_TOKEN $CI_REGISTRY",
  'docker build . -t "${CI_REGISTRY_IMAGE}:${CI_COMMIT_REF_SLUG}" --build-arg GITLAB_URL=$CI_PROJECT_URL --build-arg REF_NAME=${CI_COMMIT_REF_SLUG}',
  'docker push "${CI_REGISTRY_IMAGE}:${CI_COMMIT_REF_SLUG}"',
];

const dindJob = [`dockerd --insecure-registry=${gitlabRegistry.address} &`, "sleep 5", ...doodJob];

/** JSON is YAML. */
const pipeline = (tag: string, script: string[]): string =>
  JSON.stringify({
    "build-image": {
      variables: { DOCKER_HOST: "unix:///var/run/docker.sock" },
      tags: [tag],
      stage: "build",
      image: "pi-lab/docker:dind",
      script,
    },
  });
