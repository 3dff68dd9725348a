/** A word for any POSIX sh, whatever it holds. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Shell that ends the run with a message in three parts; `$node` is the host's name. */
export function say(what: string, fix: string): string {
  return (
    `{ printf '%s\\n' ${quote(what)} "  where: node $node, step start" ` +
    `'  state: Nothing was changed.' ${quote(`  what to do: ${fix}`)} >&2; exit 1; }`
  );
}

/**
 * Shell for any POSIX sh that runs `"$@"` as root as the host allows it, with what is left on stdin, or says what is
 * missing. `$password` is sudo's, and goes to it by stdin.
 */
export const becomeRoot: readonly string[] = [
  'test "$(id -u)" != 0 || exec "$@"',
  `command -v sudo >/dev/null 2>&1 || ${say("sudo is missing, and the user is not root.", "Log in as root, or install sudo.")}`,
  'if sudo -n true 2>/dev/null; then exec sudo -n "$@"; fi',
  `test -n "$password" || ${say("sudo asks for a password.", "Set sudoPassword, or allow the user NOPASSWD in sudoers.")}`,
  `printf '%s\\n' "$password" | sudo -k -S -p '' true 2>/dev/null || ${say(
    "sudo does not accept the password.",
    "Check sudoPassword and whether the user may use sudo.",
  )}`,
  `{ printf '%s\\n' "$password"; exec cat; } | sudo -S -p '' "$@"`,
];

/** Where programs are on a host, whatever its user's login shell says. */
export const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin";

/**
 * A command for the login shell of a host's user that runs a script of POSIX sh as root. Its stdin is a line with sudo's
 * password, which may be empty.
 *
 * @param node the host's name in messages
 */
export function asRoot(node: string, script: string): string {
  const start = [
    searchPath,
    "export PATH",
    "IFS= read -r password || :",
    "node=$1",
    'set -- sh -c "$2"',
    ...becomeRoot,
  ];
  return `exec sh -c ${quote(start.join("\n"))} pi-runners ${quote(node)} ${quote(script)}`;
}
