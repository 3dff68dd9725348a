import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { deflateRawSync } from "node:zlib";
import type { Registry } from "../components/registryTrust/registry";

/** What one run on a node is to achieve. */
export interface TrustSettings {
  /** The node's name in messages. */
  node: string;
  /** Under which name the node's ledger keeps what this run adds; one per node entry, never shared. */
  holder: string;
  registries: (Registry & {
    /** From when to when the CA is valid, in seconds since 1970; the node holds its own clock against it. */
    begins?: number;
    expires?: number;
  })[];
  /** Engines to look at; all that the node has when it is missing. */
  engines?: string[];
  allowRestart?: boolean;
  installDocker?: "apt" | "snap";
  /** Means nothing to the node; another text is another input, and so another run. */
  reapply?: string;
}

/** What a run does: `apply` brings the settings about, `remove` takes back all of the holder's, `probe` only looks. */
export type TrustAction = "apply" | "remove" | "probe";

/** The modules on the node, each after those that it needs. */
const modules = [
  "core/problem",
  "core/files",
  "core/ledger",
  "core/host",
  "text/jsontext",
  "engines/docker_entries",
  "engines/docker_reader",
  "engines/engine",
  "engines/pending",
  "engines/docker_plan",
  "engines/docker_check",
  "engines/docker_rollback",
  "engines/docker_apply",
  "engines/docker",
  "engines/certsd",
  "engines/marked",
  "text/yamltext",
  "engines/k3s",
  "engines/buildkit",
  "engines/install",
  "main",
] as const;

/** Where the modules are in this package; their names are unique whatever the folder. */
export const programFolder = join(__dirname, "program");

/**
 * The command for the node's shell. It is short and the same for every node, as it is shown with every error: all else
 * comes by stdin, whose first line is shell text.
 */
export function trustCommand(action: TrustAction): string {
  return `exec sh -c 'IFS= read -r start && eval "$start"' registry-trust ${action}`;
}

/**
 * What goes to the command's stdin: a line of shell, the node's name, sudo's password (mostly an empty line), the
 * settings as readable JSON, and the program, packed. It is a secret if the password is one.
 */
export function trustInput(settings: TrustSettings, sudoPassword = ""): string {
  if (/[\r\n\0]/.test(sudoPassword)) {
    throw new Error(`The sudo password holds a line end: node ${settings.node}. Give it as one line.`);
  }
  return [
    starter,
    settings.node,
    sudoPassword,
    settingsMark,
    JSON.stringify(settings, null, 1),
    programMark,
    packed(),
    "",
  ].join("\n");
}

const settingsMark = "--- settings";
const programMark = "--- program";

/** Python's side of the same: skips to the settings, unpacks the modules, runs. -I -S: none of the host's own code. */
const loader = [
  "try:",
  " import sys,types,zlib,json,base64",
  "except ImportError as e:",
  ' raise SystemExit("python3 is incomplete (%s).\\n  where: step start\\n  state: Nothing was changed.\\n"',
  '  "  what to do: Install the whole of it: sudo apt-get install python3."%e)',
  `t=sys.stdin.buffer.read().split(b"${settingsMark}\\n",1)[-1]`,
  `s,p=t.split(b"\\n${programMark}\\n",1)`,
  "def load(n,c):",
  ' m=types.ModuleType(n);sys.modules[n]=m;exec(compile(c,n+".py","exec"),m.__dict__)',
  "for n,c in json.loads(zlib.decompress(base64.b64decode(p),-15).decode()):load(n,c)",
  'sys.exit(sys.modules["main"].main(sys.argv[1],json.loads(s.decode())))',
].join("\n");

/** Shell that ends the run with a message in three parts. */
function say(what: string, fix: string): string {
  return (
    `{ printf '%s\\n' ${quote(what)} "  where: node $node, step start" ` +
    `'  state: Nothing was changed.' ${quote(`  what to do: ${fix}`)} >&2; exit 1; }`
  );
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Shell for any POSIX sh; finds python3 and a way to be root, and says what is missing. The same for every node. */
const starter = [
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin",
  "LC_ALL=C",
  "export PATH LC_ALL",
  "IFS= read -r node",
  "IFS= read -r password",
  `code=$(printf %b ${quote(loader.replaceAll("\\", "\\\\").replaceAll("\n", "\\n"))})`,
  `command -v python3 >/dev/null 2>&1 || ${say("python3 is missing.", "Install it: sudo apt-get install python3.")}`,
  'set -- timeout -k 60 300 python3 -I -S -c "$code" "$1"',
  'test "$(id -u)" != 0 || exec "$@"',
  `command -v sudo >/dev/null 2>&1 || ${say("sudo is missing, and the user is not root.", "Log in as root, or install sudo.")}`,
  'if sudo -n true 2>/dev/null; then exec sudo -n "$@"; fi',
  `test -n "$password" || ${say("sudo asks for a password.", "Set sudoPassword, or allow the user NOPASSWD in sudoers.")}`,
  `printf '%s\\n' "$password" | sudo -k -S -p '' true 2>/dev/null || ${say("sudo does not accept the password.", "Check sudoPassword and whether the user may use sudo.")}`,
  `{ printf '%s\\n' "$password"; exec cat; } | sudo -S -p '' "$@"`,
].join("; ");

let program: string | undefined;

/** All modules as one line. Comments and doc strings stay here: they would only swell the state. */
function packed(): string {
  program ??= deflateRawSync(
    JSON.stringify(
      modules.map((path) => [basename(path), bare(readFileSync(join(programFolder, `${path}.py`), "utf8"))]),
    ),
    { level: 9 },
  ).toString("base64");
  return program;
}

/** Python source without doc strings, comment lines and empty lines. Doc strings here begin with """ at a line's start. */
export function bare(source: string): string {
  return source
    .replace(/^( *)"""[\s\S]*?"""$/gm, "$1pass")
    .replace(/^ *#.*\n/gm, "")
    .replace(/\n{2,}/g, "\n");
}
