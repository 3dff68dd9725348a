/** Steps with progress: a live list on a terminal, else one line per step and now and then one of what it does. */
import { Listr, type ListrTask } from "listr2";

export type Say = (line: string) => void;
export type Step<Context> = ListrTask<Context>;

/** How often a step that is not on a terminal may say what it does. */
const quiet = 5000;

export function step<Context>(title: string, work: (context: Context, say: Say) => Promise<void>): Step<Context> {
  return {
    title,
    task: async (context, task) => {
      const begin = Date.now();
      let said = begin;
      const say = (line: string): void => {
        if (!process.stdout.isTTY && Date.now() - said < quiet) {
          return;
        }
        said = Date.now();
        task.output = line;
      };
      await work(context, say).catch((error: unknown) => {
        failures.add(error);
        throw new Error(firstLine(error));
      });
      task.title = `${title} (${((Date.now() - begin) / 1000).toFixed(1)} s)`;
    },
  };
}

/** Steps that do not wait for each other. */
export function together<Context extends object>(title: string, steps: Step<Context>[]): Step<Context> {
  return { title, task: (_, task) => task.newListr(steps, { concurrent: true, exitOnError: true }) };
}

export async function perform<Context extends object>(steps: Step<Context>[]): Promise<void> {
  failures.clear();
  const list = new Listr<Context>(steps, { fallbackRenderer: "simple", rendererOptions: { collapseSubtasks: false } });
  await list.run().catch((error: unknown) => {
    throw [...failures][0] ?? error;
  });
}

/** The list shows the first line of an error; the whole is for the end. */
const failures = new Set<unknown>();

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0]?.slice(0, 160) ?? "";
