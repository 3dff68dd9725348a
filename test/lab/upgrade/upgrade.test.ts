import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { checkout, environment, onNode, type Finished } from "../stack/lab";

/** The commit that people have deployed. */
const released = "9e7e48e";

/**
 * What the present program updates in a stack of that commit, by type, and why; with properties, those only. Nothing else
 * may change, and nothing that holds state. New is only what cleans nodes up, which does nothing until runners go, and the
 * runners' random ids, which only new runners use.
 */
const namedUpdates: Record<string, { why: string; properties?: RegExp }> = {
  "pulumi:pulumi:Stack": { why: "its outputs" },
  "pulumi:providers:kubernetes": {
    why: "its kubeconfig, as the stack file names it; it takes back what somebody changed by hand",
    properties: /^(kubeconfig|enablePatchForce)$/,
  },
  "pi-runners:index:DoodRunner": { why: "shows its settings" },
  "pi-runners:index:DindRunner": { why: "shows its settings" },
  "pi-runners:index:RegistryTrust": { why: "shows its registries by address" },
  "pi-runners:index:RunnerNamespace": { why: "shows how long its deletion may take" },
  "command:remote:Command": {
    why: "a newer program goes to the node, and finds nothing to do; what a removal warns of is shown",
    properties: /^(stdin|logging)$/,
  },
  "kubernetes:apps/v1:DaemonSet": {
    why: "pods are rolled once, each after its jobs: they see the socket's folder, the drain is bounded, folders are closed, a guard prunes",
    // Not the annotation with a random id: a deployed runner keeps its identity on every node.
    properties: /^spec\.template\.(?!metadata\.annotations)/,
  },
  "kubernetes:core/v1:Secret": {
    why: "config.toml, which the running runner reads again",
    properties: /^data\["config\.toml"\]$/,
  },
};

interface Step {
  op: string;
  urn: string;
  detailedDiff?: Record<string, unknown>;
}

interface Preview {
  steps: Step[];
  changeSummary: Record<string, number>;
}

const address = "10.77.0.0/16"; // trusted by this stack alone
const stack = "upgrade";

function isNamed({ op, urn, detailedDiff }: Step): boolean {
  if (op === "create") {
    return urn.includes("::pi-runners:index:RunnerCleanup") || urn.includes("random:index/randomId:RandomId::");
  }
  const named = namedUpdates[urn.split("::")[2]!.split("$").at(-1)!];
  const properties = Object.keys(detailedDiff ?? {});
  return op === "update" && named !== undefined && properties.every((path) => named.properties?.test(path) ?? true);
}

