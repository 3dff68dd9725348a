import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { unstamped } from "../../../lab/stack/trace";
import { RealRunner, findRunner } from "./realRunner";

const binary = findRunner();
const token = "glrt-leftoutleftoutleft0";

/** How a job ended, as its runner told. */
interface Ended {
  trace: string;
  state: string;
  failureReason?: string;
}

/** A GitLab that has one job to give. The stand-in does not know the keywords that these jobs use. */
class OneJob {
  private readonly server: Server;
  private given = false;
  private trace = "";
  readonly ended: Promise<Ended>;

  constructor(job: Record<string, unknown>) {
    let done: (ended: Ended) => void;
    this.ended = new Promise((resolve) => (done = resolve));
    this.server = createServer((request, response) => {
      void bodyOf(request).then((body) => {
        const answer = (status: number, content?: unknown): void => {
          response.writeHead(status, { "Content-Type": "application/json" });
          response.end(content === undefined ? "" : JSON.stringify(content));
        };
        if (request.url === "/api/v4/jobs/request") {
          if (this.given) {
            return answer(204);
          }
          this.given = true;
          return answer(201, job);
        }
        if (request.method === "PATCH") {
          this.trace += body;
          response.setHeader("Range", `0-${Buffer.byteLength(this.trace)}`);
          return answer(202);
        }
        const update = JSON.parse(body) as { state: string; failure_reason?: string };
        answer(200);
        if (update.state !== "running") {
          done({ trace: unstamped(this.trace), state: update.state, failureReason: update.failure_reason });
        }
      });
    });
  }

  async start(): Promise<string> {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) {
    pieces.push(piece as Buffer);
  }
  return Buffer.concat(pieces).toString();
}

const git = { repo_url: "http://gitlab.lab/lab/demo.git", ref: "main", sha: "0".repeat(40), ref_type: "branch" };

/** A job as GitLab hands it out, without sources. */
const jobWith = (fields: Record<string, unknown>, variables: Record<string, string> = {}): Record<string, unknown> => ({
  id: 1,
  token: "job-token",
  job_info: { id: 1, name: "demo", stage: "test", project_id: 1, project_name: "demo" },
  git_info: { ...git, before_sha: git.sha, refspecs: [] },
  runner_info: { timeout: 60 },
  variables: Object.entries({ GIT_STRATEGY: "none", ...variables }).map(([key, value]) => ({ key, value })),
  steps: [{ name: "script", script: ["echo plain text"], timeout: 60, when: "on_success" }],
  features: { trace_sections: true, failure_reasons: ["script_failure", "configuration_error", "unknown_failure"] },
  ...fields,
});

const script = (text: string) => [{ name: "script", script: [text], timeout: 60, when: "on_success" }];
const input = { key: "who", value: { type: "string", content: "world", sensitive: false } };

describe("the lab's gitlab-runner: a job that needs what is left out", function () {
  this.timeout(90_000);

  before(function () {
    if (!binary) {
      console.log("      skipped: gitlab-runner is neither on PATH nor in the lab's cache; `make up` builds it");
      this.skip();
    }
  });

  async function run(job: Record<string, unknown>): Promise<Ended> {
    const gitlab = new OneJob(job);
    const runner = new RealRunner(binary!);
    try {
      runner.start(await gitlab.start(), token);
      return await gitlab.ended;
    } finally {
      await runner.stop();
      gitlab.stop();
    }
  }

  it("an input in its script: fails, and the log names job inputs", async () => {
    const { state, trace } = await run(jobWith({ inputs: [input], steps: script("echo ${{ job.inputs.who }}") }));
    assert.equal(state, "failed");
    assert.match(trace, /leaves out job inputs/);
  });

  it("inputs that its script does not use: runs", async () => {
    const { state, trace } = await run(jobWith({ inputs: [input] }));
    assert.equal(state, "success", trace);
    assert.match(trace, /plain text/);
  });

  it("run: (native steps): fails, and the log names them", async () => {
    const run_ = JSON.stringify([{ name: "hello", script: "echo hello" }]);
    const { state, trace } = await run(jobWith({ run: run_, steps: [] }, { FF_CONCRETE: "true" }));
    assert.equal(state, "failed");
    assert.match(trace, /leaves out native steps/);
  });

  it("its log says that this is not GitLab's own build", async () => {
    const { trace } = await run(jobWith({}));
    assert.match(trace, /Running with gitlab-runner 19\.4\.0 \(features-left-out\)/);
  });
});
