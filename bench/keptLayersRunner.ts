/** The runner of way kubernetes as it is with `buildCache`: BuildKit builds, and its layers stay on the node. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { findEngine } from "../lab/engine/engine";
import { images } from "../lab/images/images";
import { loadForPods } from "../lab/images/nodeImages";
import { checkout, nodes } from "../lab/machine/places";
import { run } from "../lab/machine/processes";
import { stackOutput } from "../lab/stack/stack";
import { labEnvironment } from "./labEnvironment";
import type { DeployedRunner } from "./labRunners";
import { say } from "./say";
import { scratch } from "./scratch";
import { whenDone } from "./stops";

const stack = "ways";
const name = "kubernetes";

/**
 * Deploys stack `ways` with it in place of the runner that builds with Buildah, on one node: a pod may go to any, and is warm
 * where one was before. At the end the stack is as its file says.
 */
export async function keptLayersRunner(): Promise<DeployedRunner> {
  say("deploying the runner whose builds keep layers");
  const engine = await findEngine();
  await loadForPods(engine!, nodes(1), ["buildkit"], say);
  const file = parse(readFileSync(join(checkout, `Pulumi.${stack}.yaml`), "utf8")) as {
    config: { "pi-runners:runners": { name: string }[] };
  };
  const settings = {
    // A volume of the lab's nodes, whose own root is an overlay; however full the disk of the machine is.
    buildCache: { hostFolder: "/var/lib/kubelet/pi-layers", image: images.buildkit.alias, minFree: 0 },
    nodeSelector: { "kubernetes.io/hostname": "node1" },
  };
  file.config["pi-runners:runners"] = file.config["pi-runners:runners"].map((runner) =>
    runner.name === name ? { ...runner, ...settings } : runner,
  );
  const changed = join(scratch("kept-layers"), `Pulumi.${stack}.yaml`);
  writeFileSync(changed, stringify(file));
  whenDone(`stack ${stack}`, () => deploy(join(checkout, `Pulumi.${stack}.yaml`)));
  await deploy(changed);
  const pipelines = await stackOutput<Record<string, string>>(await variables(), stack, "pipelines");
  return { name, way: "kubernetes buildkit", tags: [name], pipeline: pipelines[name]! };
}

const variables = async (): Promise<Record<string, string>> => (await labEnvironment()) as Record<string, string>;

async function deploy(configFile: string): Promise<void> {
  const words = ["--non-interactive", "up", "--yes", "--skip-preview", "--stack", stack, "--config-file", configFile];
  await run("pulumi", words, { cwd: checkout, env: await variables() });
}
