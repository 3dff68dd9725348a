/**
 * Runs every check of the project in order, quick ones first, says how long each took, and ends with one line that
 * counts them. With --file it runs one test file, after it has brought up what that needs.
 *
 * A check that is not a mocha run counts as one. Everything runs even after a failure, except that nothing on the lab is
 * tried when the lab itself did not come up.
 */
import { Command } from "commander";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { labDown, labUp, long, onLab, quick, stageOf, type Stage } from "./stages";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface Failure {
  title: string;
  error: string;
}

interface Outcome extends Counts {
  failures: Failure[];
}

interface Row extends Outcome {
  stage: string;
  result: "ok" | "FAILED";
  seconds: number;
}

const scratch = mkdtempSync(join(tmpdir(), "pi-runners-test-"));

/** @param beside true: other stages run at the same time, so every line of its output names the stage */
async function run(stage: Stage, beside = false): Promise<Row> {
  const { execa } = await import("execa"); // cannot be required: some of its dependencies are ESM only
  const started = Date.now();
  const countsFile = join(scratch, `${stage.name.replaceAll(" ", "-")}.json`);
  console.log(`\n== ${stage.name}`);
  const [file, ...args] = stage.command;
  const output = beside ? ([prefixed(stage.name), "inherit"] as const) : "inherit";
  const result = await execa(
    file!,
    stage.files === undefined ? args : [...args, stage.files, "--reporter", "test/reporter.cjs"],
    { stdin: "ignore", stdout: output, stderr: output, env: { TEST_COUNTS: countsFile }, reject: false, buffer: false },
  );
  const counts = stage.files === undefined ? single(result.failed) : mochaCounts(countsFile, result.failed);
  const seconds = Number(((Date.now() - started) / 1000).toFixed(1));
  const row: Row = { stage: stage.name, result: counts.failed > 0 ? "FAILED" : "ok", ...counts, seconds };
  console.log(`== ${row.stage}: ${row.result}, ${row.seconds} s`);
  return row;
}

/** Puts the stage's name before each line. */
function prefixed(name: string) {
  return function* (line: unknown): Generator<string> {
    yield `${name} | ${String(line)}`;
  };
}

/** The stages in order; those that may run beside each other, together. */
async function inOrder(stages: Stage[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (let at = 0; at < stages.length;) {
    const alone = stages.slice(at).findIndex(({ beside }) => beside !== true);
    const count = Math.max(1, alone === -1 ? stages.length - at : alone);
    const together = stages.slice(at, at + count);
    rows.push(...(await Promise.all(together.map((stage) => run(stage, together.length > 1)))));
    at += count;
  }
  return rows;
}

function single(failed: boolean): Outcome {
  return { passed: failed ? 0 : 1, failed: failed ? 1 : 0, skipped: 0, failures: [] };
}

/** A mocha run that died, or that ran no test, is a failure whatever it counted. */
function mochaCounts(file: string, failed: boolean): Outcome {
  let counts: Outcome;
  try {
    counts = JSON.parse(readFileSync(file, "utf8")) as Outcome;
  } catch {
    return single(true);
  }
  const silent = (failed && counts.failed === 0) || counts.passed + counts.failed === 0;
  return silent ? { ...counts, failed: counts.failed + 1 } : counts;
}

async function everything(options: { lab: boolean; long: boolean; keep: boolean }): Promise<Row[]> {
  const rows = options.long ? [] : await inOrder(quick);
  if (!options.lab) {
    return rows;
  }
  rows.push(await run(labUp));
  if (rows.at(-1)!.failed === 0) {
    rows.push(...(await inOrder(options.long ? long : onLab)));
  }
  if (!options.keep) {
    rows.push(await run(labDown));
  }
  return rows;
}

/** One file, or its tests with these words in their titles. A lab that was brought up stays, for the next run. */
async function one(given: string, grep: string | undefined): Promise<Row[]> {
  const file = relative(process.cwd(), given);
  const stage = stageOf(file);
  if (stage === undefined || !existsSync(file)) {
    throw new Error(
      `No test file: ${JSON.stringify(given)}.\nGive one below test/ by FILE=, such as test/unit/config/config.test.ts.`,
    );
  }
  const words = grep === undefined ? [] : ["--grep", grep];
  const rows = stage.needsLab ? [await run({ ...labUp, command: [...labUp.command, "--no-job"] })] : [];
  if (rows.some(({ failed }) => failed > 0)) {
    return rows;
  }
  return [...rows, await run({ ...stage, files: file, command: [...stage.command, ...words] })];
}

/** A failed stage in lines that still say what is wrong where a log shows its end alone. */
function failed({ stage, failures }: Row): string[] {
  if (failures.length === 0) {
    return [`${stage}: see its output above`];
  }
  return failures.map(({ title, error }) => `${stage}: ${title}: ${error.replaceAll(/\s+/g, " ").slice(0, 300)}`);
}

/** How long each part took, what failed, and as the very last line what all of them counted. */
function report(rows: Row[]): void {
  console.log("\nHow long each part took:");
  console.table(Object.fromEntries(rows.map(({ stage, failures: _, ...row }) => [stage, row])));
  const broken = rows.filter(({ result }) => result === "FAILED").flatMap(failed);
  if (broken.length > 0) {
    console.log(["", "What failed:", ...broken].join("\n"));
  }
  const sum = (key: keyof Counts): number => rows.reduce((total, row) => total + row[key], 0);
  console.log(`\n${sum("passed")} passed, ${sum("failed")} failed, ${sum("skipped")} skipped`);
  process.exitCode = sum("failed") > 0 ? 1 : 0;
}

async function main(): Promise<void> {
  const options = new Command()
    .description("Run the project's checks; the last line counts them.")
    .option("--no-lab", "only what needs no lab")
    .option("--long", "instead of all the others, the tests that take long", false)
    .option("--keep", "leave the lab running at the end", process.env.KEEP === "1")
    .option("--file <path>", "one test file, with what it needs")
    .option("--grep <words>", "of that file, only tests with these words in their titles")
    .parse()
    .opts<{ lab: boolean; long: boolean; keep: boolean; file?: string; grep?: string }>();
  try {
    report(options.file === undefined ? await everything(options) : await one(options.file, options.grep));
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
