import type { HostNode } from "../../hosts/ssh";

/** A host on which a runner may leave something. */
export interface CleanupNode extends HostNode {
  /** True: what the runner left stays, and the node is not talked to. Default: false. */
  retain?: boolean;
}
