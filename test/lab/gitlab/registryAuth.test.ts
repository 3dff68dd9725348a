import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { type JWTPayload, jwtVerify } from "jose";
import { type StandIn, admin, call, dood, startStandIn } from "./standIn";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const registryKey = {
  privateKey: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  issuer: "omnibus-gitlab-issuer",
};

interface Access {
  type: string;
  name: string;
  actions: string[];
}

describe("tokens for GitLab's registry, from the stand-in [8.12]", function () {
  this.timeout(30_000);
  let standIn: StandIn;

  before(async () => {
    standIn = await startStandIn({ registryKey });
    const files = { ".gitlab-ci.yml": "build: {script: [docker info]}" };
    await standIn.lab.createProject("private", {
      files,
      deployTokens: [
        { username: "reader", token: "gldt-reader0000", scopes: ["read_registry"] },
        { username: "writer", token: "gldt-writer0000", scopes: ["read_registry", "write_registry"] },
      ],
    });
    await standIn.lab.createProject("open", { files, public: true });
    await standIn.lab.createProject("private-too", { files });
  });
  after(() => standIn.stop());

  const basic = (user: string, password: string) => ({
    Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
  });

  const ask = (scopes: string[], headers = {}) => {
    const query = new URLSearchParams([
      ["service", "container_registry"],
      ...scopes.map((scope): [string, string] => ["scope", scope]),
    ]);
    return call(standIn, "GET", `/jwt/auth?${query.toString()}`, undefined, headers);
  };

  async function granted(scopes: string[], headers = {}): Promise<{ access: Access[]; payload: JWTPayload }> {
    const { status, body } = await ask(scopes, headers);
    assert.equal(status, 200, JSON.stringify(body));
    const { payload, protectedHeader } = await jwtVerify((body as { token: string }).token, publicKey, {
      issuer: "omnibus-gitlab-issuer",
      audience: "container_registry",
    });
    assert.match(protectedHeader.kid ?? "", /^([A-Z2-7]{4}:){11}[A-Z2-7]{4}$/);
    return { access: payload["access"] as Access[], payload };
  }

  const repository = (name: string, ...actions: string[]): Access => ({ type: "repository", name, actions });

  async function runningJob(project: string): Promise<{ id: number; token: string }> {
    await standIn.lab.startPipeline(project);
    const { status, body } = await call(standIn, "POST", "/api/v4/jobs/request", { token: dood });
    assert.equal(status, 201);
    return body as { id: number; token: string };
  }

  it("gives a job its own project's images, below it too, for five minutes and while it runs", async () => {
    const { id, token } = await runningJob("private");
    const job = basic("gitlab-ci-token", token);
    const { access, payload } = await granted(
      ["repository:lab/private:pull,push", "repository:lab/private/a/b:push repository:lab/open:pull,push"],
      job,
    );
    assert.deepEqual(access, [
      repository("lab/private", "pull", "push"),
      repository("lab/private/a/b", "push"),
      repository("lab/open", "pull"),
    ]);
    assert.equal(payload.exp! - payload.iat!, 300);
    assert.equal(payload["auth_type"], "build");
    for (const elsewhere of ["lab/private-too", "lab/private/a/b/c", "lab", "private", "lab/nowhere"]) {
      assert.deepEqual((await granted([`repository:${elsewhere}:pull`], job)).access, [], elsewhere);
    }
    assert.deepEqual((await granted(["repository:lab/private:*"], job)).access, []);
    await call(standIn, "PUT", `/api/v4/jobs/${id}`, { token, state: "success" });
    const late = await ask(["repository:lab/private:pull"], job);
    assert.equal(late.status, 401);
    assert.deepEqual((late.body as { errors: { code: string }[] }).errors[0]?.code, "UNAUTHORIZED");
  });

  it("lets everybody pull what is public, and nothing else", async () => {
    const { access } = await granted(["repository:lab/open:pull,push"]);
    assert.deepEqual(access, [repository("lab/open", "pull")]);
    for (const scopes of [[], ["repository:lab/private:pull"], ["repository:lab/open:push"], ["nonsense"]]) {
      assert.equal((await ask(scopes)).status, 403, scopes.join());
    }
  });

  it("gives people and deploy tokens what theirs allow", async () => {
    const scope = ["repository:lab/private:pull,push", "repository:lab/private-too:pull"];
    assert.deepEqual((await granted(scope, basic("root", admin))).access, [
      repository("lab/private", "pull", "push"),
      repository("lab/private-too", "pull"),
    ]);
    assert.deepEqual((await granted(["registry:catalog:*"], basic("root", admin))).access, [
      { type: "registry", name: "catalog", actions: ["*"] },
    ]);
    assert.deepEqual((await granted(scope, basic("reader", "gldt-reader0000"))).access, [
      repository("lab/private", "pull"),
    ]);
    assert.deepEqual((await granted(scope, basic("writer", "gldt-writer0000"))).access, [
      repository("lab/private", "pull", "push"),
    ]);
    assert.deepEqual((await granted([], basic("reader", "gldt-reader0000"))).access, []);
    for (const wrong of [
      basic("writer", "gldt-reader0000"),
      basic("root", "wrong"),
      basic("gitlab-ci-token", ""),
      basic("", ""),
      { Authorization: "Basic !" },
    ]) {
      assert.equal((await ask(scope, wrong)).status, 401);
    }
  });

  it("answers a POST with 404, as GitLab, so that clients which try OAuth first ask by GET", async () => {
    assert.equal((await call(standIn, "POST", "/jwt/auth", { grant_type: "password" })).status, 404);
  });

  it("says that there is no registry where it has no key", async () => {
    const without = await startStandIn();
    try {
      assert.equal((await call(without, "GET", "/jwt/auth?service=container_registry")).status, 404);
    } finally {
      await without.stop();
    }
  });

  it("writes no password into its log", async () => {
    await ask([], basic("root", "pAsSwOrD"));
    assert.ok(standIn.log.some((line) => line.includes("GET /jwt/auth?service=container_registry 401")));
    assert.ok(!standIn.log.join("\n").match(/pAsSwOrD|cm9vdDp/));
  });
});
