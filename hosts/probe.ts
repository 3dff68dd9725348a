import * as pulumi from "@pulumi/pulumi";
import type { HostConnection } from "../../hosts/connection";
import { sshRun } from "../../hosts/sshRun";
import { trustCommand } from "./trustProgram";
import type { NodeTrust } from "./report";

/** How many nodes are looked at at the same time. */
const atOnce = 16;

/** One node to look at. */
export interface Probe {
  node: string;
  connection: HostConnection;
  input: pulumi.Output<string>;
  /** May its engines be restarted? */
  mayRestart: boolean;
}

/** A report of a run that only looked. */
type Look = Omit<NodeTrust, "engines"> & { engines: (NodeTrust["engines"][number] & { differs?: string[] })[] };

/**
 * Looks at every node and tells, as Pulumi's messages, what differs there from what the stack wants. A node that does
 * not answer is a warning, since a preview changes nothing.
 */
export function probeNodes(component: pulumi.Resource, probes: Probe[]): void {
  const waiting = [...probes];
  const worker = async (): Promise<void> => {
    for (let probe = waiting.shift(); probe !== undefined; probe = waiting.shift()) {
      await probeNode(component, probe);
    }
  };
  // Otherwise the program could end before all nodes have been looked at.
  const done = pulumi.runtime.rpcKeepAlive();
  void Promise.all(Array.from({ length: atOnce }, worker)).finally(done);
}

async function probeNode(component: pulumi.Resource, probe: Probe): Promise<void> {
  // Settings that are wrong fail the node's command, which says so.
  const known = await settled(pulumi.all([probe.connection, probe.input])).catch(() => null);
  if (known === null) {
    return;
  }
  if (known === undefined) {
    const later = "depends on what this update makes first, so it was not looked at";
    await pulumi.log.info(`node ${probe.node}: ${later}`, component);
    return;
  }
  const [connection, input] = known;
  try {
    const look = JSON.parse(await sshRun(connection, trustCommand("probe"), input)) as Look;
    await pulumi.log.info(described(probe.node, look, probe.mayRestart), component);
  } catch (error) {
    const reason = (error as Error).message;
    await pulumi.log.warn(
      `node ${probe.node} (${connection.host}) could not be looked at: ${reason}\n` +
        "Nothing was changed. Check the node, or leave it out of the stack; see docs/registry-trust.md.",
      component,
    );
  }
}

/** What a run would do to an engine, as the node's own program says. */
export type Effect = keyof typeof effects;

const effects = {
  files: "reads new files at its next pull; nothing is reloaded",
  reload: "is reloaded; its containers keep running",
  restart: "is restarted, as `allowRestart` lets it; its containers may stop",
  "forbidden restart":
    "would have to be restarted, which `allowRestart` does not allow: the update of this node would fail",
} as const;

function effectOf({ how, differs = [] }: Look["engines"][number], mayRestart: boolean): Effect | undefined {
  if (how === "none" || differs.length === 0) {
    return undefined;
  }
  return how === "restart" && !mayRestart ? "forbidden restart" : how;
}

/** What was found, as a diff: `-` goes, `+` comes, `~` is brought up to date; `>` is what a run would do to the engine. */
export function described(node: string, look: Look, mayRestart = false): string {
  const lines = look.engines.flatMap((engine) => {
    const effect = effectOf(engine, mayRestart);
    return [
      ...(engine.differs ?? []).map((line) => `  ${line[0]} ${engine.engine}: ${line.slice(2)}`),
      ...(effect === undefined ? [] : [`  > ${engine.engine} ${effects[effect]}`]),
    ];
  });
  const warnings = look.warnings.map((warning) => `  ! ${warning}`);
  const head = lines.length === 0 ? `node ${node}: as the stack wants it` : `node ${node}: differs`;
  return [head, ...lines, ...warnings].join("\n");
}

/** What a message of a look says, for whoever has only Pulumi's messages. */
export interface Looked {
  node: string;
  /** True: it could not be looked at, for the reason that the text gives. */
  silent: boolean;
  differs: boolean;
  effects: { engine: string; effect: Effect }[];
  /** The message as it is. */
  text: string;
}

/** Reads what `described` wrote, or what is said of a node that did not answer; undefined for any other message. */
export function readLook(message: string): Looked | undefined {
  const text = message.trim().replace(/^warning: /, "");
  const found = /^node (\S+)(?:: (as the stack wants it|differs)| \(.*\) (could not be looked at):)/.exec(text);
  if (found === null) {
    return undefined;
  }
  const said = [...text.matchAll(/^ {2}> (\S+) (.*)$/gm)].map(([, engine, words]) => ({
    engine: engine!,
    effect: (Object.keys(effects) as Effect[]).find((effect) => effects[effect] === words)!,
  }));
  return { node: found[1]!, silent: found[3] !== undefined, differs: found[2] === "differs", effects: said, text };
}

/** The value of an output; undefined when a preview cannot know it yet. */
async function settled<T>(output: pulumi.Output<T>): Promise<T | undefined> {
  // Not part of the SDK's public types.
  const inner = output as unknown as { isKnown: Promise<boolean>; promise(): Promise<T> };
  return (await inner.isKnown) ? inner.promise() : undefined;
}
