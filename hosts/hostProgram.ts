import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { becomeRoot, quote, say, searchPath } from "./asRoot";

/** Where the modules that run on hosts are in this package; their names are unique whatever the folder. */
export const programFolder = join(__dirname, "program");

/** A program for hosts: a Python module with `main(action, settings)`, and what it needs. */
export interface HostProgram {
  /** What the host's process list shows, and every error of Pulumi's command: `registry-trust`. */
  title: string;
  /** The module that has `main`. What it imports is packed with it. */
  entry: string;
  /** Further modules, loaded before it in this order: they make themselves known to what the entry imports. */
  modules?: readonly string[];
}

/** What every program's settings hold. */
export interface HostSettings {
  /** The host's name in messages. */
  node: string;
  /** Seconds that a run may take; what it has begun by then it takes back. */
  limit?: number;
}

/** Seconds for a run where its settings say nothing: the program's own. */
const defaultLimit = Number(/^LIMIT = (\d+)$/m.exec(sourceOf("core/main.py"))![1]);

/**
 * The command for the host's shell. It is short and the same for every host, as it is shown with every error: all else
 * comes by stdin, whose first line is shell text.
 */
export function hostCommand(program: HostProgram, action: string): string {
  return `exec sh -c 'IFS= read -r start && eval "$start"' ${program.title} ${action}`;
}

/**
 * What goes to the command's stdin: a line of shell, the host's name, sudo's password (mostly an empty line), the
 * settings as readable JSON, and the program, packed. It is a secret if the password is one.
 */
export function hostInput(program: HostProgram, settings: HostSettings, sudoPassword = ""): string {
  if (/[\r\n\0]/.test(sudoPassword)) {
    throw new Error(`The sudo password holds a line end: node ${settings.node}. Give it as one line.`);
  }
  return [
    starter(program.entry, settings.limit ?? defaultLimit),
    settings.node,
    sudoPassword,
    settingsMark,
    JSON.stringify(settings, null, 1),
    programMark,
    packed(program),
    "",
  ].join("\n");
}

export const settingsMark = "--- settings";
export const programMark = "--- program";

/** What hostInput was made of: the settings, and a digest of the program. Undefined for any other text. */
export function settingsOfHostInput(input: string): { settings: unknown; program: string } | undefined {
  const [, settings, program] = new RegExp(`\\n${settingsMark}\\n([^]*)\\n${programMark}\\n([^]*)$`).exec(input) ?? [];
  if (settings === undefined || program === undefined) {
    return undefined;
  }
  try {
    const digest = createHash("sha256").update(program).digest("hex").slice(0, 16);
    return { settings: JSON.parse(settings) as unknown, program: digest };
  } catch {
    return undefined;
  }
}

/** Python's side of the same: skips to the settings, unpacks the modules, runs. -I -S: none of the host's own code. */
function loader(entry: string): string {
  return [
    "try:",
    " import sys,types,zlib,json,base64",
    "except ImportError as e:",
    ' raise SystemExit("python3 is incomplete (%s).\\n  where: step start\\n  state: Nothing was changed.\\n"',
    '  "  what to do: Install the whole of it: sudo apt-get install python3."%e)',
    // What comes after the program stays on stdin, for a program that takes a file.
    "f=sys.stdin.buffer;s=b''",
    `while f.readline() not in (b"${settingsMark}\\n",b""):pass`,
    "for l in f:",
    ` if l==b"${programMark}\\n":break`,
    " s+=l",
    "p=f.readline()",
    "def load(n,c):",
    ' m=types.ModuleType(n);sys.modules[n]=m;exec(compile(c,n+".py","exec"),m.__dict__)',
    "for n,c in json.loads(zlib.decompress(base64.b64decode(p),-15).decode()):load(n,c)",
    `sys.exit(sys.modules["${entry}"].main(sys.argv[1],json.loads(s.decode())))`,
  ].join("\n");
}

/** Shell for any POSIX sh; finds python3 and a way to be root, and says what is missing. */
function starter(entry: string, limit: number): string {
  const code = quote(loader(entry).replaceAll("\\", "\\\\").replaceAll("\n", "\\n"));
  return [
    searchPath,
    "LC_ALL=C",
    "export PATH LC_ALL",
    "IFS= read -r node",
    "IFS= read -r password",
    `code=$(printf %b ${code})`,
    `command -v python3 >/dev/null 2>&1 || ${say("python3 is missing.", "Install it: sudo apt-get install python3.")}`,
    // A minute beyond the run's own limit, in which it puts things back.
    `set -- timeout -k 60 ${limit + 60} python3 -I -S -c "$code" "$1"`,
    ...becomeRoot,
  ].join("; ");
}

const programs = new Map<HostProgram, string>();

/** All modules as one line. Comments and doc strings stay here: they would only swell the state. */
export function packed(program: HostProgram): string {
  let text = programs.get(program);
  if (text === undefined) {
    const modules = modulesOf(program).map((path) => [basename(path, ".py"), bare(sourceOf(path))]);
    text = deflateRawSync(JSON.stringify(modules), { level: 9 }).toString("base64");
    programs.set(program, text);
  }
  return text;
}

/** Paths of a program's modules below the program's folder, each after those that it imports. */
export function modulesOf(program: HostProgram): string[] {
  const files = readdirSync(programFolder, { recursive: true, encoding: "utf8" });
  const paths = new Map(files.filter((path) => path.endsWith(".py")).map((path) => [basename(path, ".py"), path]));
  const found = new Set<string>();
  const add = (name: string): void => {
    const path = paths.get(name);
    if (path === undefined || found.has(path)) {
      return; // the standard library's, or there already
    }
    for (const [, needed] of sourceOf(path).matchAll(/^(?:import|from) (\w+)/gm)) {
      add(needed!);
    }
    found.add(path);
  };
  [...(program.modules ?? []), program.entry].forEach(add);
  return [...found];
}

function sourceOf(path: string): string {
  return readFileSync(join(programFolder, path), "utf8");
}

/** Python source without doc strings, comment lines and empty lines. Doc strings here begin with """ at a line's start. */
export function bare(source: string): string {
  return source
    .replace(/^( *)"""[\s\S]*?"""$/gm, "$1pass")
    .replace(/^ *#.*\n/gm, "")
    .replace(/\n{2,}/g, "\n");
}
