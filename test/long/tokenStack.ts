/** A stack of its own beside stack dev, and a watch over every place where a token must not be seen. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { checkout, cluster, environment, gitlab, onNode, run, type Finished } from "../lab/stack/lab";

export interface TokenStack {
  namespace: string;
  /** Runs Pulumi on the stack; a failure fails the test with what it printed. */
  pulumi(...args: string[]): Promise<string>;
  /** The same with the program of another folder. */
  inFolder(folder: string, ...args: string[]): Promise<string>;
  /** Runs Pulumi on the stack, and gives what came of it. */
  attempt(...args: string[]): Promise<Finished>;
  /** Writes the stack file; secrets are set by `secret`. */
  configure(config: Record<string, unknown>): void;
  secret(path: string, value: string): Promise<void>;
  /** Texts that must be seen nowhere, from now on. */
  hide(...secrets: string[]): void;
  /** The token in a runner's config.toml as the cluster has it; hidden from now on. */
  token(runner: string): Promise<string>;
  /** Previews the stack file as it is now for a merge request; note, files and log are searched for what is hidden. */
  report(): Promise<string>;
  /** Looks at one more text, such as the log of a job. */
  saw(where: string, text: string): void;
  /**
   * Where a hidden text was seen: in what Pulumi printed, in process lists, in the state, in events, in the logs and objects of
   * the stack's pods, in the journals of the nodes, in GitLab's descriptions and maintenance notes, in what `report` wrote.
   */
  leaks(): Promise<string[]>;
  remove(): Promise<void>;
}

/** What every stack on the lab says. */
export function labConfig(namespace: string): Record<string, unknown> {
  const dev = (parse(readFileSync(join(checkout, "Pulumi.dev.yaml"), "utf8")) as { config: Record<string, object> })
    .config;
  return {
    kubeconfig: ".lab/kubeconfig",
    namespace,
    gitlab: { url: "http://gitlab.lab:8929" },
    registries: dev["pi-runners:registries"],
    hostAliases: dev["pi-runners:hostAliases"],
    runnerDefaults: dev["pi-runners:runnerDefaults"],
  };
}

