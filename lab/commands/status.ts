/** A look at the lab that changes nothing. */
import { existsSync, readFileSync } from "node:fs";
import { clusterNodes } from "../cluster/cluster";
import { gitlabUrl, registryUrl, serverUnits } from "../cluster/controlPlane";
import { type Engine, findEngine } from "../engine/engine";
import { nodeUnits } from "../cluster/nodes";
import { gitlab, inState, registry, server } from "../machine/places";

export interface Part {
  name: string;
  healthy: boolean;
  text: string;
}

export async function look(): Promise<Part[]> {
  const engine = await findEngine();
  if (!engine) {
    return [{ name: "engine", healthy: false, text: "none answers: the lab is down" }];
  }
  const containers = await engine.ours("container");
  const nodes = containers.filter((name) => name.startsWith("pi-lab-node")).sort();
  return [
    { name: "engine", healthy: true, text: engine.own ? `the lab's own, ${engine.host}` : "the machine's Docker" },
    await units(engine, server.container, serverUnits),
    ...(await Promise.all(nodes.map((name) => units(engine, name, nodeUnits)))),
    await cluster(),
    await page("stand-in for GitLab", `${gitlabUrl}/lab/health`, gitlab.url),
    await page("registry", `${registryUrl}/v2/`, registry.address),
    ...plugins(),
  ];
}

async function units(engine: Engine, container: string, wanted: readonly string[]): Promise<Part> {
  const result = await engine.attempt(["exec", container, "systemctl", "is-active", ...wanted], { timeout: 10_000 });
  const states = result.stdout.trim().split("\n");
  const wrong = wanted.filter((_, index) => states[index] !== "active");
  return {
    name: container,
    healthy: wrong.length === 0,
    text: wrong.length === 0 ? "active" : `not active: ${wrong.join(", ")}`,
  };
}

async function cluster(): Promise<Part> {
  try {
    const known = [...(await clusterNodes())];
    const names = (ready: boolean) => known.filter(([, is]) => is === ready).map(([name]) => name);
    const text = `ready: ${names(true).join(", ") || "no node"}${names(false).length > 0 ? `; not: ${names(false).join(", ")}` : ""}`;
    return { name: "cluster", healthy: names(true).length > 0 && names(false).length === 0, text };
  } catch (error) {
    return {
      name: "cluster",
      healthy: false,
      text: String(error instanceof Error ? error.message : error).split("\n")[0] ?? "",
    };
  }
}

async function page(name: string, url: string, text: string): Promise<Part> {
  const healthy = await fetch(url, { signal: AbortSignal.timeout(3000) }).then(
    (response) => response.ok,
    () => false,
  );
  return { name, healthy, text: healthy ? text : `${url} does not answer` };
}

function plugins(): Part[] {
  const file = inState("plugins.txt");
  if (!existsSync(file)) {
    return [];
  }
  const text = readFileSync(file, "utf8").trim().replaceAll("\n", "; ");
  return [{ name: "plugins", healthy: true, text }];
}
