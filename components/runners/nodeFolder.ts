import { mountPoint } from "./configToml/merge";

/** Where what runners need on a node lies unless said otherwise. */
export const nodeFolders = "/var/lib/pi-runners";

/** What others have in there: the ledgers of RegistryTrust and of runners of way `shell`, and the checkouts of those. */
export const takenFolders = ["trust", "shell_runners", "shell_builds"];

/**
 * Folder on the node with what one runner needs there; it stays where it is, as running jobs use it. Beside it stands
 * RegistryTrust's, `/var/lib/pi-runners/trust`, so no namespace of runners may have that name.
 */
export function nodeFolder(namespace: string, name: string): string {
  return `${nodeFolders}/${namespace}/${name}`;
}

/** Folder on the node with the data of the runner's own engine, where it has one. */
export function engineFolder(runner: { namespace: string; name: string; engineFolder: string }): string {
  return `${runner.engineFolder}/${runner.namespace}/${runner.name}/engine`;
}

/** Is a path a folder, or below it? */
export function isIn(path: string, folder: string): boolean {
  return `${mountPoint(path)}/`.startsWith(`${mountPoint(folder)}/`);
}

/** Folders in which the engines of nodes keep their data. */
export const engineDataOfNodes = [
  "/var/lib/docker",
  "/var/lib/containerd",
  "/var/lib/rancher",
  "/var/snap",
  "/run",
  "/var/run",
];
