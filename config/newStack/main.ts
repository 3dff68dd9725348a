/** Makes a new stack: see `usage` in answers.ts. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { text as textOf } from "node:stream/consumers";
import { parse } from "yaml";
import { parseConfig } from "../stackConfig";
import { givenBy, usage, type Answers } from "./answers";
import { asked, withoutQuestions } from "./questions";
import { needsRestart, stackText } from "./stackText";
import { needPassphrase, pulumi } from "./pulumi";

async function main(): Promise<void> {
  const given = givenBy(process.argv.slice(2));
  if (given === undefined) {
    console.log(usage);
    return;
  }
  refuseOverwriting(given.name);
  await needPassphrase();
  const answers = given.questions ? await asked(given) : await withoutQuestions(given);
  refuseOverwriting(answers.name);
  const token = given.tokenFromStdin ? (await textOf(process.stdin)).trim() : answers.token;
  const text = stackText(answers);
  check(text, answers, token);
  await make(answers, text, token);
}

/** @throws where the name is none, or its file is there */
function refuseOverwriting(name: string | undefined): void {
  if (name !== undefined && !/^[A-Za-z0-9][\w.-]{0,99}$/.test(name)) {
    throw new Error(`${name} cannot be a stack's name: use letters, digits, dots, dashes and underscores.`);
  }
  if (name !== undefined && existsSync(fileOf(name))) {
    throw new Error(`${fileOf(name)} is there already, and is not written over. Take another name, or edit that file.`);
  }
}

const fileOf = (name: string): string => `Pulumi.${name}.yaml`;

/** @throws with everything that pulumi preview would say is wrong; of a token that comes later no check can be made */
export function check(text: string, { runner }: Answers, token = "glrt-comes00000000000000later"): void {
  const { config } = parse(text) as { config: Record<string, unknown> };
  const values = { ...config, "pi-runners:tokens": { [runner]: token } };
  const asPulumi = Object.entries(values).map(([key, value]): [string, string] => [
    key,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  parseConfig(Object.fromEntries(asPulumi), () => true);
}

/** The file first: Pulumi keeps its comments when it adds the salt of the stack's secrets. */
async function make(answers: Answers, text: string, token: string | undefined): Promise<void> {
  const { name, runner } = answers;
  const file = fileOf(name);
  writeFileSync(file, text, { flag: "wx" });
  try {
    await pulumi(["stack", "init", name]);
  } catch (error) {
    rmSync(file);
    throw new Error(`Pulumi did not make the stack, and nothing was written.\n${(error as Error).message}`);
  }
  if (token !== undefined) {
    const set = ["config", "set", "--path", "--secret", `pi-runners:tokens.${runner}`, "--stack", name];
    await pulumi(set, token).catch((error: Error) => {
      const made = `Stack ${name} is made, and its file ${file} is written, but Pulumi did not take the token; give it by`;
      throw new Error(`${made}\n${setToken(answers)}\n${error.message}`);
    });
  }
  console.log(nextSteps(answers, token));
}

const setToken = ({ name, runner }: Answers): string =>
  `  pulumi config set --path --secret 'tokens.${runner}' --stack ${name}`;

/** What is left to do for whoever made the stack. */
export function nextSteps(answers: Answers, token: string | undefined): string {
  const { name } = answers;
  const restart = [
    "  In it, take the # away from allowRestart: this cluster is k3s, which reads its registries only when it starts.",
    "  Without, pulumi up changes no node where k3s runs; with it, k3s is restarted there, and containers go on.",
  ];
  return [
    `Stack ${name} is made; its file is ${fileOf(name)}. Read it, then:`,
    ...(needsRestart(answers) ? restart : []),
    ...(token === undefined ? [setToken(answers)] : []),
    `  pulumi preview --stack ${name}`,
    `  pulumi up --continue-on-error --stack ${name}`,
  ].join("\n");
}

if (require.main === module) {
  main().catch((error: unknown) => {
    const stopped = error instanceof Error && error.name === "ExitPromptError";
    console.error(stopped ? "Stopped; nothing was written." : error instanceof Error ? error.message : error);
    process.exitCode = stopped ? 130 : 1;
  });
}
