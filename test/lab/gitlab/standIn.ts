import type { FastifyInstance } from "fastify";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LabGitlab } from "../../../lab/gitlab/client";
import { type ServerOptions, defaults } from "../../../lab/gitlab/options";
import { buildServer } from "../../../lab/gitlab/server";

export const dood = "glrt-labdood0000000000000";
export const admin = "glpat-labadmin00000000000";
export const registration = "lab-registration-token";

/** A stand-in that runs. */
export interface StandIn {
  url: string;
  folder: string;
  lab: LabGitlab;
  log: string[];
  stop(): Promise<void>;
}

/** The stand-in by HTTPS: the name that the certificate is for, and both. */
interface Tls {
  name: string;
  key: Buffer;
  cert: Buffer;
}

/**
 * The stand-in on a free port, with its state in a temporary folder.
 *
 * @param host address of this machine to listen on; default: the loopback
 * @param tls by HTTPS too, on a port of its own; `url` is then that one, and `lab` speaks to the other
 */
export async function startStandIn(
  options: Partial<ServerOptions> = {},
  host = "127.0.0.1",
  tls?: Tls,
): Promise<StandIn> {
  const folder = options.stateDir ?? mkdtempSync(join(tmpdir(), "pi-lab-gitlab-"));
  const log: string[] = [];
  const complete: ServerOptions = {
    ...defaults,
    stateDir: folder,
    runners: [{ name: "dood", token: dood, tags: ["dood"], runUntagged: true }],
    registrationToken: registration,
    adminToken: admin,
    log: (line) => log.push(line),
    ...options,
  };
  const app: FastifyInstance = await buildServer(complete);
  const listenByTls = tls === undefined ? undefined : prepareTls(app, host, tls);
  await app.listen({ host, port: 0 });
  const plain = `http://${host}:${(app.server.address() as AddressInfo).port}`;
  const url = (await listenByTls?.()) ?? plain;
  complete.externalUrl = url;
  const stop = async () => {
    await app.close();
    if (!options.stateDir) {
      rmSync(folder, { recursive: true, force: true });
    }
  };
  return { url, folder, lab: new LabGitlab(plain, options.controlToken), log, stop };
}

function prepareTls(app: FastifyInstance, host: string, { name, key, cert }: Tls): () => Promise<string> {
  const server = createServer({ key, cert }, (request, response) => app.routing(request, response));
  app.addHook("onClose", async () => void server.close().closeAllConnections());
  return async () => {
    await new Promise<void>((done) => server.listen(0, host, done));
    return `https://${name}:${(server.address() as AddressInfo).port}`;
  };
}

/** One call of the API that runners and programs use. */
export async function call(standIn: StandIn, method: string, path: string, body?: object | string, headers = {}) {
  const text = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
  const type: Record<string, string> = typeof body === "object" ? { "Content-Type": "application/json" } : {};
  const response = await fetch(standIn.url + path, { method, body: text, headers: { ...type, ...headers } });
  const answer = await response.text();
  const json = response.headers.get("content-type")?.startsWith("application/json");
  return { status: response.status, headers: response.headers, body: json ? JSON.parse(answer) : answer };
}
