/** Pulumi's host for programs in Node.js: the one on PATH, else one that the lab builds. */
import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { built } from "../builds/builds";
import { inState } from "../machine/places";
import { which } from "../machine/packages";

const program = "pulumi-language-nodejs";

/** Folder to put on PATH; undefined where a host is there already. */
export async function languageHost(say: (line: string) => void): Promise<string | undefined> {
  const folder = inState("language-host");
  if (await which(program, [folder])) {
    return undefined;
  }
  const host = join(await built("language-nodejs", say), program);
  mkdirSync(folder, { recursive: true });
  const next = join(folder, `.${process.pid}`);
  writeFileSync(next, script(host));
  chmodSync(next, 0o755);
  renameSync(next, join(folder, program));
  return folder;
}

/**
 * The newest host that can be built takes options as flags, but today's Pulumi tells a project's options in another way,
 * so it would load a compiler that the project does without: 0.4 s of every preview.
 */
const script = (host: string): string => `#!/bin/sh
if grep -Eqs '^ *typescript: *false' Pulumi.yaml; then set -- -typescript=false "$@"; fi
exec '${host}' "$@"
`;
