import * as pulumi from "@pulumi/pulumi";
import { hasLogin, httpNames, type RunnerProxy } from "../components/runners/proxy";
import { isEncryptedValue } from "./plainSecrets";
import type { RawConfig } from "./stackFile";

/**
 * Marks as secrets what the stack file has encrypted of each runner's `config`, `deployment` and `proxy`, so that no preview shows it: a
 * component takes an output wherever it takes a value. (The type stays that of the values, which the checks were made with.)
 *
 * @param isEncrypted is any part of a key encrypted? All there is to know where it stands in no file
 */
export function markSecrets<R extends { settings: { config?: unknown; deployment?: unknown; proxy?: RunnerProxy } }>(
  runners: R[],
  file: RawConfig | undefined,
  isEncrypted: (key: string) => boolean,
): R[] {
  const raw = file?.["runners"];
  const below = (whole: unknown, at: unknown, key: string, setting: string): unknown => {
    if (isEncryptedValue(whole)) {
      return whole;
    }
    if (typeof at !== "object" || at === null) {
      // Not from the file, but from ESC or Pulumi Cloud: all of it may be secret.
      return isEncrypted(key) ? encrypted : undefined;
    }
    return isEncryptedValue(at) ? at : (at as RawConfig)[setting];
  };
  const written = (index: number, setting: string): unknown =>
    below(raw, Array.isArray(raw) ? raw[index] : undefined, "runners", setting);
  const defaults = file?.["runnerDefaults"];
  return runners.map((runner, index) => {
    const { config, deployment, proxy } = runner.settings;
    const ofProxy = written(index, "proxy") ?? below(defaults, defaults, "runnerDefaults", "proxy");
    const secrets = {
      ...(config === undefined ? {} : { config: marked(written(index, "config"), config) }),
      ...(deployment === undefined
        ? {}
        : { deployment: marked(written(index, "deployment"), deployment, secretLeaves) }),
      ...(proxy === undefined ? {} : { proxy: markedProxy(ofProxy, proxy) }),
    };
    return { ...runner, settings: { ...runner.settings, ...secrets } };
  });
}

/** A proxy with a user is a secret wherever it comes from. */
function markedProxy(written: unknown, proxy: RunnerProxy): unknown {
  const known = marked(written, proxy);
  const logins = httpNames.filter((kind) => hasLogin(proxy[kind] ?? ""));
  return pulumi.Output.isInstance(known)
    ? known
    : { ...(known as object), ...Object.fromEntries(logins.map((kind) => [kind, pulumi.secret(proxy[kind])])) };
}

/** Stands for a value of which it is known only that it, or something in it, is encrypted. */
const encrypted = { secure: "" };

function marked(written: unknown, value: unknown, secret: (value: unknown) => unknown = pulumi.secret): unknown {
  if (isEncryptedValue(written)) {
    return secret(value);
  }
  if (typeof written !== "object" || written === null || typeof value !== "object" || value === null) {
    return value;
  }
  const below = (key: string, entry: unknown): unknown => marked((written as RawConfig)[key], entry, secret);
  return Array.isArray(value)
    ? value.map((entry, index) => below(String(index), entry))
    : Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, below(key, entry)]));
}

/** All of a value secret, but no key in it: those of annotations have to be known when a program runs. */
function secretLeaves(value: unknown): unknown {
  if (typeof value !== "object" || value === null) {
    return pulumi.secret(value);
  }
  return Array.isArray(value)
    ? value.map(secretLeaves)
    : Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, secretLeaves(entry)]));
}
