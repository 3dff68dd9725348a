/** The main job: a pipeline of a small project, on a runner of the stack, that builds an image and pushes it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { LabGitlab } from "../gitlab/client";
import { gitlabUrl } from "../cluster/controlPlane";
import { baseImage, manifestDigest } from "../images/nodeImages";
import { checkout, gitlabRegistry, type StackName, stackNames } from "../machine/places";
import { stackOutput } from "./stack";

export interface Pushed {
  reference: string;
  digest: string;
}

interface RunnerOutput {
  name: string;
  way: string;
}

/** Does stack `ways` have this way, and `dev` has not? */
export const isOfWays = (way: string): boolean => stackOf(way) === "ways";

/** The stack whose file has a runner of this way; the first, dev, where none has. */
function stackOf(way: string): StackName {
  return stackNames.find((stack) => waysOf(stack).includes(way)) ?? "dev";
}

/** The ways of a stack's file. */
function waysOf(stack: StackName): string[] {
  const file = readFileSync(join(checkout, `Pulumi.${stack}.yaml`), "utf8");
  const { config } = parse(file) as { config: { "pi-runners:runners": { way: string }[] } };
  return config["pi-runners:runners"].map(({ way }) => way);
}

/**
 * Runs a stack's own pipeline for the first runner of this way; default: the first runner of stack dev.
 * @throws unless a stack has such a runner, the pipeline succeeds, and the registry has the image that it names
 */
export async function mainJob(
  env: NodeJS.ProcessEnv,
  way: string | undefined,
  print: (text: string) => void,
): Promise<Pushed> {
  const stack = way === undefined ? "dev" : stackOf(way);
  const runner = chosen(await stackOutput<RunnerOutput[]>(env, stack, "runners"), way);
  const text = (await stackOutput<Record<string, string>>(env, stack, "pipelines"))[runner.name];
  if (text === undefined) {
    throw new Error(`Stack ${stack} prints no pipeline for runner ${runner.name}.\nRun make up.`);
  }
  const lab = new LabGitlab(gitlabUrl);
  const project = `hello-${runner.name}`;
  await lab.createProject(project, { files: projectFiles(text) });
  let trace = "";
  await lab.runPipeline(project, {
    mustSucceed: true,
    timeoutMs: 600_000,
    onTrace: (_, piece) => {
      trace += piece;
      print(piece);
    },
  });
  return pushed(`lab/${project}`, trace);
}

function chosen(runners: RunnerOutput[], way: string | undefined): RunnerOutput {
  const runner = runners.find((candidate) => way === undefined || candidate.way === way);
  if (runner) {
    return runner;
  }
  throw new Error(
    `No runner of the lab's stacks builds in the way ${way}.\n` +
      `Ways that they have: ${[...new Set(stackNames.flatMap(waysOf))].join(", ")}.\n` +
      "Choose one of them, or add such a runner to Pulumi.ways.yaml and lab/runners.json.",
  );
}

const projectFiles = (pipeline: string): Record<string, string> => ({
  ".gitlab-ci.yml": pipeline,
  Dockerfile: [
    `FROM ${gitlabRegistry.address}/${baseImage.projectRepository}:${baseImage.tag}`,
    "COPY hello /usr/local/bin/hello",
    "RUN chmod +x /usr/local/bin/hello && hello",
    'CMD ["hello"]',
    "",
  ].join("\n"),
  hello: "#!/bin/sh\necho 'Hello from an image that a Raspberry Pi could have built.'\n",
});

/** What the trace says was pushed, once the registry has said the same. */
async function pushed(repository: string, trace: string): Promise<Pushed> {
  const found = [...trace.matchAll(/(\S+?\/(\S+))@(sha256:[0-9a-f]{64})/g)].find(([, , name]) => name === repository);
  const [, name = "", , digest = ""] = found ?? [];
  if (found && (await manifestDigest(repository, digest)) === digest) {
    return { reference: `${name}@${digest}`, digest };
  }
  throw new Error(
    `The pipeline succeeded, but the registry has no image that its trace names: ${found?.[0] ?? `…/${repository}@sha256:…`}.\n` +
      "The trace above says what was pushed.",
  );
}
