/**
 * One call of GitLab's API. What is here is stored with the resources that use it (a dynamic provider is serialised), so
 * it stands on Node.js alone: no classes, no libraries, nothing of where this checkout lies.
 */
import { lookup as resolve } from "node:dns";
import * as http from "node:http";
import * as https from "node:https";
import { failureOf, refusalOf } from "./failures";

/** How to reach a GitLab instance. */
export interface GitlabAddress {
  /** Such as `https://gitlab.lan`. */
  url: string;
  /** CA of its certificate, PEM; public CAs where there is none. */
  ca?: string;
  /** Names that only the LAN knows, with their addresses. */
  hostAliases?: Record<string, string>;
}

/** A call, and what it is for. */
export interface Call {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below `/api/v4/`. */
  path: string;
  body?: object;
  /** Access token of the API; calls with a runner's own token carry that in their body. */
  accessToken?: string;
  /** For messages: `runner dood`. */
  subject: string;
  /** For messages: what to do where a role or scope is missing. */
  needs?: string;
  /** True: doing it twice does no harm, so it is tried again after an answer that got lost. */
  repeatable?: boolean;
  /** Milliseconds to wait for an answer. Default 30 000. */
  timeout?: number;
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
  /** What the text says; undefined where it is empty. */
  json: unknown;
}

/** What went wrong on the way, in Node.js' own words. */
export interface Failure {
  code?: string;
  message: string;
  /** True: GitLab may have done what it was asked for. */
  maybeDone: boolean;
}

const longestWait = 60;
const tries = 4;

/**
 * Calls GitLab. What passes by itself (a busy server, a limit of the rate, a cut connection) is tried again for up to a
 * few minutes; every status in `expected` is an answer.
 *
 * @throws Error in three parts, without any token. `status` is GitLab's; `maybeDone` says that it may have done the call
 */
export async function gitlab(address: GitlabAddress, call: Call, expected: number[]): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    const result = await send(address, call).catch((failure: Failure) => failure);
    if (!("status" in result)) {
      const again = call.repeatable === true || !result.maybeDone;
      if (attempt < tries && again && isPassing(result)) {
        await pause(attempt);
        continue;
      }
      throw failureOf(address, call, result);
    }
    if (expected.includes(result.status) && (result.json !== undefined || result.status === 204)) {
      return result;
    }
    const isBusy = result.status === 429 || (call.repeatable === true && [502, 503, 504].includes(result.status));
    if (isBusy && attempt < tries) {
      await pause(attempt, Number(result.headers["retry-after"]));
      continue;
    }
    throw refusalOf(address, call, result);
  }
}

/** What a preview has in place of what only a run will tell (Pulumi's SDK, runtime/rpc, unknownValue). */
export const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Another try helps: not where a certificate is wrong. */
function isPassing({ code = "" }: Failure): boolean {
  return ["ECONNREFUSED", "ECONNRESET", "EAI_AGAIN", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH"].includes(code);
}

async function pause(attempt: number, seconds = Number.NaN): Promise<void> {
  const wait = Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), longestWait) : 2 ** (attempt - 1);
  await new Promise((done) => setTimeout(done, wait * 1000));
}

function send(address: GitlabAddress, call: Call): Promise<Answer> {
  const url = new URL(`${address.url.replace(/\/+$/, "")}/api/v4/${call.path}`);
  const body = call.body === undefined ? undefined : JSON.stringify(call.body);
  const { request, Agent } = url.protocol === "https:" ? https : http;
  // Proxies as everywhere: HTTP_PROXY, HTTPS_PROXY, NO_PROXY (Node.js from 22.21 on).
  const agent = new Agent({ proxyEnv: process.env, ca: address.ca } as https.AgentOptions);
  const headers: http.OutgoingHttpHeaders = { accept: "application/json" };
  if (call.accessToken !== undefined) {
    headers["private-token"] = call.accessToken;
  }
  if (body !== undefined) {
    headers["content-type"] = "application/json";
    headers["content-length"] = Buffer.byteLength(body);
  }
  const timeout = call.timeout ?? 30_000;
  return new Promise((done, failed) => {
    // All that is used further down is declared first: Pulumi's serialiser takes anything else for a captured variable.
    let isSent = false;
    const timer: { running?: NodeJS.Timeout } = {};
    const fail = (error: Error & { code?: string }): void => {
      clearTimeout(timer.running);
      failed({
        code: error.code,
        message: error.message || error.code || "no connection",
        maybeDone: isSent && call.method !== "GET",
      });
    };
    const receive = (answer: http.IncomingMessage): void => {
      const pieces: Buffer[] = [];
      answer.on("data", (piece: Buffer) => pieces.push(piece));
      answer.on("error", fail);
      answer.on("end", () => {
        clearTimeout(timer.running);
        const text = Buffer.concat(pieces).toString("utf8");
        done({ status: answer.statusCode ?? 0, headers: answer.headers, text, json: parsed(text) });
      });
    };
    const options = { method: call.method, headers, agent, lookup: lookupWith(address.hostAliases ?? {}) };
    const outgoing = request(url, options, receive);
    const giveUp = (): void => {
      outgoing.destroy(Object.assign(new Error(`no answer within ${timeout / 1000} s`), { code: "ETIMEDOUT" }));
    };
    timer.running = setTimeout(giveUp, timeout);
    outgoing.on("error", fail);
    outgoing.on("finish", () => (isSent = true));
    outgoing.end(body);
  });
}

/** Names of the LAN from the stack file, all others from the system. */
function lookupWith(aliases: Record<string, string>): typeof resolve {
  const find = (host: string, options: { all?: boolean }, done: (...found: unknown[]) => void): void => {
    const address = aliases[host];
    if (address === undefined) {
      resolve(host, options as object, done as never);
      return;
    }
    const family = address.includes(":") ? 6 : 4;
    if (options.all === true) {
      done(null, [{ address, family }]);
    } else {
      done(null, address, family);
    }
  };
  return find as unknown as typeof resolve;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
