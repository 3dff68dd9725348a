/** A deployed stack of one runner and four nodes, two of them the bench's own, in a checkout of its own. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import type { LabGitlab } from "../lab/gitlab/client";
import { checkout, stateLink } from "../lab/machine/places";
import { run } from "../lab/machine/processes";
import { ownCheckout } from "../lab/stack/ownCheckout";
import { benchNodes, type KnownNode } from "./hosts";
import { labEnvironment } from "./labEnvironment";
import { clusterNodes } from "./labRunners";
import { say } from "./say";
import { whenDone } from "./stops";

export const stack = "bench";

export interface DeployedStack {
  folder: string;
  /** What leads Pulumi and ci/credentials.sh to the lab and to the state. */
  env: NodeJS.ProcessEnv;
  /** Its file, with a runner for so many jobs at once. */
  file(concurrent: number): string;
}

/** A command of bash's, with the credentials of a job as its `before_script` makes them usable. */
export const withCredentials = (command: string): string =>
  `credentials="$(sh ci/credentials.sh)" || exit 1; eval "$credentials"; ${command}`;

export async function fourNodes(gitlab: LabGitlab, backend: string): Promise<DeployedStack> {
  const nodes = [...clusterNodes(), ...(await benchNodes(2))];
  const { folder, remove } = await ownCheckout();
  whenDone("the checkout of the bench", async () => remove());
  const env = {
    ...(await labEnvironment()),
    PULUMI_BACKEND_URL: backend,
    HOME: join(folder, ".home"),
    PI_RUNNERS_SSH_KEY: join(stateLink, "id_ed25519"),
    PI_RUNNERS_KNOWN_HOSTS: join(stateLink, "known_hosts"),
  };
  mkdirSync(env.HOME);
  const path = join(folder, `Pulumi.${stack}.yaml`);
  writeFileSync(path, stringify({ config: config(nodes) }));
  const pulumi = (words: string, input = ""): Promise<string> =>
    run("bash", ["-c", withCredentials(`pulumi --non-interactive ${words} ${stack}`)], { cwd: folder, env, input });
  await pulumi("stack init");
  const runner = await gitlab.createRunner({ description: stack, tags: [stack] });
  whenDone("the runner of the bench", () => gitlab.deleteRunner(runner.id));
  await pulumi(`config set --path --secret pi-runners:tokens.${stack} --stack`, runner.token);
  const first = readFileSync(path, "utf8");
  whenDone("the stack of the bench", async () => {
    writeFileSync(path, first);
    await pulumi("destroy --yes --skip-preview --stack");
  });
  say("deploying a stack of four nodes");
  await pulumi("up --yes --skip-preview --stack");
  return { folder, env, file: (concurrent) => withConcurrent(first, concurrent) };
}

interface StackFile {
  config: Record<string, object> & { "pi-runners:runners": { concurrent?: number }[] };
}

/** As a stack for merge requests is: kubeconfig, key and host keys are not in the file. */
function config(nodes: KnownNode[]): Record<string, unknown> {
  const dev = (parse(readFileSync(join(checkout, "Pulumi.dev.yaml"), "utf8")) as StackFile).config;
  return {
    ...Object.fromEntries(
      ["gitlab", "hostAliases", "runnerDefaults"].map((key) => [`pi-runners:${key}`, dev[`pi-runners:${key}`]]),
    ),
    "pi-runners:namespace": `gitlab-runners-${stack}`,
    "pi-runners:registries": [{ address: "registry.lab:5000", insecure: true }],
    "pi-runners:nodes": nodes,
    "pi-runners:trust": { probe: true },
    "pi-runners:runners": [{ name: stack, way: "dood" }],
  };
}

function withConcurrent(text: string, concurrent: number): string {
  const file = parse(text) as StackFile;
  file.config["pi-runners:runners"][0]!.concurrent = concurrent;
  return stringify(file);
}
