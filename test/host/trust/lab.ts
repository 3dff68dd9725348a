import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureNetwork, startEngine, type Engine } from "../../../lab/engine/engine";
import { knownHostsFile, privateKeyFile } from "../../../lab/cluster/hostKeys";
import { image } from "../../../lab/images/images";
import { ensureNodes, nodeKinds, type NodeKind } from "../../../lab/cluster/nodes";
import { withLock } from "../../../lab/machine/locks";
import { cache, label, network, node, type LabNode } from "../../../lab/machine/places";
import { Host } from "./host";
import { temporaryFolder } from "../../temporaryFolder";

/** Numbers of these tests' nodes: far from those of the cluster, whose engines must not be stopped under it. */
const first: Record<NodeKind, number> = { debian13: 191, debian12: 181, docker28: 161, docker29: 171 };

export interface TrustLab {
  kind: NodeKind;
  engine: Engine;
  nodes: LabNode[];
  hosts: Host[];
  ssh: { privateKeyFile: string; knownHostsFile: string };
}

/** For a hook that brings nodes up, in milliseconds: it may have to wait for another run, and to build images. */
export const patience = 30 * 60_000;

const alone = new Map<NodeKind, Promise<void>>();

/** Other runs on this machine share the nodes of a kind: one at a time, until this process ends. */
function wait(kind: NodeKind): Promise<void> {
  const turn = alone.get(kind) ?? whenFree(kind);
  alone.set(kind, turn);
  return turn;
}

function whenFree(kind: NodeKind): Promise<void> {
  return new Promise((held, failed) => {
    const say = (): void => console.log("another run of these tests works on their nodes, waiting");
    const forever = (): Promise<never> => {
      held();
      return new Promise(() => undefined);
    };
    withLock(join(cache, "locks", `trust-tests-${kind}`), say, forever).catch(failed);
  });
}

/** The kind of node that a run of these tests asks for by LAB_KIND; Debian 13 otherwise. */
function kindAsked(): NodeKind {
  const asked = process.env.LAB_KIND ?? "debian13";
  if (Object.hasOwn(nodeKinds, asked)) {
    return asked as NodeKind;
  }
  throw new Error(`LAB_KIND is ${asked}: no kind of node.\nKinds: ${Object.keys(nodeKinds).join(", ")}.`);
}

/**
 * Brings up real nodes (systemd, sshd, dockerd, containerd) for these tests alone.
 *
 * @param kind what they run; default: what LAB_KIND says
 */
export async function trustLab(count: number, kind: NodeKind = kindAsked()): Promise<TrustLab> {
  await wait(kind);
  const engine = await startEngine(() => undefined);
  await ensureNetwork(engine);
  const nodes = Array.from({ length: count }, (_, index) => node(first[kind] + index));
  await ensureNodes(engine, nodes, () => undefined, kind);
  const hosts = nodes.map((one) => hostOf(engine, one.container));
  return { kind, engine, nodes, hosts, ssh: { privateKeyFile, knownHostsFile } };
}

export function hostOf(engine: Engine, container: string, user = "root"): Host {
  return new Host(["docker", "exec", "-i", "-u", user, container], { ...process.env, ...engine.env });
}

/** A real registry (Debian's docker-registry) in a container of its own. */
export interface TestRegistry {
  address: string;
  /** PEM text of the CA that signed its certificate; missing for plain HTTP. */
  ca?: string;
}

/** Where the two registries of each kind of node are in the lab's network: tests of several kinds may run at once. */
const places: Record<NodeKind, { plain: string; tls: string }> = {
  debian13: { plain: "172.30.99.253", tls: "172.30.99.252" },
  debian12: { plain: "172.30.99.247", tls: "172.30.99.246" },
  docker28: { plain: "172.30.99.243", tls: "172.30.99.242" },
  docker29: { plain: "172.30.99.245", tls: "172.30.99.244" },
};

/** Starts both registries, one over plain HTTP and one over HTTPS with a CA of its own. */
export async function testRegistries(
  lab: TrustLab,
): Promise<{ plain: TestRegistry; tls: TestRegistry; folder: string }> {
  const folder = temporaryFolder();
  const at = places[lab.kind];
  certificates(folder, at.tls);
  await startRegistry(lab, "plain", {}, []);
  const tls = { REGISTRY_HTTP_TLS_CERTIFICATE: "/tls/server.crt", REGISTRY_HTTP_TLS_KEY: "/tls/server.key" };
  await startRegistry(lab, "tls", tls, [folder]);
  const ca = readFileSync(join(folder, "ca.crt"), "utf8");
  return { plain: { address: `${at.plain}:5000` }, tls: { address: `${at.tls}:5000`, ca }, folder };
}

async function startRegistry(
  lab: TrustLab,
  name: "plain" | "tls",
  settings: Record<string, string>,
  folders: string[],
): Promise<void> {
  const container = registryContainer(lab, name);
  await lab.engine.attempt(["rm", "-fv", container]);
  const config = join(temporaryFolder(), "config.yml");
  writeFileSync(config, "version: 0.1\nstorage: {filesystem: {rootdirectory: /data}}\nhttp: {addr: ':5000'}\n");
  const environment = Object.entries(settings).flatMap(([key, value]) => ["-e", `${key}=${value}`]);
  await lab.engine.run([
    ...[
      "create",
      "--name",
      container,
      "--label",
      label,
      "--network",
      network.name,
      "--ip",
      places[lab.kind][name],
      "--tmpfs",
      "/data",
    ],
    ...[...environment, "--entrypoint", "docker-registry"],
    ...[await image(lab.engine, "server", () => undefined), "serve", "/config.yml"],
  ]);
  for (const folder of folders) {
    await lab.engine.run(["cp", folder, `${container}:/tls`]);
  }
  await lab.engine.run(["cp", config, `${container}:/config.yml`]);
  await lab.engine.run(["start", container]);
}

export async function stopRegistries(lab: TrustLab): Promise<void> {
  await lab.engine.attempt(["rm", "-fv", registryContainer(lab, "plain"), registryContainer(lab, "tls")]);
}

/** The container of a test registry. */
export function registryContainer({ kind }: TrustLab, name: "plain" | "tls"): string {
  return `pi-lab-trust-${kind}-${name}`;
}

/** ca.crt, server.crt, server.key; also expired.crt and other.crt, CAs that do not fit. */
function certificates(folder: string, address: string): void {
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const authority = (name: string, ...more: string[]): void =>
    openssl(
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", `/CN=${name}`],
      ...["-keyout", `${name}.key`, "-out", `${name}.crt`, ...more],
    );
  authority("ca", "-days", "30");
  authority("other", "-days", "30");
  const names = ["-subj", "/CN=registry", "-addext", `subjectAltName=IP:${address}`];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "server.key"];
  openssl("req", ...key, ...names, "-out", "server.csr");
  const signer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-copy_extensions", "copy"];
  openssl("x509", "-req", "-in", "server.csr", ...signer, "-out", "server.crt");
}
