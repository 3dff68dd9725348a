import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkout, environment, gitlab, up } from "../lab/stack/lab";
import { labConfig, tokenStack, type TokenStack } from "./tokenStack";

/** The commit whose dynamic providers stand in the states of deployed stacks. */
const deployed = "3b4d0bf";
const registrationToken = "GR1348941labOnlyLabOnly1";

interface State {
  deployment: { resources: { urn: string; type: string; inputs?: object; outputs?: { __provider?: string } }[] };
}

/** What GitLab knows of a stack is read, changed and deleted by code that the state keeps: that of an older program, too. */
describe(`runners in GitLab of a stack that ${deployed} deployed`, function () {
  this.timeout(900_000);
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-older-"));
  const old = join(folder, "program");
  let stack: TokenStack;
  let accessToken: string;
  let own: { id: number; token: string };

  before(async () => {
    await up(); // stack dev: the nodes have the images
    mkdirSync(old);
    const archive = execFileSync("git", ["archive", deployed], { cwd: checkout, maxBuffer: 1 << 28 });
    execFileSync("tar", ["-x", "-C", old], { input: archive });
    symlinkSync(realpathSync(join(checkout, ".lab")), join(old, ".lab"));
    const { execa } = await import("execa"); // cannot be required: some of its dependencies are ESM only
    const options = ["--omit=dev", "--prefer-offline", "--no-audit", "--no-fund"];
    await execa("npm", ["ci", ...options], { cwd: old, env: await environment() });
    stack = await tokenStack("older");
    const scopes = ["create_runner", "manage_runner", "read_api"] as const;
    accessToken = (await gitlab.createAccessToken({ scopes: [...scopes], role: "admin" })).token;
    await gitlab.setSettings({ registrationToken });
    own = await gitlab.createRunner({ description: "by hand", tags: ["older"] });
    await configure();
  });

  after(async () => {
    await stack?.attempt("destroy", "--yes", "--skip-preview");
    await stack?.remove();
    await gitlab.setSettings({});
    await gitlab.deleteRunner(own.id);
    rmSync(folder, { recursive: true, force: true });
  });

  /** Each kind of token, on no node (no pod of a runner is started); only the Job that registers runs. */
  async function configure(more: object = {}): Promise<void> {
    const nowhere = { nodeSelector: { older: "nowhere" } };
    const runners = [
      { name: "made", way: "dood", create: { type: "instance", ...more }, ...nowhere },
      { name: "verified", way: "dood", verify: true, ...nowhere },
      { name: "registered", way: "dood", register: {}, waitForNodes: false },
    ];
    stack.configure({ ...labConfig("older"), runners });
    await stack.secret("pi-runners:gitlab.accessToken", accessToken);
    await stack.secret("pi-runners:tokens.verified", own.token);
    await stack.secret("pi-runners:registrationTokens.registered", registrationToken);
  }

  const inGitlab = async () =>
    (await gitlab.runners())
      .filter(({ tags, origin }) => /^(made|registered)$/.test(tags.join()) && /^(api|registration)$/.test(origin))
      .map(({ id, origin, tokenPrefix }) => `${origin} ${id} ${tokenPrefix}`)
      .sort();

  const dynamic = /^pulumi-nodejs:dynamic/;

  async function state(...more: string[]): Promise<State> {
    const text = await stack.pulumi("stack", "export", ...more);
    return JSON.parse(text.slice(text.indexOf("{"))) as State;
  }

  it("are updated by today's program: the same runners with the same tokens, nothing replaced", async () => {
    await stack.inFolder(old, "up", "--yes", "--skip-preview");
    const before = await inGitlab();
    assert.equal(before.length, 2, before.join());
    const text = await stack.pulumi("preview", "--json");
    const { steps } = JSON.parse(text.slice(text.indexOf("{\n"))) as { steps: { op: string; urn: string }[] };
    const changed = steps.filter(
      ({ op, urn }) => op !== "same" && dynamic.test(urn.split("::")[2]!.split("$").at(-1)!),
    );
    assert.deepEqual(
      changed
        .map(({ op, urn }) => `${op} ${urn.split("::").slice(2).join(" ").split(":").at(-1)}`)
        .sort()
        .reverse(),
      ["update VerifiedToken verified", "update RegisteredRunner registered"],
      "newer code for the look at a token; what was registered is noted",
    );
    // The Job that registers holds nothing: it runs again when its script is another, and finds the runner registered.
    assert.deepEqual(
      steps.filter(({ op, urn }) => /replace|delete/.test(op) && !urn.endsWith("-register")).map(({ urn }) => urn),
      [],
    );
    await stack.pulumi("up", "--yes", "--skip-preview");
    assert.deepEqual(await inGitlab(), before);
    await stack.pulumi("up", "--yes", "--refresh", "--expect-no-changes");
  });

  it("are changed in place by today's program", async () => {
    const before = await inGitlab();
    await configure({ protected: true, maintenanceNote: "Rack 2" });
    await stack.pulumi("up", "--yes", "--skip-preview");
    assert.deepEqual(await inGitlab(), before);
    const made = (await gitlab.runners()).find(({ tags }) => tags.join() === "made")!;
    assert.deepEqual([made.accessLevel, made.maintenanceNote.split("\n")[0]], ["ref_protected", "Rack 2"]);
  });

  it("have no secret in the code that the state keeps of them, by either program", async () => {
    const { deployment } = await state("--show-secrets");
    const resources = deployment.resources.filter(({ type }) => dynamic.test(type));
    const code = resources.map(({ outputs }) => outputs?.__provider ?? "");
    assert.equal(code.length, 4);
    assert.ok(code.every((text) => text.includes("api/v4")));
    const values = resources.flatMap(({ inputs = {} }) => Object.entries(inputs as Record<string, unknown>));
    const secrets = values.filter(([key]) => /^(accessToken|token)$/.test(key)).map(([, value]) => String(value));
    assert.ok(secrets.length >= 4);
    stack.hide(...secrets.filter((secret) => secret.length >= 10));
    assert.deepEqual(
      secrets.filter((secret) => code.some((text) => text.includes(secret))),
      [],
    );
  });

  it("are deleted by today's program, also where that never updated them; what the stack did not make stays", async () => {
    await stack.pulumi("destroy", "--yes", "--skip-preview");
    assert.deepEqual(await inGitlab(), []);
    await configure();
    await stack.inFolder(old, "up", "--yes", "--skip-preview");
    assert.equal((await inGitlab()).length, 2);
    await stack.pulumi("destroy", "--yes", "--skip-preview");
    assert.deepEqual(await inGitlab(), []);
    assert.ok((await gitlab.runners()).some(({ id }) => id === own.id));
    assert.deepEqual(await stack.leaks(), []);
  });
});
