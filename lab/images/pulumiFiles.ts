/** What the stand-in for pulumi/pulumi-nodejs holds beside programs that the lab builds: Node.js, npm, the host's scripts. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../machine/processes";
import { checkout } from "../machine/places";
import { hostScripts } from "../stack/languageHost";

/** Of the line that Node.js 22 comes with. */
const npm = "10.9.4";

const nodeFolder = join(checkout, "node_modules", "node");

/** Where the distributions of Linux keep the authorities that a machine trusts. */
const authorities = [
  process.env["SSL_CERT_FILE"],
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
];

const scripts = (): Record<string, string> => hostScripts("/usr/local/lib/pulumi-language-nodejs");

/** What the image has to be built again for. */
export function pulumiFilesKey(): string {
  const { version } = JSON.parse(readFileSync(join(nodeFolder, "package.json"), "utf8")) as { version: string };
  return JSON.stringify([npm, version, scripts()]);
}

export async function putPulumiFiles(context: string): Promise<void> {
  mkdirSync(join(context, "host"));
  for (const [name, text] of Object.entries(scripts())) {
    writeFileSync(join(context, "host", name), text);
    chmodSync(join(context, "host", name), 0o755);
  }
  copyFileSync(join(nodeFolder, "bin", "node"), join(context, "node"));
  copyFileSync(
    authorities.find((file) => file !== undefined && existsSync(file))!,
    join(context, "authorities.pem"),
  );
  await run("npm", ["pack", "--silent", `npm@${npm}`, "--pack-destination", context]);
  renameSync(join(context, `npm-${npm}.tgz`), join(context, "npm.tgz"));
}
