import { local } from "@pulumi/command";
import * as auto from "@pulumi/pulumi/automation/index.js";
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import "../../inlinePrograms";
import { toolchain } from "../../../lab/stack/stack";
import { RegistryTrust, type RegistryTrustArgs, type TrustNode } from "../../../components";
import { plain } from "./host";
import { patience, trustLab, type TrustLab } from "./lab";

const checkout = resolve(__dirname, "../../..");

let lab: TrustLab;
let folder: string;
let env: Record<string, string>;

describe("registry trust: by Pulumi", () => {
  before(async function () {
    this.timeout(patience);
    lab = await trustLab(4);
    ({ env } = await toolchain(lab.engine, () => undefined));
    process.env.PATH = env.PATH; // where the Automation API looks for pulumi
  });

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "pi-runners-pulumi-"));
    await Promise.all(lab.hosts.map((host) => host.reset()));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  describe("RegistryTrust through Pulumi", function () {
    it("up, up again without changes, another registry in the preview, destroy restores", async () => {
      const args = { nodes: nodes(4), registries: [plain] };
      await lab.hosts[0]!.write('{"debug": false}');
      const first = await up(args);
      assert.equal(first.summary.resourceChanges?.create, 6);
      await Promise.all(lab.hosts.map(async (host) => assert.deepEqual(await host.insecure(), [plain.address])));
      const report = first.outputs.report!.value as Record<string, { engines: { how: string }[]; facts: object }>;
      assert.deepEqual(Object.keys(report), ["a", "b", "c", "d"]);
      assert.equal(report.a!.engines[0]!.how, "reload");

      const traces = await Promise.all(lab.hosts.map((host) => host.traces()));
      const second = await up(args, { expectNoChanges: true });
      assert.deepEqual(Object.keys(second.summary.resourceChanges ?? {}), ["same"]);
      assert.deepEqual(await Promise.all(lab.hosts.map((host) => host.traces())), traces);

      const preview = await (
        await stack({ ...args, registries: [plain, { address: "10.9.0.0/16", insecure: true }] })
      ).preview({ diff: true });
      assert.match(preview.stdout, /\+\s+10\.9\.0\.0\/16\s*: "insecure"/);
      assert.equal(preview.changeSummary.update, 5);

      await (await stack(args)).destroy();
      await Promise.all(lab.hosts.map(async (host) => assert.deepEqual(await host.insecure(), [])));
      assert.equal(await lab.hosts[0]!.file(), '{"debug": false}');
      assert.equal(await lab.hosts[1]!.file(), undefined);
    });

    it("a user with a sudo password: it works, and neither state nor output ever shows the password", async () => {
      const login = { user: "piask", sudoPassword: "raspberry" };
      const result = await up({ nodes: nodes(1).map((node) => ({ ...node, ...login })), registries: [plain] });
      assert.deepEqual(await lab.hosts[0]!.insecure(), [plain.address]);
      const state = readFileSync(join(folder, ".pulumi/stacks/trust-test/dev.json"), "utf8");
      assert.match(state, /trust-a/);
      for (const text of [state, result.stdout, result.stderr]) {
        assert.ok(!text.includes("raspberry"), "the password is shown");
        assert.ok(!text.includes("PRIVATE KEY-----"), "the key is shown");
      }
    });

    it("a dead node is named, and every other node is finished", async () => {
      const dead: TrustNode = { ...nodes(1)[0]!, name: "dead", host: "172.30.99.249", hostKey: hostKeyOf(0) };
      const [canary, ...rest] = nodes(4);
      const started = Date.now();
      const failure = await failed({ nodes: [canary!, dead, ...rest], registries: [plain], rollout: { batchSize: 2 } });
      assert.match(failure, /trust-dead/);
      assert.match(failure, /172\.30\.99\.249/);
      await Promise.all(lab.hosts.map(async (host) => assert.deepEqual(await host.insecure(), [plain.address])));
      assert.ok(Date.now() - started < 40_000, "the dead node delayed the others");
    });

    it("a wrong host key is never talked to", async () => {
      const wrong = { ...nodes(1)[0]!, hostKey: hostKeyOf(1) };
      const before = await lab.hosts[0]!.traces();
      const since = await lab.hosts[0]!.ok("date +%s");
      const failure = await failed({ nodes: [wrong], registries: [plain] });
      assert.match(failure, /host key mismatch/);
      assert.equal(await lab.hosts[0]!.traces(), before);
      const log = await lab.hosts[0]!.ok(`journalctl -u ssh --since @${since} -o cat --no-pager; true`);
      assert.ok(!/Accepted/.test(log), log);
    });

    it("an unknown host key is refused before anything is touched, and the way out is shown", async () => {
      const empty = join(folder, "known_hosts");
      writeFileSync(empty, "");
      const failure = await failed({
        nodes: nodes(2),
        registries: [plain],
        ssh: { privateKeyFile: lab.ssh.privateKeyFile, knownHostsFile: empty },
      });
      assert.match(failure, /nodes\[0\]\.hostKey: the host key of node a .*ssh-keyscan -t ed25519 172\.30\.99\./s);
      assert.match(failure, /node b/);
      assert.equal(await lab.hosts[0]!.file(), undefined);
    });

    it("a failing canary leaves all others untouched", async () => {
      await lab.hosts[0]!.write("{broken");
      const before = await Promise.all(lab.hosts.map((host) => host.traces()));
      for (const continueOnError of [false, true]) {
        const failure = await failed({ nodes: nodes(4), registries: [plain] }, continueOnError);
        assert.match(failure, /cannot be edited safely/);
        assert.match(failure, /where: node a, step read/);
        assert.match(failure, /what to do: /);
      }
      assert.deepEqual(await Promise.all(lab.hosts.map((host) => host.traces())), before);
    });

    it("too many failures: the batches that were not begun stay untouched", async () => {
      await lab.hosts[1]!.write("{broken");
      await lab.hosts[2]!.write("{broken");
      const args = { nodes: nodes(4), registries: [plain], rollout: { batchSize: 2, maxFailures: 1 } };
      const failure = await failed(args, true);
      assert.match(failure, /More than 1 failed \(b, c\): node d was not touched/);
      assert.deepEqual(await lab.hosts[0]!.insecure(), [plain.address]);
      assert.deepEqual(await lab.hosts[3]!.insecure(), []);
      assert.equal(await lab.hosts[3]!.file(), undefined);
    });

    it("a node that was gone is finished by the next up", async () => {
      await lab.hosts[3]!.ok("systemctl stop ssh.socket ssh.service");
      try {
        assert.match(await failed({ nodes: nodes(4), registries: [plain] }, true), /trust-d/);
      } finally {
        await lab.hosts[3]!.ok("systemctl start ssh.service");
      }
      await up({ nodes: nodes(4), registries: [plain] });
      assert.deepEqual(await lab.hosts[3]!.insecure(), [plain.address]);
    });

    it("a dead node can be left out of a destroy (retain), and the others are restored", async () => {
      const list = nodes(2);
      await up({ nodes: list, registries: [plain] });
      await up({ nodes: [list[0]!, { ...list[1]!, retain: true }], registries: [plain] });
      await (await stack({ nodes: [], registries: [] })).destroy();
      assert.deepEqual(await lab.hosts[0]!.insecure(), []);
      assert.deepEqual(await lab.hosts[1]!.insecure(), [plain.address]);
    });

    it("two stacks on one node: the first one's destroy leaves the second one's registry", async () => {
      const other = { address: "10.9.0.0/16", insecure: true };
      await up({ nodes: nodes(1), registries: [plain] }, {}, "one");
      await up({ nodes: nodes(1), registries: [plain, other] }, {}, "two");
      await (await stack({ nodes: [], registries: [] }, "one")).destroy();
      assert.deepEqual(await lab.hosts[0]!.insecure(), [other.address, plain.address]);
      await (await stack({ nodes: [], registries: [] }, "two")).destroy();
      assert.deepEqual(await lab.hosts[0]!.insecure(), []);
    });

    it("--target of one node does not wait for those that are left out", async () => {
      const component = "urn:pulumi:dev::trust-test::pi-runners:index:RegistryTrust";
      await up(
        { nodes: nodes(3), registries: [plain] },
        { target: [`${component}::trust`, `${component}$command:remote:Command::trust-b`] },
      );
      assert.deepEqual(await lab.hosts[0]!.insecure(), []);
      assert.deepEqual(await lab.hosts[1]!.insecure(), [plain.address]);
    });

    it("a preview that looks at the nodes shows what differs, and a dead one as a warning", async () => {
      const dead: TrustNode = { name: "dead", host: "172.30.99.249", hostKey: hostKeyOf(0) };
      await up({ nodes: nodes(2), registries: [plain] });
      await lab.hosts[1]!.write("{}");
      const traces = await lab.hosts[1]!.traces();
      const lines: string[] = [];
      const keep = (text: string): unknown => lines.push(text);
      const looking = await stack({ nodes: [...nodes(2), dead], registries: [plain], probe: true });
      await looking.preview({ diff: true, onOutput: keep, onError: keep });
      const text = lines.join("");
      assert.match(text, /node a: as the stack wants it/);
      assert.match(text, /node b: differs\s+\+ docker: \/etc\/docker\/daemon\.json: registry\.lab:5000/);
      assert.match(text, /warning: .*node dead \(172\.30\.99\.249\) could not be looked at/);
      assert.equal(await lab.hosts[1]!.traces(), traces);
      await up({ nodes: nodes(2), registries: [plain], reapply: "now" });
      assert.match((await lab.hosts[1]!.file())!, /registry\.lab/);
    });

    it("through a bastion: up, a look while previewing, destroy; the node sees only the bastion", async () => {
      const [target, jump] = lab.nodes;
      const bastion = { host: jump!.address, user: "root" };
      const args = { nodes: nodes(1), registries: [plain], ssh: { ...lab.ssh, bastion } };
      const since = await lab.hosts[0]!.ok("date +%s");
      await up(args);
      assert.deepEqual(await lab.hosts[0]!.insecure(), [plain.address]);
      const lines: string[] = [];
      await (await stack({ ...args, probe: true })).preview({ onOutput: (text) => lines.push(text) });
      assert.match(lines.join(""), /node a: as the stack wants it/);
      await (await stack(args)).destroy();
      assert.deepEqual(await lab.hosts[0]!.insecure(), []);
      const log = await lab.hosts[0]!.ok(`journalctl -u ssh -o cat --no-pager --since @${since}; true`);
      const origins = [...log.matchAll(/Accepted publickey for root from (\S+)/g)].map((found) => found[1]);
      assert.deepEqual([...new Set(origins)], [jump!.address], `${target!.address}: ${log}`);
      assert.equal(origins.length, 3);
    });

    it("a bastion that shows another key is not gone through", async () => {
      const bastion = { host: lab.nodes[1]!.address, hostKey: hostKeyOf(2) };
      const failure = await failed({ nodes: nodes(1), registries: [plain], ssh: { ...lab.ssh, bastion } });
      assert.match(failure, /host key mismatch/);
      assert.equal(await lab.hosts[0]!.file(), undefined);
    });

    it("an address that the same update finds out: not looked at before, then known hosts decide as ever", async () => {
      const made = (address: string) => (): RegistryTrustArgs => {
        const host = new local.Command("address", { create: `printf ${address}` }).stdout;
        return { nodes: [{ name: "a", host }], registries: [plain], probe: true };
      };
      const lines: string[] = [];
      await (await stack(made(lab.nodes[0]!.address))).preview({ onOutput: (text) => lines.push(text) });
      assert.match(lines.join(""), /node a: depends on what this update makes first/);
      await up(made(lab.nodes[0]!.address));
      assert.deepEqual(await lab.hosts[0]!.insecure(), [plain.address]);
      await (await stack({ nodes: [], registries: [] })).destroy();
      const failure = await failed(made("172.30.99.249"));
      assert.match(failure, /the host key of node a \(172\.30\.99\.249, port 22\) is not in/);
    });

    it("with an SSH agent no key is in the state", async () => {
      const socket = join(folder, "agent");
      const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
      try {
        while (!existsSync(socket)) {
          await sleep(20);
        }
        execFileSync("ssh-add", ["-q", lab.ssh.privateKeyFile], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
        const { knownHostsFile } = lab.ssh;
        const args = { nodes: nodes(1), registries: [plain], ssh: { agentSocket: socket, knownHostsFile } };
        await up(args);
        assert.deepEqual(await lab.hosts[0]!.insecure(), [plain.address]);
        const state = readFileSync(join(folder, ".pulumi/stacks/trust-test/dev.json"), "utf8");
        assert.doesNotMatch(state, /"privateKey"/);
        await (await stack(args)).destroy();
        assert.deepEqual(await lab.hosts[0]!.insecure(), []);
      } finally {
        agent.kill();
      }
    });

    it("registries in another order are no change [8.23]", async () => {
      const registries = [plain, { address: "10.9.0.0/16", insecure: true }];
      await up({ nodes: nodes(1), registries });
      const again = await up({ nodes: nodes(1), registries: [...registries].reverse() }, { expectNoChanges: true });
      assert.deepEqual(Object.keys(again.summary.resourceChanges ?? {}), ["same"]);
    });

    for (const given of ["list", "pulumi.output(Promise.resolve(list))"]) {
      it(`an error of the preview is told once, without stack trace: ${given} [8.23]`, async () => {
        const lines: string[] = [];
        const keep = (text: string): unknown => lines.push(text);
        const wrong = await programOf(`
          const list = [{ address: "nas", insecure: true }];
          const nodes = ${JSON.stringify(nodes(2))};
          const trust = new RegistryTrust("trust", { nodes, registries: ${given}, ssh: ${JSON.stringify(lab.ssh)}, probe: true });
          module.exports = { report: trust.report };`);
        await assert.rejects(wrong.preview({ onOutput: keep, onError: keep }));
        const text = lines.join("");
        assert.match(text, /registries\[0\]\.address: "nas" has neither dot nor port.*write "nas:80"/);
        assert.equal(text.match(/neither dot nor port/g)!.length, 1, text);
        assert.doesNotMatch(text, /unhandled|\.[jt]s:\d+/i);
        if (given === "list") {
          // An output that fails is awaited late by Pulumi's own registration of the children, of which Node.js warns.
          assert.doesNotMatch(text, /PromiseRejectionHandledWarning/);
        }
      });
    }

    it("a host key that changed: destroy fails and names it, up with the new one and destroy again help [8.23]", async () => {
      await up({ nodes: nodes(1), registries: [plain] });
      const own = "/etc/ssh/sshd_config.d/lab.conf";
      await lab.hosts[0]!.ok(
        `cp ${own} /root/lab.conf && rm -f /root/other && ssh-keygen -q -t ed25519 -N '' -f /root/other`,
      );
      try {
        await lab.hosts[0]!.ok(`sed -i 's,^HostKey .*,HostKey /root/other,' ${own} && systemctl restart ssh`);
        const lines: string[] = [];
        const keep = (text: string): unknown => lines.push(text);
        await assert.rejects((await stack({ nodes: [], registries: [] })).destroy({ onOutput: keep, onError: keep }));
        assert.match(lines.join(""), /host key mismatch/);
        assert.deepEqual(await lab.hosts[0]!.insecure(), [plain.address]);
        const hostKey = await lab.hosts[0]!.ok("cat /root/other.pub");
        await up({ nodes: nodes(1).map((node) => ({ ...node, hostKey })), registries: [plain] });
        await (await stack({ nodes: [], registries: [] })).destroy();
        assert.deepEqual(await lab.hosts[0]!.insecure(), []);
      } finally {
        await lab.hosts[0]!.ok(`cp /root/lab.conf ${own} && systemctl restart ssh`);
      }
    });

    it("a first up that is killed leaves a node that takes itself back; destroy finds nothing to do [8.20]", async () => {
      const [host] = lab.hosts;
      await host!.write('{"debug": false}');
      const since = await host!.ok("date +%s");
      // Holds the node's lock, so that the run is in its middle when the other end goes.
      const held = "mkdir -p /var/lib/pi-runners/trust && exec flock /var/lib/pi-runners/trust/lock sleep 8";
      await host!.ok(`systemd-run -q --unit=held sh -c '${held}'`);
      const killed = up({ nodes: nodes(1), registries: [plain] }).then(
        () => assert.fail("it was not killed"),
        () => undefined,
      );
      await until(() => running(host!));
      for (const pid of descendants(/^pulumi(-resource)?$/)) {
        process.kill(pid, "SIGKILL");
      }
      await killed;
      await until(async () => !(await running(host!)));
      const log = await host!.ok(`journalctl -u docker -o cat --no-pager --since @${since}`);
      assert.match(log, /Got signal to reload configuration/, "the run had not begun");
      assert.deepEqual(await host!.insecure(), []);
      assert.equal(await host!.file(), '{"debug": false}');
      await (await stack({ nodes: [], registries: [] })).cancel().catch(() => undefined);
      await (await stack({ nodes: [], registries: [] })).destroy();
      assert.equal(await host!.ok("ls -A /var/lib/pi-runners/trust | grep -v lock; true"), "");
    });

    it("what a removal warns of is shown [8.21]", async () => {
      await up({ nodes: nodes(1), registries: [plain] });
      await lab.hosts[0]!.ok("systemctl stop docker.socket docker; systemctl mask docker.socket docker");
      try {
        const lines: string[] = [];
        const keep = (text: string): unknown => lines.push(text);
        await (await stack({ nodes: [], registries: [] })).destroy({ onOutput: keep, onError: keep }).catch(keep);
        assert.match(lines.join(""), /warning: /);
      } finally {
        await lab.hosts[0]!.ok("systemctl unmask docker.socket docker; systemctl start docker.socket docker");
      }
    });

    it("one SSH connection per node and apply", async () => {
      const since = await lab.hosts[0]!.ok("date +%s");
      await up({ nodes: nodes(1), registries: [plain] });
      const log = await lab.hosts[0]!.ok(`journalctl -u ssh -o cat --no-pager --since @${since}; true`);
      assert.equal((log.match(/Accepted publickey/g) ?? []).length, 1, log);
    });

    it("a node renamed in the stack file stays trusted", async () => {
      await up({ nodes: nodes(1), registries: [plain] });
      await up({ nodes: nodes(1).map((node) => ({ ...node, name: "renamed" })), registries: [plain] });
      assert.deepEqual(await lab.hosts[0]!.insecure(), [plain.address]);
      assert.equal(await lab.hosts[0]!.file().then((text) => text?.match(/registry\.lab/g)?.length), 1);
    });
  });

  /** Whether a run of the program is under way on a node. */
  async function running(host: TrustLab["hosts"][0]): Promise<boolean> {
    return (await host.ok("pgrep -fc '[p]ython3 -I -S -c' || true")) !== "0";
  }

  async function until(holds: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + 60_000; !(await holds()); await sleep(200)) {
      assert.ok(Date.now() < end, "it did not come about within a minute");
    }
  }

  /** Processes below this one that have such a name. */
  function descendants(name: RegExp, of = process.pid): number[] {
    const lines = execFileSync("ps", ["-eo", "pid=,ppid=,comm="], { encoding: "utf8" }).trim().split("\n");
    const all = lines.map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line)!.slice(1) as [string, string, string]);
    const below = (parent: number): typeof all =>
      all.filter(([, ppid]) => Number(ppid) === parent).flatMap((one) => [one, ...below(Number(one[0]))]);
    return below(of).flatMap(([pid, , comm]) => (name.test(comm.slice(0, 15)) ? [Number(pid)] : []));
  }

  function nodes(count: number): TrustNode[] {
    return lab.nodes.slice(0, count).map((node, index) => ({ name: "abcd"[index]!, host: node.address }));
  }

  function hostKeyOf(index: number): string {
    const line = readFileSync(lab.ssh.knownHostsFile, "utf8")
      .split("\n")
      .find((one) => one.startsWith(`${lab.nodes[index]!.address},`));
    return line!.split(" ").slice(1, 3).join(" ");
  }

  /** A stack whose program Pulumi's own language host runs, in a process of its own. */
  async function programOf(source: string): Promise<auto.Stack> {
    const workDir = mkdtempSync(join(folder, "program-"));
    const start = [
      `const here = require("node:module").createRequire(${JSON.stringify(join(checkout, "index.ts"))});`,
      'here("tsx/cjs");',
      'const pulumi = here("@pulumi/pulumi");',
      'const { RegistryTrust } = here("./components/index.ts");',
    ];
    const project = "name: alone\nmain: start.cjs\nruntime: { name: nodejs, options: { typescript: false } }\n";
    writeFileSync(join(workDir, "Pulumi.yaml"), project);
    writeFileSync(join(workDir, "start.cjs"), [...start, source].join("\n"));
    symlinkSync(join(checkout, "node_modules"), join(workDir, "node_modules"));
    const envVars = { ...env, PULUMI_BACKEND_URL: `file://${folder}` };
    return auto.LocalWorkspace.createOrSelectStack({ stackName: "dev", workDir }, { envVars });
  }

  /** What a program gives RegistryTrust: as it is, or made by the program's other resources. */
  type Args = RegistryTrustArgs | (() => RegistryTrustArgs);

  async function stack(given: Args, name = "dev"): Promise<auto.Stack> {
    const program = async (): Promise<Record<string, unknown>> => {
      const args = typeof given === "function" ? given() : given;
      if (args.nodes.length === 0) {
        return {};
      }
      const trust = new RegistryTrust("trust", { ssh: lab.ssh, ...args });
      return { report: trust.report };
    };
    return auto.LocalWorkspace.createOrSelectStack(
      { stackName: name, projectName: "trust-test", program },
      { workDir: folder, envVars: { ...env, PULUMI_BACKEND_URL: `file://${folder}` } },
    );
  }

  async function up(args: Args, options: auto.UpOptions = {}, name = "dev"): Promise<auto.UpResult> {
    return (await stack(args, name)).up(options);
  }

  /** An update that must fail; all that it printed. */
  async function failed(args: Args, continueOnError = false): Promise<string> {
    const lines: string[] = [];
    const onOutput = (text: string): unknown => lines.push(text);
    const selected = await stack(args);
    await assert.rejects(selected.up({ continueOnError, onOutput, onError: onOutput }));
    return lines.join("");
  }
});
