import { searchPath } from "../../../hosts/asRoot";
import { nodeFolder } from "../nodeFolder";
import { engineFolderFile, systemIdFile } from "./folderScript";
import { systemIdLabel } from "./managerScripts";

/** How long Docker may take to list what it has, seconds. One that hangs would hold the whole destroy up, and say nothing. */
const patience = 60;

/**
 * What removes a runner's traces from a node, once it is gone from the cluster: its folder, the data of its
 * own engine, and on the node's Docker the containers and cache volumes that carry its system id. A runner that is still there loses nothing; a Docker that is
 * stopped is not woken.
 */
export function cleanupScript(namespace: string, name: string): string {
  const folder = nodeFolder(namespace, name);
  return [
    searchPath,
    "for process in /proc/[0-9]*/environ; do",
    `  if tr '\\0' '\\n' 2>/dev/null <"$process" | grep -qx 'RUNNER_POOL=${namespace}/${name}'; then`,
    `    echo "Runner ${namespace}/${name} still runs here: its folder stays."`,
    "    exit 0",
    "  fi",
    "done 2>/dev/null",
    `ask() { timeout -k 5 ${patience} docker "$@"; }`,
    "give_up() {",
    `  echo "The Docker of this node runs, but does not answer: the folder of runner ${namespace}/${name} stays, and its volumes." >&2`,
    '  echo "Restart Docker there and run again, or set retain: true for this node, and pulumi up." >&2',
    "  exit 1",
    "}",
    "active() { systemctl is-active docker.service snap.docker.dockerd.service 2>/dev/null | grep -qx active; }",
    `for folder in ${folder} /var/snap/*/common/pi-runners/${namespace}/${name}; do`,
    '  [ -d "$folder" ] || continue',
    `  if id=$(cat "$folder/${systemIdFile}" 2>/dev/null) && active && command -v docker >/dev/null; then`,
    `    set -- --filter "label=${systemIdLabel}=$id"`,
    '    containers=$(ask ps -aq "$@") || give_up',
    '    printf %s "$containers" | xargs -r timeout -k 5 900 docker rm -f -v >/dev/null',
    '    volumes=$(ask volume ls -q "$@") || give_up',
    '    printf %s "$volumes" | xargs -r timeout -k 5 900 docker volume rm -f >/dev/null',
    "  fi",
    `  case "$(cat "$folder/${engineFolderFile}" 2>/dev/null)" in`,
    // Only what this runner's own pod wrote there is taken for its engine's data.
    `    /*/${namespace}/${name}/engine) engine=$(cat "$folder/${engineFolderFile}") ;;`,
    "    *) engine= ;;",
    "  esac",
    '  if [ -n "$engine" ]; then',
    '    rm -rf "$engine" || exit 1',
    '    above=$(dirname "$engine")',
    '    rmdir "$above" "$(dirname "$above")" 2>/dev/null',
    "  fi",
    '  rm -rf "$folder" || exit 1',
    '  above=$(dirname "$folder")',
    '  rmdir "$above" "$(dirname "$above")" 2>/dev/null',
    "done",
    "exit 0",
  ].join("\n");
}
