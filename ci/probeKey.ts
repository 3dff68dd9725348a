/**
 * Lets a key do nothing on a node but look, for previews of merge requests: see `usage`. A key that is made so cannot run
 * what a merge request's program sends: the node has its own copy of what looks, and takes only settings from the caller.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { trustProgram } from "../components/registryTrust/trustProgram";
import { shellProgram } from "../components/runners/shell/shellProgram";
import { quote } from "../hosts/asRoot";
import { probeOnly } from "../hosts/probeOnly";

const usage = `Prints a script for a node that lets an SSH key look at the node, and do nothing else, for previews with trust.probe.

  ssh-keygen -t ed25519 -N '' -f ~/.ssh/probe
  npx tsx ci/probeKey.ts --key ~/.ssh/probe.pub --user pi | ssh pi@pi1 sudo sh

  --key FILE     the public key
  --user NAME    as in the stack file's ssh.user, who needs sudo without a password; default: root
  --remove       take the key away again, and what looks, where no other key needs it
  --help         print this

The private key is then the variable PI_RUNNERS_SSH_KEY of previews; deployments need the other one. After an update of this
project, run it again: a node says when what looks there is of another version.`;

/** Where the node keeps what looks. */
const program = "/usr/local/lib/pi-runners/probe";

/** The script for the node. @throws when the key is none */
export function probeKeyScript(key: string, user: string, remove: boolean): string {
  const [, type, blob] =
    /^(ssh-ed25519|ecdsa-sha2-\S+|sk-\S+|ssh-rsa) ([A-Za-z0-9+/]+=*)(?:\s|$)/.exec(key.trim()) ?? [];
  if (blob === undefined) {
    throw new Error("This is no public key: give the .pub file of the pair, such as probe.pub.");
  }
  if (!/^[a-z_][a-z0-9_-]*$/i.test(user)) {
    throw new Error(`${user} is no user's name: give that of the stack file's ssh.user.`);
  }
  const command = user === "root" ? program : `sudo -n ${program}`;
  const line = `restrict,command="${command}" ${type} ${blob} pi-runners probe`;
  return [
    "set -eu",
    "umask 022",
    `user=${user}`,
    'home=$(getent passwd "$user" | cut -d: -f6)',
    "file=$home/.ssh/authorized_keys",
    'install -d -m 700 -o "$user" "$home/.ssh"',
    '[ -e "$file" ] || install -m 600 -o "$user" /dev/null "$file"',
    'new=$(mktemp "$home/.ssh/authorized_keys.XXXXXX")',
    `grep -vF ${quote(blob)} "$file" >"$new" || :`,
    ...(remove ? [] : [`echo ${quote(line)} >>"$new"`, ...installed()]),
    'chown --reference="$file" "$new"',
    'chmod --reference="$file" "$new"',
    'mv "$new" "$file"',
    ...(remove ? removed() : []),
    "",
  ].join("\n");
}

function installed(): string[] {
  return [
    `install -d ${program.replace(/\/[^/]*$/, "")}`,
    `cat >${program}.new <<'END-OF-PROGRAM'`,
    probeOnly([trustProgram, shellProgram]).trimEnd(),
    "END-OF-PROGRAM",
    `chmod 755 ${program}.new`,
    `mv ${program}.new ${program}`,
  ];
}

/** Another key, of this user or of another one, may have what looks as its command, too. */
function removed(): string[] {
  const keys =
    'getent passwd | cut -d: -f6 | sort -u | while read -r home; do cat "$home/.ssh/authorized_keys" 2>/dev/null || :; done';
  return [`if ! { ${keys}; } | grep -qF ${quote(`${program}"`)}; then`, `  rm -f ${program}`, "fi"];
}

if (require.main === module) {
  try {
    const options = {
      key: { type: "string" },
      user: { type: "string", default: "root" },
      remove: { type: "boolean", default: false },
      help: { type: "boolean", short: "h" },
    } as const;
    const { values } = parseArgs({ options });
    if (values.help || values.key === undefined) {
      console.log(usage);
      process.exitCode = values.help ? 0 : 1;
    } else {
      process.stdout.write(probeKeyScript(readFileSync(values.key, "utf8"), values.user, values.remove));
    }
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
