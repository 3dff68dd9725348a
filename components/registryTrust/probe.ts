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
    await pulumi.log.info(described(probe.node, look), component);
  } catch (error) {
    const reason = (error as Error).message;
    await pulumi.log.warn(
      `node ${probe.node} (${connection.host}) could not be looked at: ${reason}\n` +
        "Nothing was changed. Check the node, or leave it out of the stack; see docs/registry-trust.md.",
      component,
    );
  }
}

/** What was found, as a diff: `-` goes, `+` comes, `~` is brought up to date. */
export function described(node: string, look: Look): string {
  const lines = look.engines.flatMap(({ engine, differs }) =>
    (differs ?? []).map((line) => `  ${line[0]} ${engine}: ${line.slice(2)}`),
  );
  const warnings = look.warnings.map((warning) => `  ! ${warning}`);
  const head = lines.length === 0 ? `node ${node}: as the stack wants it` : `node ${node}: differs`;
  return [head, ...lines, ...warnings].join("\n");
}

/** The value of an output; undefined when a preview cannot know it yet. */
async function settled<T>(output: pulumi.Output<T>): Promise<T | undefined> {
  // Not part of the SDK's public types.
  const inner = output as unknown as { isKnown: Promise<boolean>; promise(): Promise<T> };
  return (await inner.isKnown) ? inner.promise() : undefined;
}