export async function tokenStack(name: string): Promise<TokenStack> {
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-tokens-"));
  const file = join(folder, `Pulumi.${name}.yaml`);
  const env = {
    ...(await environment()),
    PULUMI_BACKEND_URL: `file://${folder}`,
    PULUMI_CONFIG_PASSPHRASE: "passphrase of a test",
  };
  const hidden = new Set<string>();
  const printed: string[] = [];
  const seen: string[] = [];
  const texts: [where: string, text: string][] = [];

  /** What every process on this machine was started with. */
  function look(): void {
    for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        seen.push(
          ...[...hidden].filter((secret) => words.includes(secret)).map(() => `process list: ${words.slice(0, 60)}`),
        );
      } catch {
        // It has ended.
      }
    }
  }

  const attempt = (...args: string[]): Promise<Finished> => attemptIn(checkout, args);

  async function attemptIn(cwd: string, args: string[]): Promise<Finished> {
    const { execa } = await import("execa"); // cannot be required: some of its dependencies are ESM only
    const reads = ["up", "preview", "destroy", "refresh", "config"].includes(args[0]!) ? ["--config-file", file] : [];
    const given = [...args, "--non-interactive", "--stack", name, ...reads];
    const watch = setInterval(look, 500);
    const result = await execa("pulumi", given, { cwd, env, all: true, reject: false, stdin: "ignore" });
    clearInterval(watch);
    printed.push(args.includes("--show-secrets") ? "" : result.all);
    if (args[0] === "config") {
      keep();
    }
    texts.push(...(await inNamespace(name)), ["GitLab's notes", JSON.stringify(await gitlab.runners())]);
    return { code: result.exitCode ?? -1, output: result.all };
  }

  const pulumi = (...args: string[]): Promise<string> => inFolder(checkout, ...args);

  async function inFolder(cwd: string, ...args: string[]): Promise<string> {
    const { code, output } = await attemptIn(cwd, args);
    if (code !== 0) {
      throw new Error(`pulumi ${args.join(" ")}\n${output}`);
    }
    return output;
  }

  let kept: Record<string, unknown> = {};

  const stack: TokenStack = {
    namespace: name,
    pulumi,
    inFolder,
    attempt,
    configure(config) {
      const own = Object.entries(config).map(([key, value]) => [`pi-runners:${key}`, value]);
      const file_ = readStack();
      const secrets = { "pi-runners:tokens": undefined, "pi-runners:registrationTokens": undefined, ...kept };
      writeFileSync(file, stringify({ ...file_, config: { ...Object.fromEntries(own), ...defined(secrets) } }));
    },
    async secret(path, value) {
      hidden.add(value);
      const { execa } = await import("execa");
      const args = ["config", "set", "--path", "--secret", path, "--stack", name, "--config-file", file];
      await execa("pulumi", args, { cwd: checkout, env, input: value });
      keep();
    },
    hide: (...secrets) => secrets.forEach((secret) => hidden.add(secret)),
    async token(runner) {
      const secret = await cluster().readNamespacedSecret({ namespace: name, name: `${runner}-config` });
      const config = Buffer.from(secret.data!["config.toml"]!, "base64").toString();
      const token = /token = "([^"]+)"/.exec(config)![1]!;
      hidden.add(token);
      return token;
    },
    async report() {
      const out = join(folder, "report");
      const args = ["ci/preview.ts", "--stack", name, "--config-file", file, "--out", out];
      const { code, output } = await run("tsx", args, env);
      assert.ok(code === 0 || code === 2, output);
      const written = readdirSync(out).map((one) => readFileSync(join(out, one), "utf8"));
      rmSync(out, { recursive: true });
      texts.push(["a merge request", [output, ...written].join("\n")]);
      return written.join("\n");
    },
    saw: (where, text) => void texts.push([where, text]),
    async leaks() {
      const all: typeof texts = [
        ...texts,
        ["what Pulumi printed", printed.join("\n")],
        ["the state", stateFiles(folder)],
        ["events", JSON.stringify((await cluster().listEventForAllNamespaces()).items)],
        ["GitLab's notes", JSON.stringify(await gitlab.runners())],
        ["the journal of node1", await onNode(1, journal)],
        ["the journal of node2", await onNode(2, journal)],
        ["the journal of GitLab and the API server", await onServer(journal)],
      ];
      assert.ok(hidden.size > 0 && all.every(([, text]) => text.length > 0), "there is something to search");
      const found = all.flatMap(([where, text]) =>
        [...hidden].filter((secret) => text.includes(secret)).map(() => where),
      );
      return [...new Set([...seen, ...found])];
    },
    async remove() {
      rmSync(folder, { recursive: true, force: true });
    },
  };

  /** The secrets that stay when the rest of the stack file is written again. */
  function keep(): void {
    const { config = {} } = readStack();
    kept = Object.fromEntries(Object.entries(config).filter(([key]) => /:(tokens|registrationTokens)$/.test(key)));
  }

  function readStack(): { config?: Record<string, unknown> } {
    try {
      return parse(readFileSync(file, "utf8")) as { config?: Record<string, unknown> };
    } catch {
      return {};
    }
  }

  // In a folder of its own: it writes the salt of the passphrase beside the project.
  writeFileSync(join(folder, "Pulumi.yaml"), "name: pi-runners\nruntime: nodejs\n");
  const { execa } = await import("execa");
  await execa("pulumi", ["stack", "init", name, "--no-select", "--non-interactive"], { cwd: folder, env });
  return stack;
}

const journal = "journalctl --since '-1 hour' --output cat --no-pager";

async function onServer(command: string): Promise<string> {
  const { code, output } = await run("docker", ["exec", "pi-lab-server", "sh", "-c", command], await environment());
  assert.equal(code, 0, output);
  return output;
}

/** What anybody sees of the stack's pods who may not read Secrets: the objects, and what every container logs. */
async function inNamespace(namespace: string): Promise<[where: string, text: string][]> {
  const { items: pods } = await cluster().listNamespacedPod({ namespace });
  const { items: maps } = await cluster().listNamespacedConfigMap({ namespace });
  const logs = pods.flatMap(({ metadata, spec }) =>
    [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map(async ({ name: container }) => {
      const log = cluster().readNamespacedPodLog({ namespace, name: metadata!.name!, container });
      return [`the log of ${container}`, `: ${await log.catch(() => "not started yet")}`] as [string, string];
    }),
  );
  return [["objects of the stack", JSON.stringify([pods, maps])], ...(await Promise.all(logs))];
}

function defined(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** State, its history and its backups: everything below the backend's folder but the stack file itself. */
function stateFiles(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8")).join("\n");
}
