/** What a change does beyond changing an object. */
export interface Consequence {
  kind:
    | "reload"
    | "roll"
    | "start"
    | "stop"
    | "trust"
    | "untrust"
    | "restart"
    | "refused"
    | "replace"
    | "delete"
    | "register"
    | "unregister";
  /** What it happens to: a runner, a node, an object. */
  subject: string;
  /** What happens, in words; names in backquotes. */
  text: string;
  /** True: somebody may lose work or trust by it, so it stands on top of the report. */
  warn: boolean;
}

export function consequence(kind: Consequence["kind"], subject: string, text: string, warn = true): Consequence {
  return { kind, subject, text, warn };
}
