import { lstatSync, mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { state, stateLink } from "./places";

/** `.lab` of this checkout leads to the state that all checkouts of this machine share. */
export function linkState(): void {
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const found = lstatSync(stateLink, { throwIfNoEntry: false });
  if (found?.isSymbolicLink() && readlinkSync(stateLink) === state) {
    return;
  }
  if (found && !found.isSymbolicLink()) {
    renameSync(stateLink, `${stateLink}.${Date.now()}`);
  } else {
    rmSync(stateLink, { force: true });
  }
  symlinkSync(state, stateLink);
}
