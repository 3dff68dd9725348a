import { local, remote, types } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { Stack } from "@pulumi/pulumi/automation";
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failure, removed, stackOf, stateText } from "./program";
import { type SshServer, sshServer } from "./sshServer";

const hidden = "never-to-be-seen-77b1";

describe("the command plugin", () => {
  let stack: Stack | undefined;
  let server: SshServer;
  let folder: string;
  let log: string;

  before(async () => {
    server = await sshServer("pi");
  });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "pi-runners-command-"));
    log = join(folder, "log");
  });

  afterEach(async () => {
    await removed(stack);
    stack = undefined;
    rmSync(folder, { recursive: true });
  });

  after(() => server.close());

  /** The words that commands wrote to the log, one a line. */
  const logged = () => readFileSync(log, "utf8").trim().split("\n");

  const connection = (): types.input.remote.ConnectionArgs => ({
    host: "127.0.0.1",
    port: server.port,
    user: "pi",
    privateKey: server.clientKey,
    hostKey: server.hostKey,
    dialErrorLimit: 1,
    perDialTimeout: 5,
  });

  /** A remote command that logs each step of its life, with its standard input. */
  async function life(args: () => Partial<remote.CommandArgs>): Promise<Stack> {
    const step = (name: string) => `echo ${name} $(cat) >> ${log}; echo done ${name}; echo warned >&2`;
    return stackOf("plugin-command", async () => {
      const command = new remote.Command("command", {
        connection: connection(),
        create: step("create"),
        update: step("update"),
        delete: step("delete"),
        addPreviousOutputInEnv: false,
        ...args(),
      });
      return { stdout: command.stdout, stderr: command.stderr };
    });
  }

  it("runs create once, update for a changed input, delete at the end", async () => {
    let stdin = "first";
    stack = await life(() => ({ stdin }));
    const { outputs } = await stack.up();
    assert.deepEqual([outputs.stdout!.value, outputs.stderr!.value], ["done create", "warned"]);
    await stack.up({ expectNoChanges: true });
    stdin = "second";
    assert.equal((await stack.up()).outputs.stdout!.value, "done update");
    await stack.destroy();
    assert.deepEqual(logged(), ["create first", "update second", "delete second"]);
  });

  it("replaces for a changed trigger: the new one is created before the old one is deleted", async () => {
    let trigger = 1;
    stack = await life(() => ({ triggers: [trigger], stdin: `${trigger}` }));
    await stack.up();
    trigger = 2;
    await stack.up();
    assert.deepEqual(logged(), ["create 1", "create 2", "delete 1"]);
  });

  it("shows the exit code and everything that a failed command wrote", async () => {
    stack = await life(() => ({ create: "echo out; echo err >&2; exit 3", delete: undefined }));
    const told = await failure(stack.up());
    for (const part of [/exited with status 3/, /running "echo out/, /\bout\b/, /\berr\b/]) {
      assert.match(told, part);
    }
  });

  it("never talks to a host of another key", async () => {
    const impostor = await sshServer("pi");
    const logins = impostor.logins();
    stack = await life(() => ({ connection: { ...connection(), port: impostor.port } }));
    assert.match(await failure(stack.up()), /after 1 failed attempts: ssh: handshake failed: ssh: host key mismatch/);
    assert.equal(impostor.logins(), logins);
    impostor.close();
  });

  it("goes through a proxy, whose key it checks too", async () => {
    const bastion = await sshServer("hop");
    let hostKey = bastion.hostKey;
    const proxy = () => ({ ...connection(), port: bastion.port, user: "hop", privateKey: bastion.clientKey, hostKey });
    stack = await life(() => ({ connection: { ...connection(), proxy: proxy() }, stdin: "hopped" }));
    await stack.up();
    assert.deepEqual([logged(), bastion.logins()], [["create hopped"], 1]);
    hostKey = server.hostKey;
    assert.match(
      await failure(stack.up()),
      /proxy: after 1 failed attempts: ssh: handshake failed: ssh: host key mismatch/,
    );
    hostKey = bastion.hostKey;
    await removed(stack);
    stack = undefined;
    bastion.close();
  });

  it("keeps the connection, the input and the output secret, in the preview and in the state", async () => {
    stack = await stackOf("plugin-command", async () => {
      const stdin = pulumi.secret(hidden);
      const options = { additionalSecretOutputs: ["stdout"] };
      new remote.Command("command", { connection: connection(), create: "cat", logging: "none", stdin }, options);
    });
    const { stdout } = await stack.preview({ diff: true });
    const up = await stack.up();
    for (const text of [stdout, up.stdout, await stateText(stack)]) {
      assert.ok(!text.includes(hidden), "the input shows");
      assert.ok(!text.includes("BEGIN OPENSSH PRIVATE KEY"), "the key shows");
    }
  });

  it("runs a command here, in previews too when it is asked by runOutput", async () => {
    stack = await stackOf("plugin-command", async () => {
      const seen = local.runOutput({ command: "echo $GREETING; pwd", dir: folder, environment: { GREETING: "hello" } });
      const made = new local.Command("made", { create: `echo made >> ${log}; cat ${log}`, stdin: "x" });
      return { seen: seen.stdout, made: made.stdout };
    });
    const { stdout } = await stack.preview();
    assert.match(stdout, /hello/);
    const { outputs } = await stack.up();
    assert.deepEqual([outputs.seen!.value, outputs.made!.value], [`hello\n${folder}`, "made"]);
  });
});
