import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { parseConfig, type StackConfig } from "../../../config/stackConfig";
import { temporaryFolder } from "../../temporaryFolder";

/** The configuration of a stack file as Pulumi hands it to a program: structures as JSON. Secrets are left out. */
export function configOf(file: string): Record<string, string> {
  const { config } = parse(readFileSync(file, "utf8")) as { config: Record<string, unknown> };
  const given = Object.entries(config).filter(([, value]) => !JSON.stringify(value).includes('"secure"'));
  return asText(Object.fromEntries(given));
}

/** Gives values to a program the way Pulumi does. */
export function asText(config: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  );
}

/** Reads a stack of these runners, each with a token; the rest of it is sound unless it is given. */
export function stackOf(
  runners: { name: string; [key: string]: unknown }[],
  others: Record<string, unknown> = {},
): StackConfig {
  const values = {
    gitlab: { url: "https://gitlab.lan" },
    registries: [{ address: "registry.lan:5000", insecure: true }],
    nodes: [nodeOf("pi1"), nodeOf("pi2")],
    tokens: Object.fromEntries(runners.map(({ name }, index) => [name, `glrt-${name}-${index}`.padEnd(25, "x")])),
    ...others,
    runners,
  };
  const entries = Object.entries(values).map(([key, value]) => [`pi-runners:${key}`, value]);
  return parseConfig(asText(Object.fromEntries(entries)));
}

let hosts = 0;

/** A node with an address and a host key of its own. */
export function nodeOf(name: string, settings: object = {}): object {
  hosts = (hosts % 250) + 1;
  return { name, host: `192.0.2.${hosts}`, hostKey: hostKey(name[0]!), ...settings };
}

/** The folder of this project. */
export const project = resolve(__dirname, "../../..");

/** A certificate that is good for nothing but being read. */
export const ca = readFileSync(join(__dirname, "ca.pem"), "utf8");

/** A host key that is good for nothing but being read. */
export function hostKey(seed: string): string {
  const start = Buffer.from("0000000b7373682d6564323535313900000020", "hex");
  return `ssh-ed25519 ${Buffer.concat([start, Buffer.alloc(32, seed)]).toString("base64")}`;
}

function contentOf(file: string): string {
  if (file.endsWith("known_hosts")) {
    return `* ${hostKey("x")}\n`;
  }
  return file.endsWith(".pem") ? ca : file.includes("id_") ? "-----BEGIN OPENSSH PRIVATE KEY-----\n" : "";
}

/**
 * Runs something in a folder that has the files which a configuration names, and where home is that folder: so that
 * a stack file can be read which is for another machine.
 */
export function inPlaceWith<T>(files: string[], work: () => T): T {
  const folder = temporaryFolder();
  for (const file of files) {
    const path = join(folder, file.replace(/^~\//, ""));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contentOf(file));
  }
  const { cwd, home } = { cwd: process.cwd(), home: process.env["HOME"] };
  process.chdir(folder);
  process.env["HOME"] = folder;
  try {
    return work();
  } finally {
    process.chdir(cwd);
    process.env["HOME"] = home;
  }
}