describe(`a stack that ${released} deployed`, function () {
  this.timeout(900_000);
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-upgrade-"));
  const old = join(folder, "old");
  const configFile = join(old, `Pulumi.${stack}.yaml`);
  let env: NodeJS.ProcessEnv;

  async function run(command: string, args: string[], cwd: string): Promise<Finished> {
    const { execa } = await import("execa"); // cannot be required: some of its dependencies are ESM only
    const result = await execa(command, args, { cwd, env, all: true, reject: false, stdin: "ignore" });
    return { code: result.exitCode ?? -1, output: result.all };
  }

  async function pulumi(cwd: string, ...args: string[]): Promise<string> {
    const given = [...args, "--non-interactive", "--stack", stack, "--config-file", configFile];
    const { code, output } = await run("pulumi", given, cwd);
    assert.equal(code, 0, `pulumi ${args.join(" ")}\n${output}`);
    return output;
  }

  before(async () => {
    env = {
      ...(await environment()),
      PULUMI_BACKEND_URL: `file://${folder}`,
      PULUMI_CONFIG_PASSPHRASE: "upgrade",
      SSH_AUTH_SOCK: "",
    };
    checkOut();
    const installed = await run("npm", ["ci", "--omit=dev", "--prefer-offline", "--no-audit", "--no-fund"], old);
    assert.equal(installed.code, 0, installed.output);
    writeFileSync(configFile, stringify({ config: stackFile() }));
    const made = await run("pulumi", ["stack", "init", stack, "--non-interactive"], old);
    assert.equal(made.code, 0, made.output);
    for (const name of ["dood", "dind", "dind-job", "dind-plain"]) {
      await pulumi(old, "config", "set", "--path", "--secret", `tokens.${name}`, `glrt-upgrade0123456789${name}`);
    }
    await pulumi(old, "up", "--yes", "--skip-preview");
  });

  after(async () => {
    try {
      if (existsSync(configFile)) {
        await pulumi(checkout, "destroy", "--yes", "--skip-preview");
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  /** The program as it was, in a folder of its own. */
  function checkOut(): void {
    const known = spawnSync("git", ["cat-file", "-e", `${released}^{commit}`], { cwd: checkout });
    assert.equal(
      known.status,
      0,
      `This test needs the history of the project, and commit ${released} is not in this clone. Run \`git fetch --unshallow\`; in CI set GIT_DEPTH to 0.`,
    );
    mkdirSync(old);
    const archive = execFileSync("git", ["archive", released], { cwd: checkout, maxBuffer: 1 << 28 });
    execFileSync("tar", ["-x", "-C", old], { input: archive });
    symlinkSync(realpathSync(join(checkout, ".lab")), join(old, ".lab"));
  }

  /** Every way to build, on no node (no pod is started), and trust on both nodes of the lab. */
  function stackFile(): Record<string, unknown> {
    const dev = parse(readFileSync(join(checkout, "Pulumi.dev.yaml"), "utf8")) as { config: Record<string, object> };
    const ways = ["dood", "dind", "dind-job", "dind-plain"];
    const config = {
      kubeconfig: ".lab/kubeconfig",
      namespace: "upgrade",
      gitlab: { url: "http://gitlab.lab:8929" },
      registries: [{ address, insecure: true }],
      hostAliases: { "gitlab.lab": "172.30.99.2" },
      ssh: {
        privateKeyFile: join(checkout, ".lab/id_ed25519"),
        knownHostsFile: join(checkout, ".lab/known_hosts"),
      },
      nodes: dev.config["pi-runners:nodes"],
      runnerDefaults: { nodeSelector: { upgrade: "nowhere" }, drainTimeout: 30 },
      runners: ways.map((way) => ({ name: way, way, ...(way === "dind-plain" && { allowTlsOff: true }) })),
    };
    return Object.fromEntries(Object.entries(config).map(([key, value]) => [`pi-runners:${key}`, value]));
  }

  it("is previewed with no replacement, and no update but the named ones", async () => {
    const output = await pulumi(checkout, "preview", "--json");
    const { steps, changeSummary } = JSON.parse(output.slice(output.indexOf("{\n"))) as Preview;
    const changes = steps.filter((step) => step.op !== "same" && !isNamed(step));
    assert.deepEqual(
      changes.map(({ op, urn, detailedDiff }) => `${op} ${urn} ${Object.keys(detailedDiff ?? {}).join(", ")}`),
      [],
    );
    const resources = Object.values(changeSummary).reduce((sum, count) => sum + count);
    assert.ok(resources > 25, `every resource was looked at: ${JSON.stringify(changeSummary)}`);
  });

  it("is updated, and destroyed, by the present program: nodes are left as they were", async () => {
    const trusted = (node: 1 | 2): Promise<string> => onNode(node, "docker info --format '{{json .RegistryConfig}}'");
    assert.match(await trusted(1), /10\.77\.0\.0/);
    await pulumi(checkout, "up", "--yes", "--skip-preview");
    assert.match(await trusted(1), /10\.77\.0\.0/);
    await pulumi(checkout, "up", "--yes", "--expect-no-changes");
    await pulumi(checkout, "destroy", "--yes", "--skip-preview");
    for (const node of [1, 2] as const) {
      assert.doesNotMatch(await trusted(node), /10\.77\.0\.0/);
    }
  });
});
