import { searchPath } from "../../../hosts/asRoot";
import { layersFolder } from "./buildCache";
import { guardMount, guardVariable } from "./layersGuard";

/** How long a guard may take to go, seconds; where it stays, so do the layers. */
const guardPatience = 60;

/**
 * What passes between a manager's last job and that job's lock, at the most, seconds: its image may have to be pulled first,
 * for as long as gitlab-runner waits for its pod (`poll_timeout`, 180 s by default).
 */
const settled = 200;

/**
 * What removes the layers that a runner's builds kept on a host, once no guard looks after them any more. What a build still
 * has is locked: it is waited for.
 *
 * @param patience how long builds may still have layers, seconds
 */
export function layersCleanupScript(namespace: string, name: string, hostFolder: string, patience: number): string {
  const folder = layersFolder({ namespace, name }, { hostFolder });
  return [
    searchPath,
    `folder=${folder}`,
    '[ -d "$folder" ] || exit 0',
    "now() { date +%s; }",
    "guarded() {",
    "  for process in /proc/[0-9]*/environ; do",
    // A job may say the same of itself, but has not the folder.
    `    root=\${process%/environ}/root${guardMount}`,
    `    if tr '\\0' '\\n' 2>/dev/null <"$process" | grep -qFx "${guardVariable}=$folder" && [ ! -L "$root" ] && [ "$root" -ef "$folder" ]; then`,
    "      return 0",
    "    fi",
    "  done 2>/dev/null",
    "  return 1",
    "}",
    `deadline=$(($(now) + ${guardPatience}))`,
    "while guarded; do",
    '  if [ "$(now)" -ge "$deadline" ]; then',
    `    echo "Runner ${namespace}/${name} still keeps layers here: $folder stays."`,
    "    exit 0",
    "  fi",
    "  sleep 2",
    "done",
    // A job that the manager took last has its pod by then.
    `echo "Waiting ${settled} s for builds of runner ${namespace}/${name} that may begin."`,
    `sleep ${settled}`,
    `deadline=$(($(now) + ${patience})) said=0`,
    "while :; do",
    "  busy=",
    '  for slot in "$folder"/layers/*/*; do',
    '    [ -d "$slot" ] && [ ! -L "$slot" ] || continue',
    // A job may put a link or a pipe there meanwhile: with /. nothing but a folder is opened, and nothing made. rm (GNU's) does
    // not follow what is put below while it works.
    `    timeout 900 sh -c 'exec 9<"$1/." && flock -n 9 && rm -rf "$1"' - "$slot" 2>/dev/null || busy=$slot`,
    "  done",
    '  [ -n "$busy" ] || break',
    '  if [ "$(now)" -ge "$deadline" ]; then',
    `    echo "A build of runner ${namespace}/${name} still has its layers in $busy: they stay." >&2`,
    '    echo "Let it end, or cancel it in GitLab, and run pulumi up again; or set retain: true for this node." >&2',
    "    exit 1",
    "  fi",
    '  if [ "$(now)" -ge "$said" ]; then',
    '    echo "Waiting for a build that still has its layers in $busy."',
    "    said=$(($(now) + 60))",
    "  fi",
    "  sleep 2",
    "done",
    'rm -rf "$folder" || exit 1',
    'rmdir "$(dirname "$folder")" 2>/dev/null || :',
    "exit 0",
  ].join("\n");
}
