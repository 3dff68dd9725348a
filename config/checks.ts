import { existsSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { hostKey, KnownHosts, scanCommand } from "../hosts/knownHosts";
import { registrySettingProblem, type Registry } from "../components/registryTrust/registry";
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

/** Mistakes in registries, and the registries with their CAs read. */
export function readRegistries(stack: StackFile, mistakes: Mistake[]): Registry[] {
  const registries = stack.registries.map((given, index) => {
    const { caFile, ...registry } = given;
    const ca = readText(`registries[${index}].caFile`, caFile, mistakes);
    const read: Registry = { ...registry, ...(ca === undefined ? {} : { ca }) };
    const problem = registrySettingProblem(read);
    if (problem !== undefined) {
      mistakes.push({ key: `registries[${index}]`, text: problem });
    }
    return read;
  });
  const addresses = registries.map(({ address }) => address);
  mistakes.push(...duplicates("registries", "address", addresses, "address"));
  return registries;
}

/** Mistakes in nodes that can be told without talking to them. */
export function nodeMistakes(stack: StackFile): Mistake[] {
  const mistakes = [
    ...duplicates(
      "nodes",
      "name",
      stack.nodes.map(({ name }) => name),
      "name",
    ),
    ...duplicates(
      "nodes",
      "host",
      stack.nodes.map(({ host, port }) => `${host}:${port ?? stack.ssh.port ?? 22}`),
      "address",
    ),
  ];
  for (const [index, node] of stack.nodes.entries()) {
    const problem = dnsLabelProblem(node.name);
    if (problem !== undefined) {
      mistakes.push({ key: `nodes[${index}].name`, text: problem });
    }
    if (/^\w+:\/\/|[\s/@]/.test(node.host)) {
      mistakes.push({
        key: `nodes[${index}].host`,
        text: `"${node.host}" is no host; write a name or an address, and give user and port by their own keys`,
      });
    }
  }
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
  mistakes.push(...hostKeyMistakes(stack));
  const names = stack.nodes.map(({ name }) => name);
  for (const [index, name] of (Array.isArray(stack.trust.canary) ? stack.trust.canary : []).entries()) {
    if (!names.includes(name)) {
      mistakes.push({
        key: `trust.canary[${index}]`,
        text: `"${name}" is no node; nodes are ${names.join(", ") || "none"}`,
      });
    }
  }
  return mistakes;
}

/** Hosts whose key is not known: they are never talked to. */
function hostKeyMistakes(stack: StackFile): Mistake[] {
  const files = [stack.ssh.knownHostsFile ?? ["~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"]].flat();
  const readable = files.map(pathOf).filter((path) => existsSync(path) && !statSync(path).isDirectory());
  // A file that is named and missing is a mistake of its own, of which unknown keys are only the consequence.
  const judge = stack.ssh.knownHostsFile === undefined || readable.length === files.length;
  const known = new KnownHosts(readable.map((path) => readFileSync(path, "utf8")));
  const mistake = (key: string, who: string, host: string, port = 22, given?: string): Mistake[] => {
    if (given !== undefined) {
      const text = "is no host key; give it as it stands in /etc/ssh/ssh_host_ed25519_key.pub: ssh-ed25519 AAAA…";
      return hostKey(given) === undefined ? [{ key: `${key}.hostKey`, text }] : [];
    }
    const text =
      `the host key of ${who} (${host}) is not in ${files.join(" or ")}; run ${scanCommand(host, port)}, compare with the host's own ` +
      "/etc/ssh/ssh_host_ed25519_key.pub, and put it there or here";
    return judge && known.find(host, port) === undefined ? [{ key: `${key}.hostKey`, text }] : [];
  };
  const { bastion } = stack.ssh;
  return [
    ...(bastion === undefined || stack.nodes.length === 0
      ? []
      : mistake("ssh.bastion", "the bastion", bastion.host, bastion.port, bastion.hostKey)),
    ...stack.nodes.flatMap((node, index) => [
      ...mistake(`nodes[${index}]`, node.name, node.host, node.port ?? stack.ssh.port, node.hostKey),
      ...(node.bastion === undefined
        ? []
        : mistake(
            `nodes[${index}].bastion`,
            `the bastion of ${node.name}`,
            node.bastion.host,
            node.bastion.port,
            node.bastion.hostKey,
          )),
    ]),
  ];
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
