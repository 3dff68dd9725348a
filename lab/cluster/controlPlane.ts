/** The container with etcd, Kubernetes' control plane, the registry and the stand-in for GitLab. */
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { built } from "../builds/builds";
import { authorityCertificate, certificate, kubeconfig, registryTokenKey, serviceAccountKeys } from "./certificates";
import { ensureHost } from "../engine/containers";
import type { Engine } from "../engine/engine";
import { image } from "../images/images";
import { apiServer, binaries, checkout, gitlab, imageFiles, inState, registry, server } from "../machine/places";

export const adminKubeconfig = inState("kubeconfig");
export const serverUnits = [
  "lab-etcd",
  "lab-apiserver",
  "lab-controllers",
  "lab-scheduler",
  "lab-registry",
  "lab-registry@token",
  "lab-registry@tls",
  "lab-gitlab",
];

type Say = (line: string) => void;

const folder = inState("server");

export async function ensureServer(engine: Engine, say: Say): Promise<void> {
  const kubernetes = await built("kubernetes", say);
  const reference = await image(engine, "server", say);
  await identities();
  const environment = writeEnvironment(kubernetes);
  await ensureHost(
    engine,
    {
      container: server.container,
      hostname: server.host,
      address: server.address,
      image: reference,
      keepVolumes: true,
      volumes: {
        [`${server.container}-data`]: "/var/lib/pi-lab",
        [`${server.container}-gitlab`]: "/var/lib/pi-lab-gitlab",
      },
      mounts: { [folder]: "/etc/pi-lab", [binaries]: binaries, [imageFiles]: imageFiles, [checkout]: checkout },
      names: {},
      units: serverUnits,
      // Another checkout at the same path is another folder: a mount of the one before is dead.
      generation: String(statSync(checkout).ino),
    },
    say,
  );
  if (environment.changed) {
    await engine.exec(server.container, ["systemctl", "restart", ...serverUnits]);
  }
  await answers(say);
}

async function identities(): Promise<void> {
  const names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", apiServer.host, "localhost"];
  const addresses = [server.address, "127.0.0.1", "10.96.0.1"];
  await certificate(join(folder, "apiserver"), {
    commonName: "kube-apiserver",
    names: [...names.map((name) => `DNS:${name}`), ...addresses.map((address) => `IP:${address}`)],
  });
  const masters = "system:masters";
  await certificate(join(folder, "kubelet-client"), {
    commonName: "kube-apiserver-kubelet-client",
    organization: masters,
  });
  await serviceAccountKeys(folder);
  await certificate(join(folder, "gitlab"), {
    commonName: gitlab.host,
    names: [`DNS:${gitlab.host}`, `IP:${server.address}`],
  });
  await registryTokenKey(folder);
  await kubeconfig(join(folder, "controllers.kubeconfig"), { commonName: "system:kube-controller-manager" });
  await kubeconfig(join(folder, "scheduler.kubeconfig"), { commonName: "system:kube-scheduler" });
  await kubeconfig(adminKubeconfig, { commonName: "pi-lab-admin", organization: masters });
  cpSync(authorityCertificate, join(folder, "ca.crt"));
  cpSync(authorityCertificate, inState("ca.pem")); // Pulumi.dev.yaml names it: of the registry by HTTPS
}

/** What the units read. A change restarts them, so that another build or another stand-in takes effect. */
function writeEnvironment(kubernetes: string): { changed: boolean } {
  const content = [
    `KUBERNETES=${kubernetes}`,
    `SERVER_ADDRESS=${server.address}`,
    `CHECKOUT=${checkout}`,
    `NODE=${nodeProgram()}`,
    `SOURCES=${sourcesOfGitlab()}`,
    "",
  ].join("\n");
  const file = join(folder, "environment");
  const changed = existsSync(file) && readFileSync(file, "utf8") !== content;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(file, content);
  return { changed };
}

/** The Node.js of this checkout's dependencies, which the container sees too; it cannot see the machine's. */
function nodeProgram(): string {
  const program = join(checkout, "node_modules", ".bin", "node");
  if (existsSync(program)) {
    return realpathSync(program);
  }
  throw new Error(`Dependencies are not installed: there is no ${program}.\nRun npm ci in ${checkout}.`);
}

function sourcesOfGitlab(): string {
  const hash = createHash("sha256").update(readFileSync(join(checkout, "lab", "runners.json")));
  const sources = join(checkout, "lab", "gitlab");
  for (const file of readdirSync(sources)
    .filter((name) => name.endsWith(".ts"))
    .sort()) {
    hash.update(readFileSync(join(sources, file)));
  }
  return hash.digest("hex").slice(0, 12);
}

/** How this machine reaches what its containers know by LAN names. */
export const gitlabUrl = `http://${server.address}:${gitlab.port}`;
export const registryUrl = `http://${server.address}:${registry.port}`;

async function answers(say: Say): Promise<void> {
  const { default: https } = await import("node:https");
  const ready = (): Promise<boolean> =>
    new Promise((resolve) => {
      const request = https.get(
        {
          host: server.address,
          port: apiServer.port,
          path: "/readyz",
          ca: readFileSync(authorityCertificate),
          timeout: 2000,
        },
        (response) => {
          response.resume();
          resolve(response.statusCode === 200);
        },
      );
      request.on("error", () => resolve(false)).on("timeout", () => request.destroy());
    });
  const checks: [string, () => Promise<boolean>][] = [
    ["registry", () => ok(`${registryUrl}/v2/`)],
    ["stand-in for GitLab", () => ok(`${gitlabUrl}/lab/health`)],
    ["API server", ready],
  ];
  for (const [name, check] of checks) {
    const end = Date.now() + 90_000;
    while (!(await check())) {
      if (Date.now() > end) {
        throw new Error(sick(name));
      }
      say(`waiting for the ${name}`);
      await sleep(200);
    }
  }
}

const ok = (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(2000) }).then(
    (response) => response.ok,
    () => false,
  );

const sick = (name: string): string =>
  `The lab's ${name} does not answer within 90 s, in container ${server.container}.\n` +
  `Its log: docker exec ${server.container} journalctl -n 50; or run down and up again.`;
