/** The cluster's certificate authority, its certificates and kubeconfigs, by openssl. Made once, gone after `down`. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { apiServer, inState, server } from "../machine/places";
import { run } from "../machine/processes";

const days = "3650";
const authority = (file: string): string => inState("pki", file);
export const authorityCertificate = authority("ca.crt");
const apiServerUrl = `https://${server.address}:${apiServer.port}`;

const openssl = (args: string[], input?: string) => run("openssl", args, { input });

async function privateKey(file: string): Promise<void> {
  await openssl(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file]);
}

/** Makes files that belong together: all of them are there afterwards, or the error is thrown. */
async function once(files: readonly string[], make: (part: (file: string) => string) => Promise<void>): Promise<void> {
  if (files.every((file) => existsSync(file) && statSync(file).size > 0)) {
    return; // a file that is empty is what a power cut left
  }
  for (const file of files) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  }
  const part = (file: string) => `${file}.part`;
  await make(part);
  for (const file of files) {
    renameSync(part(file), file);
  }
}

export async function certificateAuthority(): Promise<void> {
  const [key, certificate] = [authority("ca.key"), authorityCertificate];
  await once([key, certificate], async (part) => {
    await privateKey(part(key));
    const options = [
      "-x509",
      "-new",
      "-key",
      part(key),
      "-subj",
      "/CN=pi-lab",
      "-days",
      days,
      "-out",
      part(certificate),
    ];
    await openssl(["req", ...options]);
  });
}

interface Identity {
  commonName: string;
  /** Group, for Kubernetes. */
  organization?: string;
  /** `DNS:…` and `IP:…`; with them it is a server's certificate. */
  names?: readonly string[];
}

/** `BASE.key` and `BASE.crt`, signed by the lab's authority. */
export async function certificate(base: string, identity: Identity): Promise<void> {
  const [key, file] = [`${base}.key`, `${base}.crt`];
  await once([key, file], async (part) => {
    await privateKey(part(key));
    const group = identity.organization ? `/O=${identity.organization}` : "";
    const request = await openssl(["req", "-new", "-key", part(key), "-subj", `${group}/CN=${identity.commonName}`]);
    const extensions = `${base}.extensions`;
    const use = identity.names ? `serverAuth\nsubjectAltName=${identity.names.join(",")}` : "clientAuth";
    writeFileSync(extensions, `extendedKeyUsage=${use}\n`);
    const signer = ["-CA", authorityCertificate, "-CAkey", authority("ca.key"), "-set_serial", `0x${serial()}`];
    const options = ["-req", ...signer, "-days", days, "-extfile", extensions, "-out", part(file)];
    await openssl(["x509", ...options], request);
    rmSync(extensions);
  });
}

const serial = (): string =>
  [...crypto.getRandomValues(new Uint8Array(8))].map((n) => (n & 127).toString(16).padStart(2, "0")).join("");

/** A pair of keys with which the API server signs the tokens of service accounts. */
export async function serviceAccountKeys(folder: string): Promise<void> {
  const [key, pub] = [join(folder, "service-accounts.key"), join(folder, "service-accounts.pub")];
  await once([key, pub], async (part) => {
    await privateKey(part(key));
    await openssl(["ec", "-in", part(key), "-pubout", "-out", part(pub)]);
  });
}

/** With the key GitLab signs tokens for its registry, which knows GitLab by the certificate; both as GitLab makes them. */
export async function registryTokenKey(folder: string): Promise<void> {
  const [key, file] = [join(folder, "registry-token.key"), join(folder, "registry-token.crt")];
  await once([key, file], async (part) => {
    const files = ["-keyout", part(key), "-out", part(file)];
    const subject = ["-subj", "/CN=gitlab-registry-token", "-days", days];
    await openssl(["req", "-x509", "-newkey", "rsa:2048", "-noenc", ...subject, ...files]);
  });
}

/** A kubeconfig that holds all that it needs. */
export async function kubeconfig(file: string, identity: Identity): Promise<void> {
  await once([file], async (part) => {
    const base = inState("pki", identity.commonName.replaceAll(":", "-"));
    await certificate(base, identity);
    const data = (path: string) => readFileSync(path).toString("base64");
    const content = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "pi-lab",
      clusters: [
        {
          name: "pi-lab",
          cluster: { server: apiServerUrl, "certificate-authority-data": data(authorityCertificate) },
        },
      ],
      users: [
        {
          name: identity.commonName,
          user: { "client-certificate-data": data(`${base}.crt`), "client-key-data": data(`${base}.key`) },
        },
      ],
      contexts: [{ name: "pi-lab", context: { cluster: "pi-lab", user: identity.commonName } }],
    };
    writeFileSync(part(file), stringify(content), { mode: 0o600 });
  });
}
