import * as pulumi from "@pulumi/pulumi";
import { below, type InputError } from "../components/inputErrors";
import { oneError, urlError } from "../components/runners/errors";
import { images } from "../components/runners/images";
import type { RegistrationPlace } from "../components/token/registration";
import { creationErrors, untaggedErrors } from "../components/token/errors";
import type { RunnerTokenArgs } from "../components/token/runnerToken";
import {
  accessTokenError,
  authenticationTokenError,
  registrationTokenError,
  tokenKind,
} from "../components/token/tokenKind";
import { readCertificate, type CheckedRunner } from "./checks";
import type { StackFile } from "./schema";

type Runner = StackFile["runners"][number];

/** The GitLab instance of a runner, as it was read. */
export interface Instance {
  url: string;
  serverCa?: string;
  accessToken?: string;
  /** Where the stack file says it. */
  path: string;
}

/** The instance of each runner: its own, else the stack's. */
export function readInstances(stack: StackFile, errors: InputError[]): Instance[] {
  const read = (path: string, { url, caFile, accessToken }: StackFile["gitlab"]): Instance => {
    const reason = accessToken === undefined ? undefined : accessTokenError(accessToken);
    errors.push(...oneError(`${path}.accessToken`, reason));
    return { url, accessToken, path, serverCa: readCertificate(`${path}.caFile`, caFile, errors) };
  };
  const common = read("gitlab", stack.gitlab);
  return stack.runners.map(({ gitlab }, index) => {
    if (gitlab === undefined) {
      return common;
    }
    const path = `runners[${index}].gitlab`;
    errors.push(...oneError(`${path}.url`, urlError(gitlab.url)));
    return read(path, gitlab);
  });
}

/** What makes a runner's token: the arguments of its RunnerToken. */
export function tokenArgs(
  stack: StackFile,
  runner: Runner,
  { url, serverCa, accessToken }: Instance,
  settings: CheckedRunner["settings"],
): RunnerTokenArgs {
  const { name, create, verify, tags = [name] } = runner;
  const aliases = Object.keys(stack.hostAliases).length === 0 ? {} : { hostAliases: stack.hostAliases };
  const gitlab = { url, ...(serverCa === undefined ? {} : { ca: serverCa }), ...aliases };
  if (create !== undefined) {
    return {
      gitlabAccessToken: pulumi.secret(accessToken ?? ""),
      create,
      tags,
      gitlab,
      drainTimeout: settings.drainTimeout,
    };
  }
  if (Object.hasOwn(stack.registrationTokens, name)) {
    const place = { namespace: stack.namespace, ...podOf(settings) };
    return {
      registrationToken: pulumi.secret(stack.registrationTokens[name]!),
      register: runner.register,
      tags,
      gitlab,
      place,
    };
  }
  const token = Object.hasOwn(stack.tokens, name) ? stack.tokens[name] : undefined;
  return { authenticationToken: pulumi.secret(token ?? ""), verify, gitlab };
}

/** Where the Job that registers a runner may run: as the runner itself, or anywhere where that is no pod. */
function podOf(settings: CheckedRunner["settings"]): Omit<RegistrationPlace, "namespace"> {
  const proxy = settings.proxy === undefined ? {} : { proxy: settings.proxy };
  if (!("image" in settings)) {
    return { image: images.runner, ...proxy };
  }
  const { image, nodeSelector, tolerations, imagePullSecrets } = settings;
  return { image, nodeSelector, tolerations, imagePullSecrets, ...proxy };
}

/** Errors in tokens. No token is ever part of a message. */
export function tokenErrors(stack: StackFile, instances: Instance[]): InputError[] {
  const names = stack.runners.map(({ name }) => name);
  // A map, as a runner may be called constructor.
  const tokens = new Map(Object.entries(stack.tokens));
  return [
    ...stack.runners.flatMap((runner, index) =>
      names.indexOf(runner.name) === index ? kindErrors(stack, runner, index, instances[index]) : [],
    ),
    ...[...tokens].flatMap(([name, token]) => tokenError(tokens, names, name, token)),
    ...takenTwice(stack, instances),
  ];
}

