import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { HostConnection } from "./connection";
import { hostCommand, hostInput, type HostProgram, type HostSettings } from "./hostProgram";
import { probeHosts } from "./probe";
import type { Rollout } from "./rollout";
import type { HostNode, HostSsh } from "./ssh";

/** What is to be done on one host. */
interface HostWork {
  node: HostNode;
  /** Name of the command among the program's resources. */
  name: string;
  /** What goes to the host; a secret if it holds one. */
  settings: pulumi.Output<HostSettings>;
  /** What a preview looks with, where `settings` have something that is known after the first update only. Default: `settings`. */
  probed?: pulumi.Output<HostSettings>;
  /** True: when the host leaves the stack, or on destroy, leave it as it is and do not talk to it. */
  retain?: boolean;
}

/** What is the same on all hosts of a duty. */
interface HostDuty {
  program: HostProgram;
  connections: Map<string, HostConnection>;
  ssh?: HostSsh;
  rollout: Rollout;
  /** Look at every host while previewing, and show what differs. */
  probe?: boolean;
  /** What was found on a host, in words for the preview, from what the program reports. */
  described: (node: string, report: string) => string;
  /** Done when it is a host's turn in an update, before its command may run there. It must not fail. */
  first?: (node: HostNode) => Promise<void>;
  timeouts?: pulumi.CustomTimeouts;
}

/**
 * One command for each host, children of `parent`, that runs the duty's program there: `apply` when the host comes or its
 * settings change, `remove` when it goes. The hosts get their turn by the roll-out.
 */
export function hostCommands(parent: pulumi.Resource, works: HostWork[], duty: HostDuty): remote.Command[] {
  const { program, rollout, first } = duty;
  const input = ({ node }: HostWork, settings: pulumi.Output<HostSettings>): pulumi.Output<string> =>
    inputOf(program, settings, node.sudoPassword ?? duty.ssh?.sudoPassword);
  const inputs = works.map((work) => input(work, work.settings));
  const commands = works.map(({ node, name, retain }, index) => {
    const command = new remote.Command(
      name,
      {
        connection: duty.connections.get(node.name)!,
        create: hostCommand(program, "apply"),
        delete: hostCommand(program, "remove"),
        stdin: inTurn(rollout, node.name, inputs[index]!, () => first?.(node)),
        // What a removal warns of has no output to stand in; all else that the program says is in its report or error.
        logging: "stderr",
        addPreviousOutputInEnv: false,
      },
      {
        parent,
        deleteBeforeReplace: true,
        retainOnDelete: retain,
        ...(duty.timeouts === undefined ? {} : { customTimeouts: duty.timeouts }),
      },
    );
    follow(rollout, node.name, command);
    return command;
  });
  if (duty.probe && pulumi.runtime.isDryRun()) {
    const connections = duty.connections;
    const probes = works.map((work) => ({
      node: work.node.name,
      connection: connections.get(work.node.name)!,
      input: input(work, work.probed ?? work.settings),
    }));
    probeHosts(parent, probes, hostCommand(program, "probe"), duty.described);
  }
  return commands;
}

/** What goes to the host's stdin; a secret when it carries sudo's password, or its settings are one. */
function inputOf(
  program: HostProgram,
  settings: pulumi.Output<HostSettings>,
  password: pulumi.Input<string> | undefined,
): pulumi.Output<string> {
  return password === undefined
    ? settings.apply((plain) => hostInput(program, plain))
    : pulumi.all([settings, pulumi.secret(password)]).apply(([plain, secret]) => hostInput(program, plain, secret));
}

/**
 * Holds a host's registration back until its turn. Only order is made here, no dependency: what would be recorded as
 * one would also order destroy, where a dead host must not keep others from being cleaned. A preview waits for nothing.
 */
function inTurn(
  rollout: Rollout,
  node: string,
  input: pulumi.Output<string>,
  first: () => Promise<void> | undefined,
): pulumi.Output<string> {
  if (pulumi.runtime.isDryRun()) {
    return input;
  }
  return input.apply((text) =>
    rollout
      .turn(node)
      .then(first)
      .then(() => text),
  );
}

/**
 * Tells the roll-out how a host's command ended. A failure reaches the program only with --continue-on-error. With
 * --target, a host that is left out and was never made has no output at all: it must not be waited for.
 */
function follow(rollout: Rollout, node: string, command: remote.Command): void {
  const { isKnown } = command.stdout as unknown as { isKnown: Promise<boolean> };
  isKnown.then(
    () => rollout.ended(node, "ok"),
    () => rollout.ended(node, "failed"),
  );
}
