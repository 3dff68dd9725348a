/** What each word of lab.ts does. */
import { join } from "node:path";
import { built } from "../builds/builds";
import { certificateAuthority } from "../cluster/certificates";
import { clusterNodes, nodesReady } from "../cluster/cluster";
import { ensureServer } from "../cluster/controlPlane";
import { joinNodes } from "../cluster/join";
import { down } from "./down";
import { type Engine, ensureNetwork, findEngine, startEngine } from "../engine/engine";
import { raiseSettings } from "../machine/hostSettings";
import { isOfWays, mainJob } from "../stack/job";
import { unstowImages } from "../images/machineImages";
import { withLock } from "../machine/locks";
import { type ImageSets, imageSets, loadForPods, pushBaseImage, pushJobImages } from "../images/nodeImages";
import { ensureNodes, newNodes, nodesDeployed } from "../cluster/nodes";
import { hostPackages } from "../machine/packages";
import { cache, type LabNode, maxNodes, nodes } from "../machine/places";
import { deploy, type Toolchain, toolchain } from "../stack/stack";
import { linkRunner } from "../stack/runnerFile";
import { linkState } from "../machine/stateFolder";
import { look } from "./status";
import { readableTrace } from "../stack/trace";
import { perform, step, type Step, together } from "./steps";

interface Context {
  engine: Engine;
  sets: ImageSets;
  tools: Toolchain;
}

/** One `up`, `nodes` or `down` at a time on this machine, whichever checkout it comes from. */
const alone = <T>(work: () => Promise<T>): Promise<T> =>
  withLock(
    join(cache, "locks", "lab"),
    () => process.stderr.write("another process works on the lab, waiting\n"),
    work,
  );

const packages: Step<Context> = step("packages of this machine", async (_, say) =>
  hostPackages((await findEngine()) === undefined, say),
);

const engine: Step<Context> = step("container engine", async (context, say) => {
  linkState();
  raiseSettings();
  context.engine = await startEngine(say);
  await ensureNetwork(context.engine);
  await certificateAuthority();
  await unstowImages(context.engine, say);
});

export async function nodesCommand(count: number): Promise<void> {
  const wanted = nodes(count);
  const hosts: Step<Context> = step(`${count} nodes`, ({ engine }, say) => ensureNodes(engine, wanted, say));
  await alone(() => perform([packages, engine, hosts]));
}

/** Everything that takes long the first time, and nothing afterwards. */
const builds: Step<Context> = together("programs and images", [
  step("Kubernetes", async (_, say) => void (await built("kubernetes", say))),
  step("Pulumi", async (context, say) => void (context.tools = await toolchain(context.engine, say))),
  step("images", async (context, say) => void (context.sets = await imageSets(context.engine, say))),
]);

const labSteps = (wanted: LabNode[]): Step<Context>[] => [
  packages,
  engine,
  builds,
  together("hosts", [
    step("control plane, registry, stand-in for GitLab", async ({ engine, sets }, say) => {
      await ensureServer(engine, say);
      await pushBaseImage(engine, say);
      await pushJobImages(engine, sets, say);
    }),
    step(`${wanted.length} nodes with their images`, ({ engine, sets }, say) => joinNodes(engine, wanted, sets, say)),
  ]),
  step("nodes ready", ({ engine }, say) => nodesReady(engine, wanted, say)),
];

export interface UpOptions {
  nodes: number;
  stack: boolean;
  job: boolean;
  way?: string;
}

export async function upCommand(options: UpOptions): Promise<void> {
  const wanted = nodes(options.nodes);
  const begin = Date.now();
  await alone(async () => {
    let ready: Context | undefined;
    const keep = step<Context>("ready", async (context) => void (ready = context));
    await perform([...labSteps(wanted), keep]);
    if (!ready) {
      return;
    }
    for (const source of ready.sets.sources) {
      print(source);
    }
    if (!options.stack) {
      return;
    }
    const { tools } = ready;
    for (const source of tools.plugins.sources) {
      print(`plugin ${source}`);
    }
    await deploy(tools.env, "dev", newNodes("dev", wanted), print);
    nodesDeployed("dev", wanted);
    if (options.job) {
      await runJob(tools, options.way);
    }
  });
  print(`up after ${((Date.now() - begin) / 1000).toFixed(1)} s`);
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function runJob({ env }: Toolchain, way: string | undefined): Promise<void> {
  const trace = readableTrace(process.stdout);
  const { reference, digest } = await mainJob(env, way, trace.write).finally(trace.end);
  print(`pushed ${reference}`);
  print(`digest ${digest}`);
}

export async function jobCommand(way: string | undefined): Promise<void> {
  const engine = await findEngine();
  const tools = await toolchain(engine, () => undefined);
  if (way !== undefined && isOfWays(way)) {
    await alone(async () => {
      await linkRunner(print);
      const joined = await clusterNodes();
      if (engine) {
        await loadForPods(
          engine,
          nodes(maxNodes).filter(({ name }) => joined.has(name)),
          ["buildah"],
          print,
        );
      }
      const changed = newNodes("ways");
      await deploy(tools.env, "ways", changed, print);
      nodesDeployed("ways", changed);
    });
  }
  await runJob(tools, way);
}

export async function statusCommand(): Promise<void> {
  const parts = await look();
  const width = Math.max(...parts.map(({ name }) => name.length));
  for (const { name, healthy, text } of parts) {
    print(`${healthy ? "✔" : "✘"} ${name.padEnd(width)}  ${text}`);
  }
  if (!parts.every(({ healthy }) => healthy)) {
    process.exitCode = 1;
  }
}

export async function environmentCommand(): Promise<void> {
  const { env } = await toolchain(await findEngine(), () => undefined);
  for (const [name, value] of Object.entries(env)) {
    print(`export ${name}='${value.replaceAll("'", `'\\''`)}'`);
  }
}

export async function downCommand(): Promise<void> {
  await alone(() => perform([step("everything of the lab but its cache", (_, say) => down(say))]));
}
