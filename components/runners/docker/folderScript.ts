import { systemIdScript } from "../identity";
import { stateFolder } from "../manager/scripts";
import { engineFolder, nodeFolder } from "../nodeFolder";
import { nodeFolderFile, waitForDocker } from "./managerScripts";
import type { DockerRunnerSettings } from "./settings";
import { needRuntime } from "./sysbox";
import { hasResidentEngine } from "./ways";

/** Where the init container has nodeFolder(). */
export const folderMount = "/node";

/** Where the init container has the folders of the node's snaps. */
export const snapMount = "/node-snap";

/** File in the folder with the runner's system id on that node: who cleans up after it knows by it what was its own. */
export const systemIdFile = "system-id";

/** File in the folder with the place of the data of the runner's own engine, where it has one: it goes with the runner. */
export const engineFolderFile = "engine-folder";

/** Where the init container has the files of the inner daemon. */
export const filesMount = "/files";

/** What of a runner's settings its folder on the node depends on. */
type FolderSettings = Pick<
  DockerRunnerSettings,
  "namespace" | "name" | "way" | "dockerSocket" | "engineFolder" | "runtime"
>;

/**
 * The script of the init container: prepares the runner's folder on the node.
 *
 * Docker from snap does not see the host's /var/lib, only its own folders; where the engine says that it is one, the
 * runner's folder is there. The folder is closed to the node's other users: checkouts hold tokens and scripts. Docker
 * itself, which is root, puts what lies below it into containers.
 */
export function folderScript(settings: FolderSettings, files: string[]): string {
  const { namespace, name, way, dockerSocket } = settings;
  const resident = hasResidentEngine(way);
  return [
    "set -eu",
    "umask 022",
    ...(resident ? [] : waitForDocker(dockerSocket)),
    ...(settings.runtime === undefined ? [] : needRuntime(settings.runtime)),
    `folder=${nodeFolder(namespace, name)} here=${folderMount}`,
    ...(resident ? [] : inSnap(namespace, name)),
    'mkdir -p "$here"',
    'chmod 700 "$here"',
    `id=$(${systemIdScript})`,
    `[ "$(cat "$here/${systemIdFile}" 2>/dev/null)" = "$id" ] || printf %s "$id" >"$here/${systemIdFile}"`,
    `printf '%s\\n' "$folder" >${stateFolder}/${nodeFolderFile}`,
    ...(resident ? [`printf %s '${engineFolder(settings)}' >"$here/${engineFolderFile}"`] : []),
    ...(files.length === 0 ? [] : installFiles(files)),
  ].join("\n");
}

/** Shell: moves `$folder`, and `$here`, to where a Docker from snap sees it, if the node's is one. */
function inSnap(namespace: string, name: string): string[] {
  return [
    `case $(printf %s "$info" | grep -o '"DockerRootDir":"[^"]*"' | cut -d '"' -f 4) in`,
    "  /var/snap/*/common/*)",
    `    snap=$(printf %s "$info" | grep -o '"DockerRootDir":"[^"]*"' | cut -d / -f 4)`,
    `    folder=/var/snap/$snap/common/pi-runners/${namespace}/${name}`,
    `    here=${snapMount}/$snap/common/pi-runners/${namespace}/${name}`,
    "esac",
  ];
}

/**
 * Shell: brings the inner daemon's files into `$here`. A file that is already right is not written (SD cards wear); a
 * new one appears whole, by rename; a registry's certificate that is no longer wanted goes. What is no file is replaced:
 * Docker makes a folder of a file that it is to mount and does not find.
 */
function installFiles(files: string[]): string[] {
  const wanted = [...files].sort();
  return [
    'folder_at() { [ -d "$1" ] && [ ! -L "$1" ] || { rm -rf "$1"; mkdir -p "$1"; }; }',
    "here=$here/docker",
    'folder_at "$here"',
    'folder_at "$here/certs.d"',
    `for file in ${wanted.map((path) => `'${path}'`).join(" ")}; do`,
    `  [ -f "$here/$file" ] && cmp -s "${filesMount}/$file" "$here/$file" && continue`,
    '  folder_at "$(dirname "$here/$file")"',
    '  rm -rf "$here/.new"',
    `  cp "${filesMount}/$file" "$here/.new"`,
    '  [ ! -d "$here/$file" ] || rm -rf "$here/$file"',
    '  mv -f "$here/.new" "$here/$file"',
    "done",
    'cd "$here/certs.d"',
    "for registry in *; do",
    `  if [ -e "$registry" ] && [ ! -e "${filesMount}/certs.d/$registry" ]; then rm -rf "./$registry"; fi`,
    "done",
  ];
}
