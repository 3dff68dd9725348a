import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "yaml";

/** What stands below `config:` in a stack file, secrets as `{secure: …}`. */
export type RawConfig = Record<string, unknown>;

/**
 * The stack file as it stands on disk, from which Pulumi made the configuration: the only place that tells an encrypted
 * part of a structure from a plain one, as programs get both decrypted. Undefined where there is none: the configuration
 * then came from elsewhere (Pulumi Cloud, ESC).
 *
 * @param project folder of Pulumi.yaml, where Pulumi starts programs
 * @param file the stack file, where it is another one
 */
export function rawStackFile(stack: string, project = process.cwd(), file = configFileOption()): RawConfig | undefined {
  const path = file ?? stackFilePath(stack, project);
  const content = yamlOf(path) as { config?: RawConfig } | undefined;
  return content?.config;
}

/** Where Pulumi looks for the file of a stack. */
function stackFilePath(stack: string, project: string): string {
  return join(stackFolder(project), `Pulumi.${stack}.yaml`);
}

/** The file of a stack as it stands there; undefined where there is none. */
export function stackFileText(
  stack: string,
  file = stackFilePath(stack, process.cwd()),
): { path: string; text: string } | undefined {
  return existsSync(file) ? { path: file, text: readFileSync(file, "utf8") } : undefined;
}

/** `stackConfigDir` of Pulumi.yaml says where stack files are, if not beside it. */
function stackFolder(project: string): string {
  const { stackConfigDir } = (yamlOf(join(project, "Pulumi.yaml")) ?? {}) as { stackConfigDir?: string };
  return resolve(project, stackConfigDir ?? ".");
}

function yamlOf(path: string): unknown {
  try {
    return existsSync(path) ? parse(readFileSync(path, "utf8")) : undefined;
  } catch {
    return undefined; // Pulumi itself says what is wrong with it.
  }
}

/**
 * The file that `pulumi --config-file` names. Pulumi hands its name to nobody, but the command that did is an ancestor of
 * this process, and Linux shows its arguments.
 */
function configFileOption(): string | undefined {
  let pid = process.ppid;
  for (let level = 0; level < 8 && pid > 1; level++) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      const at = words.findIndex((word) => /^--config-file(=|$)/.test(word));
      if (at >= 0) {
        const name = words[at]!.includes("=") ? words[at]!.replace(/^[^=]*=/, "") : words[at + 1]!;
        return resolve(readlinkSync(`/proc/${pid}/cwd`), name);
      }
      pid = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
    } catch {
      return undefined;
    }
  }
  return undefined;
}
