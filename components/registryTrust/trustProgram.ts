import { hostCommand, hostInput, type HostProgram, type HostSettings } from "../../hosts/hostProgram";
import { trustEngines } from "./engines";
import type { Registry } from "./registry";

/** What one run on a node is to achieve. */
export interface TrustSettings extends HostSettings {
  /** Under which name the node's ledger keeps what this run adds; one per node entry, never shared. */
  owner: string;
  registries: (Registry & {
    /** From when to when the CA is valid, in seconds since 1970; the node holds its own clock against it. */
    begins?: number;
    expires?: number;
  })[];
  /** Engines that are to trust them; all that the node has when it is missing. Others of this owner's are cleaned. */
  engines?: string[];
  allowRestart?: boolean;
  installDocker?: "apt" | "snap";
  /** Means nothing to the node; another text is another input, and so another run. */
  reapply?: string;
}

/** What a run does: `apply` brings the settings about, `remove` takes back all of the owner's, `probe` only looks. */
export type TrustAction = "apply" | "remove" | "probe";

/** The program that does it. */
export const trustProgram: HostProgram = { title: "registry-trust", entry: "trust", modules: trustEngines };

/** The command for the node's shell, the same for every node. */
export function trustCommand(action: TrustAction): string {
  return hostCommand(trustProgram, action);
}

/** What goes to the command's stdin; a secret if the password is one. */
export function trustInput(settings: TrustSettings, sudoPassword = ""): string {
  return hostInput(trustProgram, settings, sudoPassword);
}
