/** The runners of the lab's stacks, with the pipeline that each stack prints for them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { checkout, type StackName, stackNames } from "../lab/machine/places";
import { run } from "../lab/machine/processes";
import { stackOutput } from "../lab/stack/stack";
import type { KnownNode } from "./hosts";
import { labEnvironment, needLab } from "./labEnvironment";
import { say } from "./say";

export interface DeployedRunner {
  name: string;
  way: string;
  tags: string[];
  pipeline: string;
}

let deployed: Promise<DeployedRunner[]> | undefined;

/** Runners of every way; brings the lab up, and deploys on it what `make up` leaves out. */
export function deployedRunners(): Promise<DeployedRunner[]> {
  deployed ??= deployAll();
  return deployed;
}

async function deployAll(): Promise<DeployedRunner[]> {
  await needLab();
  say("deploying the ways that stack dev has not");
  await run("tsx", ["lab/lab.ts", "job", "--way", "dind-plain"], { cwd: checkout });
  const env = (await labEnvironment()) as Record<string, string>;
  const ofStack = async (stack: StackName): Promise<DeployedRunner[]> => {
    const runners = await stackOutput<Omit<DeployedRunner, "pipeline">[]>(env, stack, "runners");
    const pipelines = await stackOutput<Record<string, string>>(env, stack, "pipelines");
    return runners.map((runner) => ({ ...runner, pipeline: pipelines[runner.name]! }));
  };
  return (await Promise.all(stackNames.map(ofStack))).flat();
}

/** The nodes of the lab's cluster. */
export function clusterNodes(): KnownNode[] {
  const file = parse(readFileSync(join(checkout, "Pulumi.dev.yaml"), "utf8")) as {
    config: { "pi-runners:nodes": KnownNode[] };
  };
  return file.config["pi-runners:nodes"];
}
