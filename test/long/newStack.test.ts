import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { ownCheckout } from "../../lab/stack/ownCheckout";
import { checkout, cluster, environment, gitlab, onNode, up, type Finished } from "../lab/stack/lab";
import { runIn } from "./teamStack";
import { labConfig } from "./tokenStack";

interface NewStack {
  name: string;
  namespace: string;
  registry: string;
  /** Flags that only this one is made with. */
  flags: string[];
  runner?: { id: number; token: string };
}

const stack = (name: string, ...flags: string[]): NewStack => ({
  ...{ name, flags, namespace: `gitlab-runners-${name}`, registry: `${name}.lab:5000` },
});

/** One has the nodes that the cluster has, the other one a node by name. */
const attic = stack("attic", "--gitlab", "http://gitlab.lab:8929");
const cellar = stack("cellar", "--gitlab", "http://gitlab.lab:8929", "--node", "node2=172.30.99.12");
const stacks = [attic, cellar];
const other = ({ name }: NewStack): NewStack => stacks.find((one) => one.name !== name)!;

describe("two stacks that make new-stack made in one checkout", function () {
  this.timeout(600_000);
  let folder: string;
  let remove: (() => void) | undefined;
  let env: NodeJS.ProcessEnv;

  const run = (command: string, args: string[], input?: string): Promise<Finished> =>
    runIn(folder, env, command, args, input);

  async function pulumi({ name }: NewStack, ...args: string[]): Promise<string> {
    const { code, output } = await run("pulumi", ["--non-interactive", ...args, "--stack", name]);
    assert.equal(code, 0, output);
    return output;
  }

  /** By flags, as a user types them; make is kept from installing what the checkout shares with this one. */
  async function made({ name, namespace, registry, flags, runner }: NewStack): Promise<void> {
    const lab = [
      "--kubeconfig",
      ".lab/kubeconfig",
      "--ssh-key",
      ".lab/id_ed25519",
      "--known-hosts",
      ".lab/known_hosts",
    ];
    const own = ["--namespace", namespace, "--runner", name, "--registry", registry, "--insecure", "--token-stdin"];
    const words = [...flags, ...lab, ...own, "--alias", "gitlab.lab=172.30.99.2"].join(" ");
    const make = ["-s", "-o", "node_modules/.installed", "new-stack", `NAME=${name}`, `ARGS=${words}`];
    const { code, output } = await run("make", make, runner!.token);
    assert.equal(code, 0, output);
    assert.doesNotMatch(output, /glrt-/);
  }

  /** What a user of the lab has to say, too: its nodes pull no images. */
  function withImagesOfLab({ name }: NewStack): void {
    const file = join(folder, `Pulumi.${name}.yaml`);
    const parsed = parse(readFileSync(file, "utf8")) as { config: Record<string, object> };
    const images = labConfig("unused")["runnerDefaults"] as object;
    const runnerDefaults = { ...parsed.config["pi-runners:runnerDefaults"], ...images };
    writeFileSync(
      file,
      stringify({ ...parsed, config: { ...parsed.config, "pi-runners:runnerDefaults": runnerDefaults } }),
    );
  }

  before(async () => {
    await up();
    ({ folder, remove } = await ownCheckout());
    const home = join(folder, ".home");
    mkdirSync(join(home, ".ssh"), { recursive: true });
    copyFileSync(join(checkout, ".lab/known_hosts"), join(home, ".ssh/known_hosts"));
    mkdirSync(join(folder, ".state"));
    env = { ...(await environment()), HOME: home, PULUMI_BACKEND_URL: `file://${join(folder, ".state")}` };
    for (const one of stacks) {
      one.runner = await gitlab.createRunner({ description: one.name, tags: [one.name] });
    }
  });

  after(async () => {
    for (const one of stacks) {
      await run("pulumi", ["--non-interactive", "destroy", "--yes", "--skip-preview", "--stack", one.name]);
      await gitlab.deleteRunner(one.runner!.id);
    }
    remove?.();
  });

  it("are previewed and deployed each by itself, at the same time", async () => {
    for (const one of stacks) {
      await made(one);
      withImagesOfLab(one);
    }
    for (const one of stacks) {
      const preview = await pulumi(one, "preview", "--diff");
      assert.match(preview, new RegExp(one.namespace));
      assert.doesNotMatch(preview, new RegExp(other(one).name));
    }
    await Promise.all(stacks.map((one) => pulumi(one, "up", "--yes", "--skip-preview")));
    for (const one of stacks) {
      await pulumi(one, "preview", "--expect-no-changes");
    }
  });

  it("have nothing of one in the other: in the state, in the cluster, on the nodes", async () => {
    for (const one of stacks) {
      const { namespace } = one;
      const found = await Promise.all([
        pulumi(one, "stack", "export", "--show-secrets"),
        cluster().listNamespacedSecret({ namespace }),
        cluster().listNamespacedConfigMap({ namespace }),
        cluster().listNamespacedPod({ namespace }),
      ]);
      const secret = await cluster().readNamespacedSecret({ name: `${one.name}-config`, namespace });
      const texts = [JSON.stringify(found), Buffer.from(secret.data!["config.toml"]!, "base64").toString()];
      assert.ok(texts.every((text) => text.includes(one.runner!.token)));
      for (const text of texts) {
        assert.ok(!text.includes(other(one).name) && !text.includes(other(one).runner!.token));
      }
    }
    const trusted = async (node: 1 | 2): Promise<string[]> =>
      (await onNode(node, "cat /etc/docker/daemon.json")).match(/(attic|cellar)\.lab:5000/g)?.sort() ?? [];
    assert.deepEqual(await trusted(1), [attic.registry]);
    assert.deepEqual(await trusted(2), [attic.registry, cellar.registry]);
  });

  it("go one without the other", async () => {
    await pulumi(attic, "destroy", "--yes", "--skip-preview");
    await assert.rejects(cluster().readNamespace({ name: attic.namespace }), { code: 404 });
    await pulumi(cellar, "preview", "--expect-no-changes", "--refresh", "--run-program");
    const daemon = await onNode(2, "cat /etc/docker/daemon.json");
    assert.match(daemon, /cellar\.lab:5000/);
    assert.doesNotMatch(daemon, /attic\.lab/);
  });
});
