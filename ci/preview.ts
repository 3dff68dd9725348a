/**
 * Previews one stack once, and writes what people and GitLab read of it: see `usage`. Made for jobs of merge requests, and
 * the same by hand.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { rawStackFile, stackFileText } from "../config/stackFile";
import { hasDrift, keepDriftIssue } from "./driftIssue";
import { GitlabError, GitlabProject, tokenVariable } from "./gitlabApi";
import { MergeRequestNote } from "./mergeRequestNote";
import { runPulumi } from "./pulumi";
import { noLimits, noteOf, unchangedNote, type Links } from "./report/note";
import { wordJoiner } from "./report/markdown";
import { readPreview } from "./report/preview";
import { machineReport, reportOf, terraformReport, type Report } from "./report/report";
import {
  environmentSecrets,
  longestFirst,
  secretTexts,
  without,
  withoutSecrets,
  type ShownKey,
} from "./report/secrets";
import { codeQuality } from "./report/stackFileErrors";

const usage = `Previews a stack, and writes what a merge request shows of it.

  npx tsx ci/preview.ts --stack NAME [--out FOLDER] [--note] [--drift] [--save-plan FILE] [--config-file FILE]
  npx tsx ci/preview.ts --stack NAME --unchanged

  --stack NAME        the stack to preview, or ORGANIZATION/NAME; Pulumi has to be logged in, and to have its passphrase
  --out FOLDER        where the files go; default: preview
  --note              keep the stack's note on the merge request of this job up to date, and its label
  --unchanged         preview nothing: where the merge request of this job has a note of the stack, let it say that commits
                      since then have taken its change back
  --drift             keep one issue open while the stack, or a node that answers (trust.probe), is not as the stack file
                      says; exit code 2 then, as for changes
  --save-plan FILE    keep Pulumi's plan there, for pulumi up --plan
  --config-file FILE  the stack file, where it is not Pulumi.NAME.yaml
  --help              print this

Files, in FOLDER:
  NAME.md                note for the merge request, short enough for GitLab
  NAME.full.md           the same with nothing cut
  NAME.json              for machines: result, counts, changes, consequences, nodes, warnings, errors
  NAME.terraform.json    for GitLab's widget: artifacts:reports:terraform
  NAME.codequality.json  errors of the stack file, with their lines: artifacts:reports:codequality

Exit code: 0 nothing would change, 2 something would, 1 the preview failed.
Note and issue need a project access token (scope api, role Developer) in PI_RUNNERS_GITLAB_TOKEN; without one all else is the same.
The rest is known from GitLab's own variables of the job.`;

const exitCodes: Record<Report["result"], number> = { none: 0, changes: 2, error: 1 };

interface Options {
  stack: string;
  out: string;
  note: boolean;
  unchanged: boolean;
  drift: boolean;
  plan?: string;
  configFile?: string;
}

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2));
  if (options === undefined) {
    console.log(usage);
    return 0;
  }
  if (options.unchanged) {
    await unlessRefused(() => sayUnchanged(options.stack));
    return exitCodes.none;
  }
  const [report, note] = await Promise.all([previewed(options), options.note ? begunNote(options.stack) : undefined]);
  const text = write(report, options);
  tell(report, options);
  await unlessRefused(async () => note?.write(report, text));
  if (options.drift) {
    await unlessRefused(() => reportDrift(report, text));
    return hasDrift(report) ? exitCodes.changes : exitCodes[report.result];
  }
  return exitCodes[report.result];
}

/** The note of this job's merge request, where there is one, which from now on does not look current if it is not. */
async function begunNote(stack: string): Promise<MergeRequestNote | undefined> {
  const note = await unlessRefused(() => MergeRequestNote.ofJob(stack));
  await unlessRefused(async () => note?.begin());
  return note;
}

async function sayUnchanged(stack: string): Promise<void> {
  const note = await MergeRequestNote.ofJob(stack);
  const { artifact: _none, ...links } = linksOf("");
  await note?.withdraw(reportOf(stack, {}), unchangedNote(stack, links));
}

async function reportDrift(report: Report, text: string): Promise<void> {
  const project = GitlabProject.ofJob(process.env);
  if (project === undefined) {
    console.log(`No issue is kept: ${tokenVariable} is not set. The report is in the job's artifacts.`);
    return;
  }
  await keepDriftIssue(project, report, text);
}

/** A note that cannot be written fails no preview: the widget and the artifact are there. */
async function unlessRefused<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof GitlabError)) {
      throw error;
    }
    console.error(`GitLab does not show this report as it should. ${error.message}`);
    return undefined;
  }
}

