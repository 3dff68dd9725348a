/** How many jobs a node gets done in a minute, by each way, with one, two and four at the same time. */
import { parse } from "yaml";
import { LabGitlab, type JobView } from "../lab/gitlab/client";
import { gitlabUrl } from "../lab/cluster/controlPlane";
import { figure, ratio, type Figure, type Section } from "./figures";
import { deployedRunners, type DeployedRunner } from "./labRunners";
import { OneNodeStack } from "./oneNodeStack";
import { say } from "./say";
import { interrupted } from "./stops";

const gitlab = new LabGitlab(gitlabUrl);
const ways = ["dood", "dind-resident", "shell", "dind-job", "dind", "dind-plain", "kubernetes"];
/** The largest first: its jobs make a place for each of the daemons that there will be. */
const settings = [4, 2, 1] as const;
/** Two for each place, and enough to tell a rate by. */
const jobsOf = (concurrent: number): number => Math.max(4, 2 * concurrent);

export async function throughput(): Promise<Section> {
  await deployedRunners();
  say("throughput: deploying runners of every way for one node");
  const stack = await OneNodeStack.deploy(ways, settings[0]);
  const rates = new Map(stack.runners.map(({ way }) => [way, new Map<number, number>()]));
  try {
    for (const runner of stack.runners) {
      say(`throughput: first jobs by ${runner.way}`);
      await jobs(runner, settings[0]);
    }
    for (const concurrent of settings) {
      await stack.concurrent(concurrent);
      for (const runner of stack.runners) {
        const rate = perMinute(await jobs(runner, jobsOf(concurrent)));
        say(`throughput: ${runner.way}, concurrent ${concurrent}: ${rate.toFixed(1)} per minute`);
        rates.get(runner.way)!.set(concurrent, rate);
      }
    }
  } finally {
    await stack.destroy();
  }
  return section(rates);
}

function section(rates: Map<string, Map<number, number>>): Section {
  const each = [...rates].flatMap(([way, of]) => [...of].map(([concurrent, rate]) => ({ way, concurrent, rate })));
  each.sort((a, b) => a.concurrent - b.concurrent);
  return {
    title: "Jobs per minute",
    about: [
      `${jobsOf(1)}, ${jobsOf(2)} and ${jobsOf(4)} jobs of a pipeline at once, for a runner on one node of the lab (two cores, which all of the lab shares) with \`concurrent\` 1, 2 and 4: from the first one's hand-out to the last one's end, by the clock of the stand-in for GitLab. Runners of one way work at a time; each way and number is measured once, however many \`--runs\` there are.`,
      "Each job is the one that the stack prints for the way: it logs in, builds an image from nothing (`FROM scratch`) with a file of its own, pushes it and removes it. No base image is pulled, so what shows is what a way costs by itself. Before, four jobs of each way have run on the node.",
    ],
    figures: [...rates].flatMap(([way, of]) => figures(way, of)),
    plot: {
      name: "throughput",
      title: "Jobs that build and push, on one node",
      axis: "jobs per minute",
      bars: each.map(({ way, concurrent, rate }) => ({ of: way, series: `concurrent ${concurrent}`, value: rate })),
    },
  };
}

function figures(way: string, rates: Map<number, number>): Figure[] {
  const ascending = [...settings].reverse();
  const [one, ...more] = ascending.map((concurrent) => ({ concurrent, rate: [rates.get(concurrent)!] }));
  return [
    figure(`${way}, concurrent 1`, "/min", one!.rate),
    ...more.flatMap(({ concurrent, rate }) => [
      figure(`${way}, concurrent ${concurrent}`, "/min", rate),
      ratio(`${way}, concurrent ${concurrent} : concurrent 1`, rate, one!.rate),
    ]),
  ];
}

/** From the first hand-out to the last end. */
export function perMinute(jobs: Pick<JobView, "handedOutAt" | "finishedAt">[]): number {
  const began = Math.min(...jobs.map(({ handedOutAt }) => handedOutAt!));
  const ended = Math.max(...jobs.map(({ finishedAt }) => finishedAt!));
  return (jobs.length * 60_000) / (ended - began);
}

/** Runs so many jobs of the runner's own pipeline at once, in the same project each time, so that its layers are kept. */
async function jobs({ name, pipeline }: DeployedRunner, count: number): Promise<JobView[]> {
  interrupted.throwIfAborted();
  const ci = Object.fromEntries(Array.from({ length: count }, (_, index) => [`build-${index}`, buildJob(pipeline)]));
  const files = { ".gitlab-ci.yml": JSON.stringify(ci), Dockerfile: "FROM scratch\nCOPY message /message\n" };
  const project = `${name}-rate`;
  await gitlab.createProject(project, { files: { ...files, message: "" } });
  return (await gitlab.runPipeline(project, { mustSucceed: true, timeoutMs: 300_000, intervalMs: 100 })).jobs;
}

/** The pipeline's one job, with a tag and a file of its own. */
function buildJob(pipeline: string): object {
  const [job] = Object.values(parse(pipeline) as Record<string, { variables: object; script: string[] }>);
  return {
    ...job!,
    variables: { ...job!.variables, PI_RUNNERS_IMAGE_TAG: "$CI_JOB_ID" },
    script: ['echo "$CI_JOB_ID" >message', ...job!.script],
  };
}
