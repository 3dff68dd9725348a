import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { GitlabError, GitlabProject } from "../../../ci/gitlabApi";

/** A stand-in for whatever answers the job's calls. */
async function during<T>(answer: RequestListener, work: (address: string) => Promise<T>): Promise<T> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function projectAt(api: string): GitlabProject {
  return GitlabProject.ofJob({ CI_API_V4_URL: api, CI_PROJECT_ID: "7", PI_RUNNERS_GITLAB_TOKEN: "glpat-token" })!;
}

describe("GitLab's API", () => {
  it("is found below a path, where GitLab is not at the root of its host", async () => {
    const asked: string[] = [];
    await during(
      (request, response) => {
        asked.push(request.url!);
        response.end('{"id":5}');
      },
      async (address) => {
        const project = projectAt(`${address}/gitlab/api/v4`);
        assert.equal(await project.me(), 5);
        await project.get("/issues");
      },
    );
    assert.deepEqual(asked, ["/gitlab/api/v4/user", "/gitlab/api/v4/projects/7/issues"]);
  });

  it("never gets the token taken elsewhere by a redirection", async () => {
    const tokens: unknown[] = [];
    await during(
      (request, response) => {
        tokens.push(request.headers["private-token"]);
        response.end("{}");
      },
      (elsewhere) =>
        during(
          (_request, response) => response.writeHead(302, { Location: `${elsewhere}/login` }).end(),
          (address) => assert.rejects(projectAt(`${address}/api/v4`).get("/issues"), GitlabError),
        ),
    );
    assert.deepEqual(tokens, []);
  });

  it("is missed in words, not by an error of JSON, where a page answers or the answer breaks off", async () => {
    await during(
      (_request, response) => response.end("<html>Please log in</html>"),
      (address) => assert.rejects(projectAt(`${address}/api/v4`).get("/issues"), GitlabError),
    );
    await during(
      (_request, response) => {
        response.writeHead(200, { "Content-Length": "100" }).write("{");
        setTimeout(() => response.destroy(), 20);
      },
      (address) => assert.rejects(projectAt(`${address}/api/v4`).get("/issues"), GitlabError),
    );
  });
});
