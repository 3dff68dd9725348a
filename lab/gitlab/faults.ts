import type { FastifyReply, FastifyRequest } from "fastify";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fault } from "./protocol";

/** Makes the stand-in fail as it was told to; the control API itself never fails. */
export class Faults {
  private fault: Fault = { mode: "up" };
  private left = Number.POSITIVE_INFINITY;

  get current(): Fault {
    return this.fault;
  }

  set(fault: Fault): void {
    this.fault = fault;
    this.left = fault.times ?? Number.POSITIVE_INFINITY;
  }

  /** An `onRequest` hook. */
  async apply(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { mode, ms = 1000, only } = this.fault;
    if (mode === "up" || request.url.startsWith("/lab/")) return;
    if (only !== undefined && !new RegExp(only).test(`${request.method} ${request.url}`)) return;
    if (this.left-- <= 0) return;
    switch (mode) {
      case "down":
        reply.hijack();
        request.raw.socket.destroy();
        return reply;
      case "unavailable":
        return reply.code(503).send({ message: "503 Service Unavailable" });
      case "refuse":
        return reply.code(403).send({ message: "403 Forbidden" });
      default:
        await sleep(ms);
        return;
    }
  }
}
