/** What a change of trust does to containers that run: nothing, as their process ids show. */
import { readFileSync, writeFileSync } from "node:fs";
import { run } from "../lab/machine/processes";
import { registry } from "./emptyRegistry";
import type { Section } from "./figures";
import { type KnownNode, eightNodes } from "./hosts";
import { PulumiProject } from "./pulumiProject";
import { onEach } from "./rawSsh";
import { say } from "./say";
import { whenDone } from "./stops";
import { resetScript, trustSettings } from "./trust";

const other = "other.lan:5000";

/** The node's own `sleep`, as an image: nothing has to be fetched. */
const start = `
docker rm -f bench-a bench-b >/dev/null 2>&1 || true
tar -ch -C / bin/sleep $(ldd /bin/sleep | grep -o '/[^ ]*' | sed 's,^/,,') | docker import - bench-sleep >/dev/null
for name in bench-a bench-b; do docker run -d --network none --name $name bench-sleep /bin/sleep 100000 >/dev/null; done
`;
const stop = "docker rm -f bench-a bench-b >/dev/null; docker image rm bench-sleep >/dev/null";

/** Process id and time of start of both containers and of the daemon. */
const look = `
docker inspect --format '{{slice .Name 1}} {{.State.Pid}} {{.State.StartedAt}}' bench-a bench-b
echo dockerd $(systemctl show -p MainPID --value docker) $(systemctl show -p ActiveEnterTimestampMonotonic --value docker)
`;
const trusted = "docker info --format '{{json .RegistryConfig.IndexConfigs}}'";

export async function restarts(): Promise<Section> {
  const nodes = await eightNodes();
  await run("sh", [resetScript(nodes)]);
  await onEach(nodes, start);
  whenDone("containers of the bench", async () => void (await onEach(nodes, stop)));
  const settings = trustSettings("restarts", { nodes });
  const project = await PulumiProject.make("trust", { BENCH_TRUST: settings }, "restarts");
  const pulumi = (words: string[]): Promise<string> => run("pulumi", words.slice(1), { env: project.env });
  const stages: Map<string, string>[] = [await onEach(nodes, look)];
  const stage = async (what: string, expected: string[], words: string[]): Promise<void> => {
    say(`restarts: ${what}`);
    await pulumi(words);
    await mustTrust(nodes, expected);
    stages.push(await onEach(nodes, look));
  };
  await stage("one registry", [registry], project.up());
  const registries = [registry, other].map((address) => ({ address, insecure: true }));
  writeFileSync(settings, JSON.stringify({ ...JSON.parse(readFileSync(settings, "utf8")), registries }));
  await stage("two registries", [registry, other], project.up());
  await stage("none", [], project.destroy());
  return section(nodes, stages);
}

/** A change that did not come about would restart nothing either. */
async function mustTrust(nodes: KnownNode[], expected: string[]): Promise<void> {
  for (const [node, printed] of await onEach(nodes, trusted)) {
    const found = [registry, other].filter((address) => address in (JSON.parse(printed) as object));
    if (found.join() !== expected.join()) {
      throw new Error(`${node} trusts ${found.join() || "none"}, not ${expected.join()}.`);
    }
  }
}

function section(nodes: KnownNode[], stages: Map<string, string>[]): Section {
  const rows = nodes.flatMap(({ name }) => {
    const seen = stages.map((stage) =>
      stage
        .get(name)!
        .trim()
        .split("\n")
        .map((line) => line.split(" ")),
    );
    return seen[0]!.map(([what], index) => [
      name,
      what!,
      ...seen.map((stage) => stage[index]![1]!),
      lives(seen, index),
    ]);
  });
  const restarted = (daemon: boolean): number =>
    rows.filter(([, what, ...rest]) => (what === "dockerd") === daemon && rest.at(-1) !== "1").length;
  return {
    title: "Containers restarted by a change of trust",
    about: [
      "Two containers run on each of eight nodes while RegistryTrust adds a registry, then another one, then is destroyed; each time every engine itself confirms the change. The listing has the process ids.",
    ],
    figures: [
      { what: "containers watched", value: rows.filter(([, what]) => what !== "dockerd").length, unit: "" },
      { what: "containers restarted", value: restarted(false), unit: "", goal: { most: 0 } },
      { what: "engines restarted", value: restarted(true), unit: "", goal: { most: 0 } },
    ],
    listing: { head: ["node", "process", "before", "one registry", "two", "destroyed", "lives"], rows },
  };
}

/** How many different processes have been seen. */
const lives = (seen: string[][][], index: number): string =>
  String(new Set(seen.map((stage) => stage[index]!.join(" "))).size);
