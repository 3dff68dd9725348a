import * as pulumi from "@pulumi/pulumi";
import type { HostConnection } from "./connection";
import { sshRun } from "./sshRun";

/** How many hosts are looked at at the same time. */
const atOnce = 16;

/** One host to look at. */
interface Probe {
  node: string;
  connection: HostConnection;
  input: pulumi.Output<string>;
}

/**
 * Looks at every host by a command that changes nothing, and tells, as Pulumi's messages, what differs there from what the
 * stack says. A host that does not answer is a warning, since a preview changes nothing.
 */
export function probeHosts(
  component: pulumi.Resource,
  probes: Probe[],
  command: string,
  described: (node: string, report: string) => string,
): void {
  const waiting = [...probes];
  const worker = async (): Promise<void> => {
    for (let probe = waiting.shift(); probe !== undefined; probe = waiting.shift()) {
      await probeHost(component, probe, command, described);
    }
  };
  // Otherwise the program could end before all hosts have been looked at.
  const done = pulumi.runtime.rpcKeepAlive();
  void Promise.all(Array.from({ length: atOnce }, worker)).finally(done);
}

async function probeHost(
  component: pulumi.Resource,
  probe: Probe,
  command: string,
  described: (node: string, report: string) => string,
): Promise<void> {
  // Settings that are wrong fail the host's command, which says so.
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
    await pulumi.log.info(described(probe.node, await sshRun(connection, command, input)), component);
  } catch (error) {
    const reason = (error as Error).message;
    await pulumi.log.warn(
      `node ${probe.node} (${connection.host}) could not be looked at: ${reason}\n` +
        "Nothing was changed. Check the node, or leave it out of the stack; see docs/nodes.md.",
      component,
    );
  }
}

/** The value of an output; undefined when a preview cannot know it yet. */
async function settled<T>(output: pulumi.Output<T>): Promise<T | undefined> {
  // Not part of the SDK's public types.
  const inner = output as unknown as { isKnown: Promise<boolean>; promise(): Promise<T> };
  return (await inner.isKnown) ? inner.promise() : undefined;
}
