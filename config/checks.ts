import { existsSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { registryTrustErrors, type RegistryTrustArgs } from "../components/registryTrust/args";
import type { Registry } from "../components/registryTrust/registry";
import type { DockerRunnerSettings } from "../components/runners/docker/dockerConfig";
import { dnsLabelProblem, dockerRunnerProblems, hostAliasProblem } from "../components/runners/docker/problems";
import { authenticationTokenProblem, registrationTokenProblem } from "../components/token/tokenKind";
import { keyOf, type Mistake } from "./mistakes";
import type { StackFile } from "./schema";

/** The absolute path of a file that the stack file names; `~/` is the home directory, anything else is in the project. */
export function pathOf(file: string): string {
  return file.startsWith("~/") ? resolve(homedir(), file.slice(2)) : resolve(file);
}

/** Reads a file that the stack file names; a file that cannot be read is a mistake, and gives undefined. */
export function readText(key: string, file: string | undefined, mistakes: Mistake[]): string | undefined {
  if (file === undefined) {
    return undefined;
  }
  const problem = fileProblem(file);
  if (problem !== undefined) {
    mistakes.push({ key, text: problem });
    return undefined;
  }
  return readFileSync(pathOf(file), "utf8");
}

function fileProblem(file: string): string | undefined {
  const path = pathOf(file);
  if (!existsSync(path)) {
    return file.startsWith(".lab/")
      ? `there is no file ${path}, as the lab is not up; run make up`
      : `there is no file ${path}; name one that exists, relative to the project or from ~/`;
  }
  return statSync(path).isDirectory() ? `${path} is a folder; name a file` : undefined;
}

/** Reports every value that occurs twice. */
export function duplicates(key: string, field: string, values: string[], what: string): Mistake[] {
  return values.flatMap((value, index) => {
    const first = values.indexOf(value);
    return first === index
      ? []
      : [
          {
            key: `${key}[${index}].${field}`,
            text: `"${value}" is the ${what} of ${key}[${first}] too; each needs its own`,
          },
        ];
  });
}

/** Mistakes in what a stack is about: namespace, GitLab, names of the LAN. */
export function placeMistakes(stack: StackFile): Mistake[] {
  const mistakes: Mistake[] = [];
  const add = (key: string, text: string | undefined): void => {
    if (text !== undefined) {
      mistakes.push({ key, text });
    }
  };
  add("namespace", dnsLabelProblem(stack.namespace));
  add("kubeconfig", stack.kubeconfig === undefined ? undefined : fileProblem(stack.kubeconfig));
  for (const [name, address] of Object.entries(stack.hostAliases)) {
    add(`hostAliases.${name}`, hostAliasProblem(name, address));
  }
  const url = stack.gitlab.url;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    add("gitlab.url", `"${url}" is no http or https address; write such as https://gitlab.lan`);
  }
  return mistakes;
}

/** The registries with their CAs read. */
export function readRegistries(stack: StackFile, mistakes: Mistake[]): Registry[] {
  return stack.registries.map(({ caFile, ...registry }, index) => {
    const ca = readText(`registries[${index}].caFile`, caFile, mistakes);
    return { ...registry, ...(ca === undefined ? {} : { ca }) };
  });
}

/** Mistakes in nodes that can be told without talking to them. */
export function nodeMistakes(stack: StackFile): Mistake[] {
  const mistakes = stack.nodes.flatMap((node, index) => {
    const text = dnsLabelProblem(node.name);
    return text === undefined ? [] : [{ key: `nodes[${index}].name`, text }];
  });
  const files: [string, string | undefined][] = [
    ["ssh.privateKeyFile", stack.ssh.privateKeyFile],
    ["ssh.bastion.privateKeyFile", stack.ssh.bastion?.privateKeyFile],
    ...stack.nodes.map((node, index): [string, string | undefined] => [
      `nodes[${index}].privateKeyFile`,
      node.privateKeyFile,
    ]),
    ...[stack.ssh.knownHostsFile ?? []]
      .flat()
      .map((file, index): [string, string] => [
        Array.isArray(stack.ssh.knownHostsFile) ? `ssh.knownHostsFile[${index}]` : "ssh.knownHostsFile",
        file,
      ]),
  ];
  for (const [key, file] of files) {
    const problem = file === undefined ? undefined : fileProblem(file);
    if (problem !== undefined) {
      mistakes.push({ key, text: problem });
    }
  }
  return mistakes;
}

/** What RegistryTrust itself refuses, by the stack file's keys; what the stack file's own checks said is not repeated. */
export function trustMistakes(args: RegistryTrustArgs, found: Mistake[]): Mistake[] {
  return registryTrustErrors(args)
    .map(({ propertyPath, reason }) => ({
      key: propertyPath.replace(/^rollout\./, "trust.").replace(/^(registries\[\d+\])\.ca$/, "$1.caFile"),
      text: reason,
    }))
    .filter(({ key }) => !found.some((mistake) => mistake.key === key));
}

/** Mistakes in the runners, each with its defaults filled in. */
export function runnerMistakes(runners: DockerRunnerSettings[]): Mistake[] {
  const mistakes = duplicates(
    "runners",
    "name",
    runners.map(({ name }) => name),
    "name",
  );
  for (const [index, runner] of runners.entries()) {
    for (const { key, text } of dockerRunnerProblems(runner)) {
      // What is the same for every runner is reported once, where it stands.
      if (key !== "url" && !key.startsWith("hostAliases")) {
        mistakes.push({ key: `${keyOf(["runners", index])}.${key}`, text });
      }
    }
  }
  return mistakes;
}

/** Mistakes in tokens. No token is ever part of a message. */
export function tokenMistakes(stack: StackFile): Mistake[] {
  const mistakes: Mistake[] = [];
  const names = stack.runners.map(({ name }) => name);
  const set = (name: string): string => `pulumi config set --path --secret 'tokens.${name}' <token>`;
  for (const name of new Set(names)) {
    const token = stack.tokens[name];
    const problem = token === undefined ? undefined : authenticationTokenProblem(token);
    if (problem !== undefined) {
      mistakes.push({ key: `tokens.${name}`, text: problem });
    }
    if (token === undefined && stack.registrationTokens[name] === undefined) {
      mistakes.push({ key: `tokens.${name}`, text: `runner ${name} has no token; ${set(name)}` });
    }
  }
  for (const [name, token] of Object.entries(stack.registrationTokens)) {
    mistakes.push({ key: `registrationTokens.${name}`, text: registrationTokenProblem(token) });
  }
  for (const [name, token] of Object.entries(stack.tokens)) {
    if (!names.includes(name)) {
      mistakes.push({ key: `tokens.${name}`, text: `there is no runner ${name}; runners are ${names.join(", ")}` });
    }
    const first = Object.keys(stack.tokens).find((other) => stack.tokens[other] === token);
    if (first !== name && token !== "") {
      mistakes.push({
        key: `tokens.${name}`,
        text: `is the same token as tokens.${first}: both would take the same jobs and cache volumes; create a runner in GitLab for each`,
      });
    }
  }
  return mistakes;
}
