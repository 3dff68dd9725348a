/**
 * Pulumi's plugins for the stack. The official ones win: on PATH, installed, or downloaded. Where none of this is
 * possible, the lab's stand-ins (lab/plugins) are put on PATH, which is where Pulumi takes plugins from as they are.
 */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { built } from "../builds/builds";
import { which } from "../machine/packages";
import { cache, checkout, inState } from "../machine/places";
import { attempt } from "../machine/processes";

const names = ["kubernetes", "random", "command"] as const;
type PluginName = (typeof names)[number];

type Say = (line: string) => void;

/** Pulumi's own folder for the lab: plugins, and which stack is selected. */
export const pulumiHome = join(cache, "pulumi");

export interface Plugins {
  /** Folder to put on PATH; it holds the stand-ins in use. */
  folder: string;
  /** One line per plugin: where it comes from. */
  sources: string[];
}

export async function plugins(env: NodeJS.ProcessEnv, say: Say): Promise<Plugins> {
  const folder = inState("plugins");
  const found = await Promise.all(names.map((name) => official(name, env, say)));
  const missing = names.filter((_, index) => found[index] === undefined);
  if (missing.length > 0) {
    const standIns = await built("plugins", say);
    linkAll(folder, new Map(missing.map((name) => [program(name), join(standIns, program(name))])));
  } else {
    linkAll(folder, new Map());
  }
  const sources = names.map((name, index) => `${name}: ${found[index] ?? "the lab's stand-in (lab/plugins)"}`);
  writeFileSync(inState("plugins.txt"), sources.map((line) => `${line}\n`).join(""));
  return { folder, sources };
}

/**
 * Makes the folder hold these links and no other plugin; a Pulumi that runs meanwhile never finds a wanted one missing. What
 * begins with a dot is another process's, which is at the same.
 */
function linkAll(folder: string, links: Map<string, string>): void {
  mkdirSync(folder, { recursive: true });
  for (const found of readdirSync(folder)) {
    if (!links.has(found) && !found.startsWith(".")) {
      rmSync(join(folder, found), { force: true });
    }
  }
  for (const [name, target] of links) {
    const next = join(folder, `.${name}.${process.pid}`);
    symlinkSync(target, next);
    renameSync(next, join(folder, name));
  }
}

const program = (name: PluginName): string => `pulumi-resource-${name}`;

const version = (name: PluginName): string => {
  const file = join(checkout, "node_modules", "@pulumi", name, "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
};

/** Where the official plugin of the SDK's version comes from; undefined where it cannot be had. */
async function official(name: PluginName, env: NodeJS.ProcessEnv, say: Say): Promise<string | undefined> {
  const onPath = await which(program(name), [inState("plugins")]);
  if (onPath) {
    return `official, ${onPath}`;
  }
  const installed = `resource-${name}-v${version(name)}`;
  const folders = [join(pulumiHome, "plugins"), join(process.env.PULUMI_HOME ?? join(homedir(), ".pulumi"), "plugins")];
  const [own = "", users = ""] = folders.map((folder) => join(folder, installed));
  if (isWhole(own)) {
    return `official, ${version(name)}`;
  }
  if (isWhole(users)) {
    mkdirSync(join(pulumiHome, "plugins"), { recursive: true });
    rmSync(own, { recursive: true, force: true });
    symlinkSync(users, own);
    return `official, ${users}`;
  }
  return download(name, env, say);
}

/** Pulumi marks a download that is under way with a file of the folder's name and `.partial`. */
const isWhole = (folder: string): boolean =>
  existsSync(folder) && !existsSync(`${folder}.partial`) && readdirSync(folder).length > 0;

const aDay = 24 * 3600 * 1000;

async function download(name: PluginName, env: NodeJS.ProcessEnv, say: Say): Promise<string | undefined> {
  const unreachable = join(pulumiHome, `unreachable-${name}-${version(name)}`);
  if (existsSync(unreachable) && Date.now() - statSync(unreachable).mtimeMs < aDay) {
    return undefined;
  }
  mkdirSync(pulumiHome, { recursive: true });
  say(`trying to download plugin ${name} ${version(name)}`);
  const args = ["plugin", "install", "resource", name, version(name), "--non-interactive"];
  const timeout = 90_000;
  if ((await attempt("pulumi", args, { env, timeout })).ok) {
    return `official, ${version(name)}`;
  }
  writeFileSync(unreachable, "The plugin could not be downloaded; tried again a day later.\n");
  return undefined;
}