/** Two runners that take over the same one in GitLab: each would make the other's token worthless. */
function takenTwice({ runners }: StackFile, instances: Instance[]): InputError[] {
  const keys = runners.map(({ create }, index) => {
    const url = instances[index]?.url.replace(/\/+$/, "").toLowerCase();
    return create?.id === undefined ? undefined : `${create.id} ${url}`;
  });
  return keys.flatMap((key, index) => {
    const first = keys.indexOf(key);
    const reason = `is the runner that runners[${first}] (${runners[first]?.name}) takes over too: each would make the other's token worthless; name another one, or leave id out, so that one is created`;
    return key === undefined || first === index ? [] : [{ propertyPath: `runners[${index}].create.id`, reason }];
  });
}

/** A runner has exactly one kind of token, and no settings of another kind. */
function kindErrors(stack: StackFile, runner: Runner, index: number, instance: Instance | undefined): InputError[] {
  const { name, create, register, verify, tags = [name] } = runner;
  const token = Object.hasOwn(stack.tokens, name) ? stack.tokens[name] : undefined;
  const legacy = Object.hasOwn(stack.registrationTokens, name) ? stack.registrationTokens[name] : undefined;
  const at = `runners[${index}]`;
  const errors: InputError[] = [];
  if (token !== undefined) {
    errors.push(...oneError(`tokens.${name}`, authenticationTokenError(token)));
  }
  if (legacy !== undefined) {
    errors.push(...oneError(`registrationTokens.${name}`, registrationTokenError(legacy)));
  }
  if (legacy !== undefined) {
    errors.push(...below(`${at}.register`, untaggedErrors(register?.runUntagged ?? false, tags)));
  }
  if (legacy === undefined && register !== undefined) {
    errors.push({
      propertyPath: `${at}.register`,
      reason: `is for registrationTokens.${name}, which is not there; drop it`,
    });
  }
  if (create !== undefined) {
    errors.push(...below(`${at}.create`, creationErrors(create, tags)));
    const missing = `is missing, and runner ${name} is to be created with it; pulumi config set --path --secret '${instance?.path}.accessToken', which asks for it`;
    errors.push(
      ...oneError(`${instance?.path}.accessToken`, instance?.accessToken === undefined ? missing : undefined),
    );
  }
  if (token === undefined && legacy === undefined && create === undefined) {
    const reason = `runner ${name} has no token; pulumi config set --path --secret 'tokens.${name}', which asks for it`;
    errors.push({ propertyPath: `tokens.${name}`, reason });
  }
  const two = (first: unknown, second: unknown): boolean => first !== undefined && second !== undefined;
  if (two(token, create)) {
    errors.push({
      propertyPath: `tokens.${name}`,
      reason: `runner ${name} is created by the stack (create); drop one of them`,
    });
  }
  if (two(legacy, token) || two(legacy, create)) {
    const reason = `runner ${name} has ${token === undefined ? "create" : `tokens.${name}`} too; drop the registration token`;
    errors.push({ propertyPath: `registrationTokens.${name}`, reason });
  }
  if (verify === true && token === undefined) {
    errors.push({ propertyPath: `${at}.verify`, reason: `is for tokens.${name}, which is not there; drop it` });
  }
  return errors;
}

function tokenError(tokens: Map<string, string>, names: string[], name: string, token: string): InputError[] {
  if (tokenKind(name) !== "unknown") {
    // Never shown: what is told of a key names the key.
    const reason = `holds a token in place of a runner's name, in plain text; revoke it in GitLab, and write NAME: token`;
    return [{ propertyPath: "tokens", reason }];
  }
  const first = [...tokens.keys()].find((other) => tokens.get(other) === token);
  return [
    ...oneError(
      `tokens.${name}`,
      names.includes(name) ? undefined : `there is no runner ${name}; runners are ${names.join(", ")}`,
    ),
    ...oneError(
      `tokens.${name}`,
      first === name || token === ""
        ? undefined
        : `is the same token as tokens.${first}: both would take the same jobs and cache volumes; create a runner in GitLab for each`,
    ),
  ];
}
