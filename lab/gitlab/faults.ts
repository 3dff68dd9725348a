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

  /** An `onRequest` hook: what goes wrong before the call has done anything. */
  async before(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    if (this.fault.mode === "lose" || !this.strikes(request)) {
      return;
    }
    switch (this.fault.mode) {
      case "down":
        return cut(request, reply);
      case "unavailable":
        return reply.code(503).send({ message: "503 Service Unavailable" });
      case "refuse":
        return reply.code(403).send({ message: "403 Forbidden" });
      case "answer":
        return reply
          .code(this.fault.status ?? 500)
          .headers(this.fault.headers ?? {})
          .send(this.fault.body ?? "");
      default:
        await sleep(this.fault.ms ?? 1000);
        return;
    }
  }

  /** An `onSend` hook: the call has done its work, and its answer gets lost. */
  async after(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (this.fault.mode === "lose" && this.strikes(request)) {
      cut(request, reply);
    }
  }

  private strikes(request: FastifyRequest): boolean {
    const { mode, only } = this.fault;
    if (mode === "up" || request.url.startsWith("/lab/")) {
      return false;
    }
    if (only !== undefined && !new RegExp(only).test(`${request.method} ${request.url}`)) {
      return false;
    }
    return this.left-- > 0;
  }
}

function cut(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.hijack();
  request.raw.socket.destroy();
  return reply;
}
