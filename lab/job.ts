/** The main job: a pipeline of a small project, on a runner of the stack, that builds an image and pushes it. */
import { LabGitlab } from "./gitlab/client";
import { gitlabUrl } from "./controlPlane";
import { baseImage, manifestDigest } from "./nodeImages";
import { registry } from "./places";
import { stackOutput } from "./stack";

export interface Pushed {
  reference: string;
  digest: string;
}

interface RunnerOutput {
  name: string;
  way: string;
}

/** Runs the stack's own pipeline for the first runner of this way. @throws unless it succeeds and its image is there */
export async function mainJob(
  env: NodeJS.ProcessEnv,
  way: string | undefined,
  print: (text: string) => void,
): Promise<Pushed> {
  const [runners, pipelines] = [
    await stackOutput<RunnerOutput[]>(env, "runners"),
    await stackOutput<Record<string, string>>(env, "pipelines"),
  ];
  const runner = runners.find((candidate) => way === undefined || candidate.way === way);
  const text = runner && pipelines[runner.name];
  if (!text) {
    const ways = runners.map((candidate) => candidate.way).join(", ");
    throw new Error(`No runner of stack dev builds in the way ${way}.\nWays that it has: ${ways}.`);
  }
  const lab = new LabGitlab(gitlabUrl);
  const project = `hello-${runner.name}`;
  const { sha } = await lab.createProject(project, { files: projectFiles(text) });
  const pipeline = await lab.runPipeline(project, {
    mustSucceed: true,
    timeoutMs: 600_000,
    onTrace: (_, piece) => print(piece),
  });
  return pushed(`lab/${project}`, `${(sha ?? "").slice(0, 8)}-${pipeline.id}`);
}

const projectFiles = (pipeline: string): Record<string, string> => ({
  ".gitlab-ci.yml": pipeline,
  Dockerfile: [
    `FROM ${registry.address}/${baseImage.repository}:${baseImage.tag}`,
    "COPY hello /usr/local/bin/hello",
    "RUN chmod +x /usr/local/bin/hello && hello",
    'CMD ["hello"]',
    "",
  ].join("\n"),
  hello: "#!/bin/sh\necho 'Hello from an image that a Raspberry Pi could have built.'\n",
});

async function pushed(repository: string, tag: string): Promise<Pushed> {
  const reference = `${registry.address}/${repository}:${tag}`;
  const digest = await manifestDigest(repository, tag);
  if (digest) return { reference, digest };
  throw new Error(
    `The pipeline succeeded, but the registry has no ${reference}.\nThe trace above says what was pushed.`,
  );
}
