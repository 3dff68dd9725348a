/** Debian's own packages of Docker, which a node's image has kept: taken away and put back without any network. */
import assert from "node:assert/strict";
import type { Host } from "./host";
import { trustLab, type TrustLab } from "./lab";

const kept = "/usr/lib/pi-lab/packages";
const sources = "/etc/apt/sources.list /etc/apt/sources.list.d";

/** Where the node's only source of packages is, once there is one: a folder on it. */
export const repository = "/repository";

/** A node whose Docker is Debian's. */
export async function debianLab(): Promise<TrustLab> {
  const lab = await trustLab(1);
  assert.ok(lab.kind.startsWith("debian"), "Debian's packages would take the place of this kind's Docker.");
  return lab;
}

/** Takes Docker's packages away, as an administrator does; settings stay. */
export async function removeDocker(host: Host): Promise<void> {
  await host.ok("dpkg --remove docker.io docker-cli");
  const left = await host.sh("command -v docker; command -v dockerd; systemctl cat docker.service 2>/dev/null");
  assert.equal(left.out, "", "Docker is not gone");
}

export async function putDockerBack(host: Host): Promise<void> {
  await host.ok(`command -v docker && command -v dockerd || dpkg -i ${kept}/*.deb`);
}

/** From now on apt knows Docker's packages alone, and without any network. */
export async function onlyDockerToInstall(host: Host): Promise<void> {
  await host.ok(
    `mkdir -p ${repository} /data-kept; mv ${sources} /data-kept/ 2>/dev/null; cp ${kept}/*.deb ${repository}/ && cd ${repository} &&
     for deb in *.deb; do
       dpkg-deb -f $deb; echo "Filename: ./$deb"; echo "Size: $(stat -c %s $deb)"
       echo "SHA256: $(sha256sum < $deb | cut -d' ' -f1)"; echo
     done > Packages`,
  );
  await host.write(`deb [trusted=yes] file:${repository} ./\n`, "/etc/apt/sources.list");
}

export async function usualSources(host: Host): Promise<void> {
  await host.ok(`rm -rf ${repository} ${sources}; mv /data-kept/* /etc/apt/; rm -rf /data-kept`);
}