function optionsOf(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      stack: { type: "string" },
      out: { type: "string", default: "preview" },
      note: { type: "boolean", default: false },
      unchanged: { type: "boolean", default: false },
      drift: { type: "boolean", default: false },
      "save-plan": { type: "string" },
      "config-file": { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    return undefined;
  }
  if (values.stack === undefined) {
    throw new Error("No stack is named: ci/preview.ts. Give --stack NAME; --help says more.");
  }
  const { "save-plan": plan, "config-file": configFile } = values;
  return {
    stack: values.stack,
    out: values.out,
    note: values.note,
    unchanged: values.unchanged,
    drift: values.drift,
    ...(plan === undefined ? {} : { plan }),
    ...(configFile === undefined ? {} : { configFile }),
  };
}

/** Runs the preview, and beside it what tells which texts are secret. */
async function previewed({ stack, plan, drift, configFile }: Options): Promise<Report> {
  // What was changed on the cluster by hand is seen only by who reads it again; with --show-sames also where the program says the same.
  const looked = drift ? ["--refresh", "--run-program", "--show-sames"] : [];
  const where = ["--stack", stack, ...(configFile === undefined ? [] : ["--config-file", configFile])];
  const [preview, secrets] = await Promise.all([
    runPulumi(["preview", "--json", ...where, ...(plan === undefined ? [] : ["--save-plan", plan]), ...looked]),
    secretsOf(stack, where, configFile),
  ]);
  const given = environmentSecrets(process.env);
  // Where the stack cannot be decrypted, the preview itself says so, and holds no secret of the stack.
  if ("unknown" in secrets && preview.code === 0) {
    throw new Error(
      `The secrets of stack ${stack} cannot be read, so nothing of its preview is shown: ${without(given, secrets.unknown) as string}\n` +
        "Run the job again; if that is no remedy, see what pulumi config --show-secrets says.",
    );
  }
  const texts = "unknown" in secrets ? given : longestFirst([...secrets.texts, ...given]);
  process.stderr.write(without(texts, preview.stderr) as string);
  const read = readPreview(preview);
  const file = stackFileText(nameOf(stack), configFile);
  const place = file && { name: relative(process.env["CI_PROJECT_DIR"] ?? process.cwd(), file.path), text: file.text };
  return withoutSecrets(texts, reportOf(stack, read.preview, read.failure, place));
}

/** The name by which a stack has its file: without its organization and its project. */
const nameOf = (stack: string): string => stack.split("/").at(-1)!;

/** The secrets of the stack, or why they are not known. */
async function secretsOf(
  stack: string,
  where: string[],
  configFile: string | undefined,
): Promise<{ texts: string[] } | { unknown: string }> {
  const config = await runPulumi(["config", "--json", "--show-secrets", ...where]);
  if (config.code !== 0) {
    return { unknown: config.stderr.trim() };
  }
  const shown = JSON.parse(config.stdout) as Record<string, ShownKey>;
  return { texts: secretTexts(rawStackFile(nameOf(stack), process.cwd(), configFile) ?? {}, shown) };
}

/** Writes the files, and gives the note. */
function write(report: Report, { stack, out }: Options): string {
  mkdirSync(out, { recursive: true });
  const name = nameOf(stack);
  const full = `${name}.full.md`;
  const links = linksOf(join(out, full));
  const note = noteOf(report, links);
  const files = {
    [`${name}.md`]: note,
    [full]: noteOf(report, links, noLimits),
    [`${name}.json`]: asText({ ...machineReport(report), ...links }),
    [`${name}.terraform.json`]: asText(terraformReport(report)),
    [`${name}.codequality.json`]: asText(codeQuality(report.errors)),
  };
  for (const [file, text] of Object.entries(files)) {
    writeFileSync(join(out, file), text);
  }
  return note;
}

const asText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** GitLab serves a job's artifacts below its own page. */
function linksOf(file: string): Links {
  const { CI_COMMIT_SHA: commit, CI_JOB_URL: job } = process.env;
  const path = relative(process.env["CI_PROJECT_DIR"] ?? process.cwd(), file);
  return {
    ...(commit ? { commit } : {}),
    ...(job ? { job, artifact: `${job}/artifacts/file/${path}` } : {}),
  };
}

/** The same at a glance, for the job's log. */
function tell(report: Report, { stack, out }: Options): void {
  const lines = noteOf({ ...report, changes: [] })
    .split("\n")
    .slice(1);
  console.log(
    lines
      .filter((line) => line !== "")
      .join("\n")
      .replaceAll(wordJoiner, "") // GitLab looks in a log for what it masks
      .replace(/^###.*/, headline(report)),
  );
  console.log(`The whole report is ${join(out, `${nameOf(stack)}.full.md`)}`);
}

function headline({ stack, result, counts, errors }: Report): string {
  const { create, update, replace, delete: gone } = counts;
  return result === "error"
    ? `Preview of ${stack} failed, errors: ${errors.length}`
    : `Preview of ${stack}: ${create} to create, ${update} to update, ${replace} to replace, ${gone} to delete`;
}

if (require.main === module) {
  main().then(
    (code) => {
      process.exitCode = code;
    },
    (error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    },
  );
}
