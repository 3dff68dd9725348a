import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { bare, metaOf } from "../../schema";
import { looksSecret, withoutCredentials } from "../../secretText";
import { tomlText } from "./render";
import { configToml, type ConfigToml } from "./settings/config";

/** What stands for a secret, as in Pulumi's own previews. */
export const mask = "[secret]";

/**
 * The text of config.toml as previews and the state may show it: with no token, no setting that is a secret by what it is,
 * none that looks like one, and none of these texts.
 *
 * @param secrets texts that were given as secrets, wherever they ended up
 */
export function maskedConfigToml(config: ConfigToml, secrets: string[]): string {
  const longestFirst = secrets.filter((text) => text !== "").sort((a, b) => b.length - a.length);
  const hide = (text: string): string =>
    withoutCredentials(
      longestFirst.reduce((shown, one) => shown.replaceAll(one, mask), text),
      mask,
    );
  // In the schema's order, as config.toml itself; masked, it need not be sound any more.
  return tomlText(masked(configToml, configToml.parse(config), [], hide) as object);
}

function masked(
  schema: unknown,
  value: unknown,
  path: readonly PropertyKey[],
  hide: (text: string) => string,
): unknown {
  if (typeof value === "string") {
    const declared = schema instanceof z.ZodType && metaOf(schema).secret === true;
    return declared ? mask : looksSecret(value, path) ? hidden(value, path) : hide(value);
  }
  if (typeof value !== "object" || value === null || value instanceof Date) {
    return value;
  }
  const type = bare(schema);
  if (Array.isArray(value)) {
    const element = type instanceof z.ZodArray ? type.element : undefined;
    return value.map((entry, index) => masked(element, entry, [...path, index], hide));
  }
  const below = (key: string): unknown => {
    if (type instanceof z.ZodObject) {
      return Object.hasOwn(type.shape, key) ? type.shape[key] : undefined;
    }
    return type instanceof z.ZodRecord ? type.valueType : undefined;
  };
  const entries = Object.entries(value).map(([key, entry]) => [key, masked(below(key), entry, [...path, key], hide)]);
  return Object.fromEntries(entries);
}

/** A variable keeps its name. */
function hidden(text: string, path: readonly PropertyKey[]): string {
  return path.at(-2) === "environment" && text.includes("=") ? `${text.slice(0, text.indexOf("="))}=${mask}` : mask;
}

/** Every text in an input that was given as a secret, in plain: only to look for it elsewhere. */
export function secretTexts(input: unknown): pulumi.Output<string[]> {
  if (pulumi.Output.isInstance<unknown>(input)) {
    return pulumi
      .all([pulumi.isSecret(input), pulumi.unsecret(input)])
      .apply(([secret, value]) => (secret ? textsIn(value) : []));
  }
  if (input instanceof Promise) {
    return secretTexts(pulumi.output<unknown>(input));
  }
  const parts = typeof input === "object" && input !== null ? Object.values(input) : [];
  return pulumi.all(parts.map(secretTexts)).apply((found) => found.flat());
}

function textsIn(value: unknown): string[] {
  if (typeof value === "object" && value !== null) {
    return Object.values(value).flatMap(textsIn);
  }
  return typeof value === "string" ? [value] : [];
}

/**
 * What previews show of a runner's config.toml; nothing while it is not known, or wrong, which its own check says.
 *
 * @param input settings as they were given
 * @param configOf the config.toml of settings with this token, or undefined where they are wrong
 */
export function shownConfigToml(
  input: { config?: unknown },
  configOf: (values: unknown, token: string) => ConfigToml | undefined,
): pulumi.Output<string | undefined> {
  return pulumi.all([pulumi.unsecret(pulumi.output(input)), secretTexts(input)]).apply(([values, secrets]) => {
    const config = configOf(values, mask);
    return config === undefined ? undefined : maskedConfigToml(config, secrets);
  });
}
