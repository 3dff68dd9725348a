import assert from "node:assert/strict";
import * as http from "node:http";
import * as https from "node:https";
import { connect, type AddressInfo } from "node:net";
import { gitlab, type Call } from "../../../components/token/gitlab/request";
import { certificate } from "./certificate";
import { impatiently } from "./stored";

describe("the way to GitLab", function () {
  this.timeout(30_000);
  impatiently();
  const servers: (http.Server | https.Server)[] = [];

  after(() => {
    servers.forEach((server) => server.close().closeAllConnections());
  });

  async function listen(server: http.Server | https.Server): Promise<number> {
    servers.push(server);
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return (server.address() as AddressInfo).port;
  }

  const answer: http.RequestListener = (_request, response) => {
    response.setHeader("content-type", "application/json").end('{"version":"19.4.0"}');
  };
  const call: Call = { method: "GET", path: "version", accessToken: "glpat-0123456789", subject: "runner dood" };

  it("is by names of the LAN and a private CA, as the stack file says", async () => {
    const { key, cert } = certificate("gitlab.test", 30);
    const port = await listen(https.createServer({ key, cert }, answer));
    const address = { url: `https://gitlab.test:${port}`, hostAliases: { "gitlab.test": "127.0.0.1" } };
    const { json: version } = await gitlab({ ...address, ca: cert.toString() }, call, [200]);
    assert.deepEqual(version, { version: "19.4.0" });
    await assert.rejects(
      gitlab(address, call, [200]),
      /not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\)[\s\S]*gitlab\.caFile/,
    );
    const other = {
      url: `https://other.test:${port}`,
      hostAliases: { "other.test": "127.0.0.1" },
      ca: cert.toString(),
    };
    await assert.rejects(gitlab(other, call, [200]), /for another name[\s\S]*gitlab\.url/);
  });

  it("says that a certificate has expired", async () => {
    const { key, cert } = certificate("gitlab.test", -1);
    const port = await listen(https.createServer({ key, cert }, answer));
    const address = {
      url: `https://gitlab.test:${port}`,
      hostAliases: { "gitlab.test": "127.0.0.1" },
      ca: cert.toString(),
    };
    await assert.rejects(gitlab(address, call, [200]), /has expired[\s\S]*for runner dood[\s\S]*Renew it/);
  });

  describe("through a proxy where the environment names one", () => {
    const names = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
    const before = names.map((name) => [name, process.env[name]] as const);

    afterEach(() =>
      before.forEach(([name, value]) => {
        if (value === undefined) {
          delete process.env[name];
        } else {
          process.env[name] = value;
        }
      }),
    );

    it("is asked for what is not encrypted", async () => {
      const asked: string[] = [];
      const port = await listen(
        http.createServer((request, response) => {
          asked.push(request.url ?? "");
          answer(request, response as never);
        }),
      );
      process.env["HTTP_PROXY"] = `http://127.0.0.1:${port}`;
      await gitlab({ url: "http://gitlab.invalid" }, call, [200]);
      assert.deepEqual(asked, ["http://gitlab.invalid/api/v4/version"]);
    });

    it("is asked for a tunnel for HTTPS: the private CA is judged at its end, and no token is seen on the way", async () => {
      const { key, cert } = certificate("gitlab.test", 30);
      const gitlabPort = await listen(https.createServer({ key, cert }, answer));
      const [asked, passed]: [string[], Buffer[]] = [[], []];
      const proxy = http.createServer((_request, response) => response.writeHead(405).end());
      proxy.on("connect", (request, client) => {
        asked.push(`${request.url} ${JSON.stringify(request.headers)}`);
        // Only the proxy knows where that name is.
        const server = connect(gitlabPort, "127.0.0.1", () =>
          client.write("HTTP/1.1 200 Connection established\r\n\r\n"),
        );
        client.on("data", (piece: Buffer) => passed.push(piece));
        client.pipe(server).pipe(client);
        [client, server].forEach((socket) => socket.on("error", () => undefined));
      });
      const port = await listen(proxy);
      process.env["HTTPS_PROXY"] = `http://127.0.0.1:${port}`;
      const address = { url: `https://gitlab.test:${gitlabPort}`, ca: cert.toString() };
      assert.deepEqual((await gitlab(address, call, [200])).json, { version: "19.4.0" });
      assert.equal(asked.length, 1);
      assert.match(asked[0]!, new RegExp(`^gitlab\\.test:${gitlabPort} `));
      assert.ok(![...asked, Buffer.concat(passed).toString("latin1")].some((text) => text.includes(call.accessToken!)));
      await assert.rejects(gitlab({ url: address.url }, call, [200]), /not trusted[^]*gitlab\.caFile/);
    });

    it("says what to look at where the proxy is not there, and goes past it for NO_PROXY", async () => {
      const port = await listen(http.createServer(answer));
      process.env["HTTP_PROXY"] = "http://127.0.0.1:9";
      const address = { url: `http://127.0.0.1:${port}` };
      const impatient = { ...call, method: "POST" as const };
      await assert.rejects(gitlab(address, impatient, [200]), /ECONNREFUSED[^]*proxy \(HTTPS_PROXY, NO_PROXY\)/);
      process.env["NO_PROXY"] = "127.0.0.1";
      assert.deepEqual((await gitlab(address, impatient, [200])).json, { version: "19.4.0" });
    });
  });
});
