import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cluster, eventually, onNode, up } from "../lab/stack/lab";
import { teamStack, type TeamConfig, type TeamStack } from "./teamStack";

/** docs/merge-requests.md, "When an update is interrupted". */
describe("an update of a stack", function () {
  this.timeout(600_000);
  let team: TeamStack;

  before(async () => {
    await up();
    team = await teamStack("cut");
  });
  after(() => team?.remove());

  /** Starts an update in a process group of its own. */
  function started(): { killed: () => Promise<void>; ended: Promise<unknown[]> } {
    const args = ["up", "--yes", "--skip-preview", "--non-interactive", "--stack", team.name];
    const env = { ...process.env, ...team.env };
    const child = spawn("pulumi", args, { cwd: team.folder, env, detached: true, stdio: "ignore" });
    const ended = once(child, "close");
    const killed = async (): Promise<void> => {
      process.kill(-child.pid!, "SIGKILL");
      await ended;
    };
    return { killed, ended };
  }

  const reached = (what: string, look: () => Promise<unknown>): Promise<unknown> =>
    eventually(what, 120, () => look().catch(() => undefined));

  const namespaceIsThere = (): Promise<unknown> => cluster().readNamespace({ name: team.namespace });

  async function must(...args: string[]): Promise<string> {
    const { code, output } = await team.pulumi(...args);
    assert.equal(code, 0, output);
    return output;
  }

  it("keeps a second one out, which is told who is at it", async () => {
    team.write(onNodes);
    const first = started();
    await reached("the first update makes objects", namespaceIsThere);
    const second = await team.pulumi("up", "--yes", "--skip-preview");
    assert.notEqual(second.code, 0);
    assert.match(second.output, /the stack is currently locked by 1 lock[^]*created by \S+@\S+ \(pid \d+\) at /);
    const [code] = await first.ended;
    assert.equal(code, 0);
  });

  it("that was killed while it changed a stack is healed by pulumi cancel and pulumi up", async () => {
    team.write((config) => {
      onNodes(config);
      config["pi-runners:runners"][0]!.concurrent = 4;
      config["pi-runners:registries"].push({ address: "cut.lab:5000", insecure: true });
    });
    const first = started();
    await reached(
      "a node has the new registry",
      async () => (await onNode(1, "cat /etc/docker/daemon.json")).includes("cut.lab:5000") || undefined,
    );
    await first.killed();
    assert.match((await team.pulumi("up", "--yes", "--skip-preview")).output, /locked by 1 lock/);
    await must("cancel", "--yes");
    await must("up", "--yes", "--skip-preview", "--refresh", "--run-program");
    await must("preview", "--expect-no-changes");
    for (const number of [1, 2] as const) {
      assert.match(await onNode(number, "cat /etc/docker/daemon.json"), /cut\.lab:5000/);
    }
    const secret = await cluster().readNamespacedSecret({ name: "cut-config", namespace: team.namespace });
    assert.match(Buffer.from(secret.data!["config.toml"]!, "base64").toString(), /^concurrent = 4$/m);
  });

  it("that was killed while it made a stack is healed once what it made is removed", async () => {
    await must("destroy", "--yes", "--skip-preview");
    const first = started();
    await reached("there is a namespace", namespaceIsThere);
    await first.killed();
    await must("cancel", "--yes");
    const again = await team.pulumi("up", "--yes", "--skip-preview", "--refresh", "--run-program");
    if (again.code !== 0) {
      // What Pulumi had made, and not yet noted.
      assert.match(again.output, /already exists/);
      await cluster().deleteNamespace({ name: team.namespace });
      await reached("the namespace is gone", async () =>
        namespaceIsThere().then(
          () => undefined,
          () => true,
        ),
      );
      await must("up", "--yes", "--skip-preview", "--refresh", "--run-program");
    }
    await must("preview", "--expect-no-changes");
  });
});

function onNodes(config: TeamConfig): void {
  config["pi-runners:nodes"] = [1, 2].map((number) => ({ name: `node${number}`, host: `172.30.99.${10 + number}` }));
}
