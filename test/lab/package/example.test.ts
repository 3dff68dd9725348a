import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkout, environment, type Finished } from "../stack/lab";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
const token = "glrt-0123456789abcdefghij";

/** A user's way: the packed tarball, installed into a project of theirs that lies elsewhere. */
describe("a program outside the package", function () {
  this.timeout(600_000);
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-example-"));
  const project = join(folder, "project");
  let env: NodeJS.ProcessEnv;

  async function run(command: string, args: string[], cwd: string): Promise<Finished> {
    const { execa } = await import("execa"); // cannot be required: some of its dependencies are ESM only
    const result = await execa(command, args, { cwd, env, all: true, reject: false, stdin: "ignore" });
    return { code: result.exitCode ?? -1, output: result.all };
  }

  async function ok(command: string, args: string[], cwd = project): Promise<string> {
    const { code, output } = await run(command, args, cwd);
    assert.equal(code, 0, `${command} ${args.join(" ")}\n${output}`);
    return output;
  }

  before(async () => {
    env = {
      ...(await environment()),
      PULUMI_BACKEND_URL: `file://${folder}`,
      PULUMI_CONFIG_PASSPHRASE: "test",
      SSH_AUTH_SOCK: "",
    };
    const packed = await ok("npm", ["pack", "--silent", "--pack-destination", folder], checkout);
    cpSync(join(checkout, "examples/components"), project, { recursive: true });
    await ok("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", join(folder, packed.trim())]);
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it("passes the type checks of its own TypeScript", async () => {
    await ok("npx", ["--no-install", "tsc", "--noEmit"]);
  });

  it("is previewed by Pulumi: every component with its children, and no token", async () => {
    await ok("pulumi", ["stack", "init", "test", "--non-interactive"]);
    await ok("pulumi", ["config", "set", "--secret", "runnerToken", token]);
    await ok("pulumi", ["config", "set", "--path", "nodes[0].name", "node1"]);
    await ok("pulumi", ["config", "set", "--path", "nodes[0].host", "172.30.99.11"]);
    await ok("pulumi", ["config", "set", "--path", "nodes[0].hostKey", hostKey]);
    const text = await ok("pulumi", ["preview", "--json", "--non-interactive"]);
    const { steps } = JSON.parse(text.slice(text.indexOf("{\n"))) as { steps: { op: string; urn: string }[] };
    const made = steps.filter(({ op }) => op === "create").map(({ urn }) => urn.split("::").slice(2).join(" "));
    for (const [component, child] of [
      ["RunnerNamespace", "kubernetes:core/v1:Namespace gitlab-runners"],
      ["DoodRunner", "kubernetes:apps/v1:DaemonSet dood"],
      ["DindRunner", "kubernetes:core/v1:ConfigMap dind-inner-daemon"],
      ["RegistryTrust", "command:remote:Command registries-node1"],
    ]) {
      assert.ok(made.includes(`pi-runners:index:${component}$${child}`), `${child} is missing:\n${made.join("\n")}`);
    }
    assert.ok(!text.includes(token.slice(0, 12)), "the preview shows the token");
  });

  it("is told of a wrong setting by the message that a stack file gets", async () => {
    const wrong = await run("pulumi", ["preview", "--non-interactive", "--config", "gitlabUrl=gitlab.lan"], project);
    assert.notEqual(wrong.code, 0);
    assert.match(wrong.output, /url: "gitlab\.lan" is no http or https address; write such as https:\/\/gitlab\.lan/);
  });
});
