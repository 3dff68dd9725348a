import { packed, programMark, settingsMark, type HostProgram } from "./hostProgram";

/**
 * A Python program for a host that looks as these programs do, and can do nothing else: it has its own copy of them, and of
 * what comes by stdin (`hostInput`) it takes the settings, which are data, and never the code.
 */
export function probeOnly(programs: HostProgram[]): string {
  const copies = programs.map((program) => [packed(program), program.entry, program.title]);
  return [
    "#!/usr/bin/python3 -IS",
    "# Made by pi-runners: looks at this host, and changes nothing. A key with this as its forced command can do no more.",
    "import base64, json, sys, types, zlib",
    `PROGRAMS = json.loads(${JSON.stringify(JSON.stringify(copies))})`,
    "",
    "",
    "def given():",
    '    """Settings, and the program that they are for; the line of shell, and what else there is, is passed over."""',
    '    lines = sys.stdin.buffer.read(16 * 1024 * 1024).split(b"\\n")',
    "    try:",
    `        start, end = lines.index(${bytes(settingsMark)}), lines.index(${bytes(programMark)})`,
    '        settings = json.loads(b"\\n".join(lines[start + 1:end]).decode())',
    '        return settings, lines[end + 1].decode(), str(settings["node"])',
    "    except (ValueError, IndexError, KeyError, TypeError):",
    '        raise SystemExit("this key may only look at the node, for previews.\\n  what to do: Use another key for all else.")',
    "",
    "",
    "def load(name, code):",
    "    module = types.ModuleType(name)",
    "    sys.modules[name] = module",
    '    exec(compile(code, name + ".py", "exec"), module.__dict__)',
    "",
    "",
    "settings, wanted, node = given()",
    "for text, entry, title in PROGRAMS:",
    "    if text == wanted:",
    "        for name, code in json.loads(zlib.decompress(base64.b64decode(text), -15).decode()):",
    "            load(name, code)",
    '        sys.exit(sys.modules[entry].main("probe", settings))',
    'raise SystemExit("what looks here for previews is of another version of pi-runners.\\n  where: node %s\\n"',
    '                 "  what to do: Run ci/probeKey.ts for this node again (docs/merge-requests.md)." % node)',
    "",
  ].join("\n");
}

const bytes = (text: string): string => `b${JSON.stringify(text)}`;
