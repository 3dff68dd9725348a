import { describedAs } from "../../hosts/describedAs";
import type { NodeTrust } from "./report";

/** A report of a run that only looked. */
type Look = Omit<NodeTrust, "engines"> & { engines: (NodeTrust["engines"][number] & { differs?: string[] })[] };

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
export function described(node: string, report: string, mayRestart: boolean): string {
  const { engines, warnings } = JSON.parse(report) as Look;
  const lines = engines.flatMap((engine) => {
    const effect = effectOf(engine, mayRestart);
    return [
      ...(engine.differs ?? []).map((line) => `${line[0]} ${engine.engine}: ${line.slice(2)}`),
      ...(effect === undefined ? [] : [`> ${engine.engine} ${effects[effect]}`]),
    ];
  });
  return describedAs(node, lines, warnings);
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
