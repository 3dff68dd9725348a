/**
 * Runs every check of the project in order, quick ones first, and ends with one line that counts them.
 *
 * A check that is not a mocha run counts as one. Everything runs even after a failure, except that nothing
 * on the lab is tried when the lab itself did not come up.
 */
import { Command } from "commander";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface Stage {
  name: string;
  command: string[];
  /** A mocha run leaves its own counts; anything else is one check. */
  mocha?: boolean;
}

const quick: Stage[] = [
  { name: "types", command: ["tsc", "--noEmit"] },
  { name: "lint", command: ["eslint", "."] },
  { name: "format", command: ["prettier", "--check", "--log-level=warn", "."] },
  { name: "unit", command: ["mocha"], mocha: true },
];

const labUp: Stage = { name: "lab up", command: ["tsx", "lab/lab.ts", "up"] };
const labDown: Stage = {
  name: "lab down",
  command: ["mocha", "--config", "test/lab/.mocharc.json", "test/lab/down/*.test.ts"],
  mocha: true,
};

const onLab: Stage[] = [
  {
    name: "stand-in GitLab",
    command: ["mocha", "--config", "test/lab/.mocharc.json", "test/lab/gitlab/*.test.ts"],
    mocha: true,
  },
  {
    name: "plugins",
    command: ["mocha", "--config", "test/lab/.mocharc.json", "test/lab/plugins/*.test.ts"],
    mocha: true,
  },
  {
    name: "registry trust on nodes",
    command: ["mocha", "--config", "test/lab/.mocharc.json", "test/host/**/*.test.ts"],
    mocha: true,
  },
  {
    name: "stack on the lab",
    command: ["mocha", "--config", "test/lab/.mocharc.json", "test/lab/stack/*.test.ts"],
    mocha: true,
  },
];

const scratch = mkdtempSync(join(tmpdir(), "pi-runners-test-"));

async function run(stage: Stage): Promise<Counts> {
  const { execa } = await import("execa"); // cannot be required: some of its dependencies are ESM only
  const started = Date.now();
  const countsFile = join(scratch, `${stage.name.replaceAll(" ", "-")}.json`);
  console.log(`\n== ${stage.name}`);
  const [file, ...args] = stage.command;
  const result = await execa(file!, stage.mocha ? [...args, "--reporter", "test/reporter.cjs"] : args, {
    stdio: ["ignore", "inherit", "inherit"],
    env: { TEST_COUNTS: countsFile },
    reject: false,
  });
  console.log(`== ${stage.name}: ${result.failed ? "FAILED" : "ok"}, ${((Date.now() - started) / 1000).toFixed(1)} s`);
  return stage.mocha ? mochaCounts(countsFile, result.failed) : single(result.failed);
}

function single(failed: boolean): Counts {
  return { passed: failed ? 0 : 1, failed: failed ? 1 : 0, skipped: 0 };
}

/** A mocha run that died, or that ran no test, is a failure whatever it counted. */
function mochaCounts(file: string, failed: boolean): Counts {
  let counts: Counts;
  try {
    counts = JSON.parse(readFileSync(file, "utf8")) as Counts;
  } catch {
    return single(true);
  }
  const silent = (failed && counts.failed === 0) || counts.passed + counts.failed === 0;
  return silent ? { ...counts, failed: counts.failed + 1 } : counts;
}

async function main(): Promise<void> {
  const options = new Command()
    .description("Run the project's checks; the last line counts them.")
    .option("--no-lab", "only what needs no lab")
    .option("--keep", "leave the lab running at the end", process.env.KEEP === "1")
    .parse()
    .opts<{ lab: boolean; keep: boolean }>();
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const failures: string[] = [];
  const add = async (stage: Stage): Promise<boolean> => {
    const counts = await run(stage);
    for (const key of ["passed", "failed", "skipped"] as const) total[key] += counts[key];
    if (counts.failed > 0) failures.push(stage.name);
    return counts.failed === 0;
  };
  for (const stage of quick) await add(stage);
  if (options.lab) {
    if (await add(labUp)) for (const stage of onLab) await add(stage);
    if (!options.keep) await add(labDown);
  }
  rmSync(scratch, { recursive: true });
  if (failures.length > 0) console.log(`\nfailed: ${failures.join(", ")}`);
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

void main();
