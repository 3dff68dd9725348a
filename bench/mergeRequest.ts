/** How long a merge request waits for its note, and what a preview costs in a job beside the same by hand. */
import { join } from "node:path";
import { readFileSync, writeFileSync } from "node:fs";
import { gitlabUrl } from "../lab/cluster/controlPlane";
import { findEngine } from "../lab/engine/engine";
import { LabGitlab, type JobView } from "../lab/gitlab/client";
import { deployHost, deployImage, removeDeployHost } from "../lab/images/deployImage";
import { node as labNode, stateLink } from "../lab/machine/places";
import { projectFiles } from "../lab/stack/ownCheckout";
import { postgres } from "../lab/stack/postgres";
import { figure, ratio, type Figure, type Section } from "./figures";
import { time } from "./hyperfine";
import { needLab } from "./labEnvironment";
import { fourNodes, stack, withCredentials, type DeployedStack } from "./fourNodes";
import { deployedRunners } from "./labRunners";
import { say } from "./say";
import { interrupted, whenDone } from "./stops";

const gitlab = new LabGitlab(gitlabUrl);

/** What runs the jobs: a container of the image of ci/Dockerfile, or a host that has what is in it. */
const ways = ["dood", "shell"];

export async function mergeRequest(runs: number): Promise<Section> {
  await needLab();
  const engine = (await findEngine())!;
  const image = await deployImage(engine, say);
  await deployedRunners();
  const host = labNode(1).container; // where stack ways has its runner of way shell
  whenDone("what the jobs need on node1", () => removeDeployHost(engine, host));
  await deployHost(engine, host, image);
  const database = await postgres(engine, say);
  whenDone("the database", database.remove);
  const deployed = await fourNodes(gitlab, database.url);
  const hand: number[] = [];
  const figures: Figure[] = [];
  for (const way of ways) {
    figures.push(...(await rounds(way, await project(deployed, way, image), deployed, runs, hand)));
  }
  return {
    title: "Merge requests",
    about: [
      "A stack of one runner and four nodes, which every preview looks at, with its state in a PostgreSQL. In each round a new merge request changes `concurrent`; its pipeline is run by the `dood` runner of stack dev, in the image of `ci/Dockerfile`, or by the `shell` runner of stack ways, on a host that has what is in that image; each on a node that has run one before. The stand-in for GitLab keeps the times. By hand: `ci/preview.ts` from a checkout on this machine, with the same change, in the same round.",
    ],
    figures: [figure("preview of 4 nodes by hand", "s", hand), ...figures],
  };
}

/** Figures of one way; what the previews by hand took is added to `all`. */
async function rounds(
  way: string,
  open: (concurrent: number) => Promise<Round>,
  deployed: DeployedStack,
  runs: number,
  all: number[],
): Promise<Figure[]> {
  say(`mergeRequest: ${runs} rounds by ${way}, after one on each node`);
  const [notes, jobs, hand]: [number[], number[], number[]] = [[], [], []];
  const seen = new Set<string>();
  for (let concurrent = 2; notes.length < runs; concurrent++) {
    interrupted.throwIfAborted();
    const { noteAfter, job } = await open(concurrent);
    const seconds = await byHand(deployed, concurrent);
    if (seen.has(job.runner!.systemId)) {
      notes.push(noteAfter);
      jobs.push((job.finishedAt! - job.handedOutAt!) / 1000);
      hand.push(seconds);
    }
    seen.add(job.runner!.systemId);
  }
  all.push(...hand);
  const beyond = notes.map((seconds, round) => seconds - hand[round]!);
  return [
    figure(`pipeline made to note written, ${way}`, "s", notes),
    figure(`the same, beyond the preview by hand, ${way}`, "s", beyond, { goal: { most: 5 } }),
    figure(`preview job, handed out to finished, ${way}`, "s", jobs),
    ratio(`preview job by ${way} : the same by hand`, jobs, hand, { most: 1.5 }),
  ];
}

interface Round {
  /** Seconds from the pipeline's making to the note. */
  noteAfter: number;
  job: JobView;
}

/**
 * Makes the project of the stack, whose jobs a runner of this way runs; what it gives opens a merge request with so many jobs
 * at once, and waits for its end.
 */
async function project(
  { env, file }: DeployedStack,
  way: string,
  image: string,
): Promise<(concurrent: number) => Promise<Round>> {
  const { token } = await gitlab.createAccessToken({ scopes: ["api"], role: "developer" });
  const name = `bench-merge-request-${way}-${Date.now().toString(36)}`;
  const pipeline = `include:\n  - local: templates/preview.yml\n    inputs: { stack: ${stack}, tags: [${way}], image: "${image}" }\n`;
  const files = { ...(await projectFiles()), ".gitlab-ci.yml": pipeline };
  const secret = (file: string): string => readFileSync(join(stateLink, file), "utf8");
  const variables = [
    { key: "PULUMI_BACKEND_URL", value: env["PULUMI_BACKEND_URL"]!, masked: true },
    { key: "PULUMI_CONFIG_PASSPHRASE", value: env["PULUMI_CONFIG_PASSPHRASE"]!, masked: true },
    { key: "KUBECONFIG", value: secret("kubeconfig"), file: true },
    { key: "PI_RUNNERS_SSH_KEY", value: secret("id_ed25519"), file: true },
    { key: "PI_RUNNERS_KNOWN_HOSTS", value: secret("known_hosts"), file: true },
    { key: "PI_RUNNERS_GITLAB_TOKEN", value: token, masked: true },
  ];
  const stackFile = `Pulumi.${stack}.yaml`;
  const { id } = await gitlab.createProject(name, { files: { ...files, [stackFile]: file(1) }, variables });
  const requests = `${gitlab.url}/api/v4/projects/${id}/merge_requests`;
  const headers = { "PRIVATE-TOKEN": token, "Content-Type": "application/json" };
  return async (concurrent) => {
    const branch = `jobs-${concurrent}`;
    await gitlab.createProject(name, { files: { ...files, [stackFile]: file(concurrent) }, branch });
    const body = JSON.stringify({ source_branch: branch, target_branch: "main", title: branch });
    const opened = (await (await fetch(requests, { method: "POST", headers, body })).json()) as Opened;
    const { createdAt, jobs } = await gitlab.waitPipeline(opened.head_pipeline.id, { intervalMs: 100 });
    const notes = (await (await fetch(`${requests}/${opened.iid}/notes`, { headers })).json()) as Note[];
    const job = jobs.find((one) => one.name === `preview:${stack}`)!;
    if (job.exitCode !== 2 || notes.length !== 1) {
      throw new Error(`The merge request got no note of a change: ${notes.length}.\n${await gitlab.trace(job.id)}`);
    }
    return { noteAfter: (Date.parse(notes[0]!.created_at) - createdAt) / 1000, job };
  };
}

interface Opened {
  iid: number;
  head_pipeline: { id: number };
}

interface Note {
  created_at: string;
}

async function byHand({ folder, env, file }: DeployedStack, concurrent: number): Promise<number> {
  writeFileSync(join(folder, `Pulumi.${stack}.yaml`), file(concurrent));
  const preview = `cd '${folder}'; ${withCredentials(`tsx ci/preview.ts --stack ${stack}; test $? = 2`)}`;
  const { hand } = await time([{ name: "hand", command: ["bash", "-c", preview], env }], 1, { warmUp: false });
  return hand![0]!;
}
