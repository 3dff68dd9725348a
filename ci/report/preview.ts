import type { Ended } from "../pulumi";

/** What `pulumi preview --json` prints, as far as it is read here. */
export interface Preview {
  config?: Record<string, string>;
  steps?: Step[];
  changeSummary?: Record<string, number>;
  diagnostics?: Diagnostic[];
}

export interface Step {
  op: string;
  urn: string;
  oldState?: State;
  newState?: State;
  /** What the provider says differs, by path; missing for components. */
  detailedDiff?: Record<string, { kind: string; inputDiff: boolean }> | null;
  replaceReasons?: string[] | null;
}

/** A resource, secrets blinded. */
export interface State {
  type: string;
  parent?: string;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
}

interface Diagnostic {
  urn?: string;
  message?: string;
  severity?: string;
}

/** What stands in a preview for a secret. */
export const blinded = "[secret]";

/** Pulumi's words that a plugin is taken from PATH, which is so with every run where it is so at all. */
const ambient = /^warning: using pulumi-[\w-]+ from \$PATH at /;

/** Messages of one severity, each once. */
export function messages({ diagnostics = [] }: Preview, severity: string): string[] {
  const texts = diagnostics.filter((one) => one.severity === severity).map(({ message = "" }) => message.trim());
  return [...new Set(texts)].filter((text) => text !== "" && !ambient.test(text));
}

/** The type of a resource without those of its parents, and its name. */
export function identity(urn: string): { type: string; name: string } {
  const [, , types = "", ...name] = urn.split("::");
  return { type: types.split("$").at(-1)!, name: name.join("::") };
}

/**
 * What a run of `pulumi preview --json` printed and, where its JSON does not say so, why it failed. A run without JSON that can
 * be read has failed whatever its exit code: nobody knows what would change.
 */
export function readPreview({ code, stdout, stderr }: Ended): { preview: Preview; failure?: string } {
  const preview = jsonOf(stdout);
  if (preview !== undefined && code === 0) {
    return { preview };
  }
  const at = stderr.search(/^error: /m);
  const said = (at < 0 ? stderr : stderr.slice(at)).trim();
  if (code === 0) {
    return {
      preview: {},
      failure:
        "pulumi preview printed no JSON that can be read, so what would change is not known. See the job's log; " +
        "PULUMI_ENABLE_STREAMING_JSON_PREVIEW must not be set.",
    };
  }
  const silent = `pulumi preview ended with exit code ${code}, without a word. See the job's log.`;
  return { preview: preview ?? {}, failure: said === "" ? silent : said };
}

function jsonOf(stdout: string): Preview | undefined {
  try {
    const preview = JSON.parse(stdout.slice(Math.max(0, stdout.indexOf("{")))) as Preview;
    return preview.steps === undefined && preview.changeSummary === undefined && preview.diagnostics === undefined
      ? undefined
      : preview;
  } catch {
    return undefined;
  }
}
