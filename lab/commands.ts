/** What each word of lab.ts does, as a list of steps that show their progress. */
import { Listr, type ListrTask } from "listr2";
import { ensureNetwork, type Engine, findEngine, startEngine } from "./engine";
import { withLock } from "./locks";
import { ensureNodes } from "./nodes";
import { hostPackages } from "./packages";
import { cache, nodes } from "./places";
import { linkState } from "./stateFolder";
import { join } from "node:path";

interface Context {
  engine: Engine;
}

type Say = (line: string) => void;

const step = (title: string, work: (context: Context, say: Say) => Promise<void>): ListrTask<Context> => ({
  title,
  task: async (context, task) => {
    const begin = Date.now();
    await work(context, (line) => (task.output = line));
    task.title = `${title} (${((Date.now() - begin) / 1000).toFixed(1)} s)`;
  },
});

/** One `up`, `nodes` or `down` at a time on this machine, whichever checkout it comes from. */
const alone = <T>(work: () => Promise<T>): Promise<T> =>
  withLock(
    join(cache, "locks", "lab"),
    () => process.stderr.write("another process works on the lab, waiting\n"),
    work,
  );

const engineSteps: ListrTask<Context>[] = [
  step("packages of the host", async (_, say) => hostPackages((await findEngine()) === undefined, say)),
  step("container engine", async (context, say) => {
    linkState();
    context.engine = await startEngine(say);
    await ensureNetwork(context.engine);
    say(context.engine.own ? `the lab's own, ${context.engine.host}` : "the machine's Docker");
  }),
];

export async function nodesCommand(count: number): Promise<void> {
  const wanted = nodes(count);
  await alone(async () => {
    const steps = [...engineSteps, step(`${count} nodes`, ({ engine }, say) => ensureNodes(engine, wanted, say))];
    await new Listr<Context>(steps).run();
  });
}
