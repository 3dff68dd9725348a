/** Raw parallel ssh: one shell script that runs a command on all nodes at the same time and waits for them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { quote } from "../hosts/asRoot";
import { run } from "../lab/machine/processes";
import { type KnownNode, sshOptions } from "./hosts";
import { scratch } from "./scratch";

/**
 * A script file, for `sh`. It fails when one node fails.
 *
 * @param input what each node's command gets on its standard input
 */
export function parallel(
  name: string,
  nodes: KnownNode[],
  command: string,
  input: (node: KnownNode) => string,
): string {
  const folder = scratch(`raw-${name}`);
  const lines = nodes.map((node) => {
    const stdin = join(folder, `${node.name}.stdin`);
    writeFileSync(stdin, input(node));
    const words = ["ssh", ...sshOptions, node.host, command];
    return `${words.map(quote).join(" ")} <${quote(stdin)} & all="$all $!"`;
  });
  const file = join(folder, "run.sh");
  writeFileSync(
    file,
    [...lines, 'for one in $all; do wait "$one" || failed=1; done', "exit ${failed:-0}", ""].join("\n"),
  );
  return file;
}

/** Runs a script on every node at once and gives what it printed, by node. */
export async function onEach(nodes: KnownNode[], input: string): Promise<Map<string, string>> {
  const outputs = nodes.map(async (node): Promise<[string, string]> => {
    return [node.name, await run("ssh", [...sshOptions, node.host, "sh -e"], { input })];
  });
  return new Map(await Promise.all(outputs));
}
