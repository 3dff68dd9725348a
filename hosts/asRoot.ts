/** A word for any POSIX sh, whatever it holds. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Becomes root as the node allows it. The script comes as the first argument, sudo's password as a line on stdin. */
const becomeRoot = [
  "IFS= read -r password || :",
  'set -- sh -c "$1"',
  '[ "$(id -u)" != 0 ] || exec "$@" </dev/null',
  'if sudo -n true 2>/dev/null; then exec sudo -n "$@" </dev/null; fi',
  `printf '%s\\n' "$password" | sudo -k -S -p "" "$@"`,
].join("\n");

/** A command for the login shell of a node's user that runs a script of POSIX sh as root. See `becomeRoot` for its stdin. */
export function asRoot(script: string): string {
  return `exec sh -c ${quote(becomeRoot)} pi-runners ${quote(script)}`;
}
