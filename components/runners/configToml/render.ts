import { stringify } from "smol-toml";
import { configToml, type ConfigToml } from "./settings/config";

/**
 * Renders config.toml. Keys come out in the order of the schema, so equal settings give equal text; what is undefined
 * is left out; a setting that the runner does not know is an error here, as the runner itself would ignore it silently.
 *
 * @throws when a key is unknown or a value is of the wrong kind; the message names each key.
 */
export function renderConfigToml(settings: ConfigToml): string {
  const checked = configToml.safeParse(settings);
  if (!checked.success) {
    const lines = checked.error.issues.map((issue) => `${issue.path.join(".") || "(top level)"}: ${issue.message}`);
    throw new Error(
      `These settings are not config.toml's: ${lines.join("; ")}. Compare docs/reference/configuration.md.`,
    );
  }
  return tomlText(checked.data);
}

/** The text of settings that are known to be sound. */
export function tomlText(settings: object): string {
  return stringify(withoutUndefined(settings) as Record<string, unknown>);
}

/** TOML has no null: what is undefined is left out. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(withoutUndefined);
  }
  if (value === null || typeof value !== "object" || value instanceof Date) {
    return value;
  }
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return Object.fromEntries(entries.map(([key, entry]) => [key, withoutUndefined(entry)]));
}
