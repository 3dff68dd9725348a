/**
 * Folder on the node with what one runner needs there; it stays where it is, as running jobs use it. Beside it stands
 * RegistryTrust's, `/var/lib/pi-runners/trust`, so no namespace of runners may have that name.
 */
export function nodeFolder(namespace: string, name: string): string {
  return `/var/lib/pi-runners/${namespace}/${name}`;
}
