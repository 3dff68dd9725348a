/** The lab as the bench finds it: the environment in which Pulumi works, and the lab itself where a section needs it. */
import { readdirSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { findEngine } from "../lab/engine/engine";
import { checkout } from "../lab/machine/places";
import { look } from "../lab/commands/status";
import { toolchain } from "../lab/stack/stack";
import { run } from "../lab/machine/processes";
import { say } from "./say";
import { whenDone } from "./stops";

let environment: Promise<NodeJS.ProcessEnv> | undefined;

/** Pulumi, its plugins, and where they find the lab; builds what is not there. */
export function labEnvironment(): Promise<NodeJS.ProcessEnv> {
  environment ??= findEngine()
    .then((engine) => toolchain(engine, say))
    .then(({ env, plugins }) => ({ ...env, PATH: [...targets(plugins.folder), env.PATH].join(delimiter) }));
  return environment;
}

/** Folders of the plugins themselves: the lab may make its links to them again while we measure. */
function targets(links: string): string[] {
  return [...new Set(readdirSync(links).map((link) => dirname(realpathSync(join(links, link)))))];
}

let up: Promise<void> | undefined;

/** Brings the lab up with the dev stack on it. A lab that was not there before is taken down at the end. */
export function needLab(): Promise<void> {
  up ??= bringUp();
  return up;
}

async function bringUp(): Promise<void> {
  const before = await look();
  const lab = (...args: string[]): Promise<string> => run("tsx", ["lab/lab.ts", ...args], { cwd: checkout });
  if (!before.some(({ name, healthy }) => name === "cluster" && healthy)) {
    say("bringing the lab up; it goes at the end");
    whenDone("the lab", async () => void (await lab("down")));
  }
  await lab("up", "--no-job");
}
