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
  for (const [name, text] of Object.entries(hostScripts(host))) {
    place(folder, name, text);
  }
  return folder;
}

/** What has to be on PATH, by name, for a host that is this file. */
export function hostScripts(host: string): Record<string, string> {
  return { [program]: script(host), [dynamicProvider]: dynamicProviderScript };
}

/** A Pulumi that runs meanwhile never finds half of it. */
function place(folder: string, name: string, text: string): void {
  const next = join(folder, `.${process.pid}`);
  writeFileSync(next, text);
  chmodSync(next, 0o755);
  renameSync(next, join(folder, name));
}

/**
 * What comes with the language host in Pulumi's own releases: the way from its engine to the dynamic providers of the
 * program's SDK (github.com/pulumi/pulumi, sdk/nodejs/dist).
 */
const dynamicProvider = "pulumi-resource-pulumi-nodejs";
const dynamicProviderScript = `#!/bin/sh
exec node "$(node -p "require.resolve('@pulumi/pulumi/cmd/dynamic-provider')")" "$@"
`;

/**
 * The newest host that can be built takes options as flags, but today's Pulumi tells a project's options in another way,
 * so it would load a compiler that the project does without: 0.4 s of every preview.
 */
const script = (host: string): string => `#!/bin/sh
if grep -Eqs '^ *typescript: *false' Pulumi.yaml; then set -- -typescript=false "$@"; fi
exec '${host}' "$@"
`;
