/** What `make bench` runs: measures, prints a table, writes bench/results.json and docs/benchmarks.md. */
import { Command, InvalidArgumentError } from "commander";
import type { Section } from "./figures";
import { builds } from "./builds";
import { keep as hosts } from "./hosts";
import { growth } from "./growth";
import { jobs } from "./jobs";
import { load, machine } from "./machine";
import { mergeRequest } from "./mergeRequest";
import { preview } from "./preview";
import { readResults, table, writeResults, type Results } from "./results";
import { say } from "./say";
import { interrupted, stopAll, stopOnSignals } from "./stops";
import { restarts } from "./restarts";
import { throughput } from "./throughput";
import { trust } from "./trust";

/** Each takes how often it is to measure. */
const sections: Record<string, (runs: number) => Promise<Section>> = {
  preview,
  trust,
  restarts,
  jobs,
  builds,
  throughput,
  mergeRequest,
  growth,
};

const program = new Command("bench")
  .description("Measure what docs/benchmarks.md shows. Needs the lab; what it starts it also stops.")
  .option("--only <names...>", `sections to measure: ${Object.keys(sections).join(", ")} (default: all)`)
  .option("--runs <number>", "how often to measure each figure", count, 5)
  .option("--keep", "leave the bench's nodes for the next run")
  .option("--dry", "print the table, write nothing")
  .action((options: Options) => bench(options));

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new InvalidArgumentError("Give a whole number from 1.");
  }
  return value;
}

interface Options {
  only?: string[];
  runs: number;
  keep?: boolean;
  dry?: boolean;
}

async function bench({ only, runs, keep, dry }: Options): Promise<void> {
  const unknown = only?.find((name) => !(name in sections));
  if (unknown !== undefined) {
    program.error(`No section ${unknown}. There are: ${Object.keys(sections).join(", ")}.`);
  }
  hosts.nodes = keep ?? false;
  stopOnSignals();
  const results = readResults();
  const failures: string[] = [];
  try {
    for (const name of only ?? Object.keys(sections)) {
      await measure(name, runs, results).catch((error: unknown) => {
        if (interrupted.aborted) {
          throw error;
        }
        failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      });
      if (!dry) {
        await writeResults(results);
      }
    }
  } finally {
    await stopAll();
  }
  if (failures.length > 0) {
    throw new Error(`Not measured:\n${failures.join("\n")}`);
  }
}

async function measure(name: string, runs: number, results: Results): Promise<void> {
  say(`section ${name}`);
  const [began, before] = [new Date(), load()];
  const section = await sections[name]!(runs);
  const seconds = Math.round((Date.now() - began.getTime()) / 1000);
  const measured = {
    ...section,
    at: began.toISOString().slice(0, 16).replace("T", " ") + " UTC",
    load: before,
    seconds,
    machine: machine(),
  };
  // In the order of the list above, whichever was measured last.
  const all: Results["sections"] = { ...results.sections, [name]: measured };
  results.sections = Object.fromEntries(Object.keys(sections).flatMap((key) => (all[key] ? [[key, all[key]]] : [])));
  process.stdout.write(table(section));
}

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = interrupted.aborted ? 130 : 1;
});
