import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { built } from "../builds/builds";
import { inState } from "../machine/places";

/** Puts gitlab-runner, as the lab builds it, where Pulumi.ways.yaml names it for a runner on hosts. */
export async function linkRunner(say: (line: string) => void): Promise<void> {
  const link = inState("gitlab-runner");
  rmSync(link, { force: true });
  symlinkSync(join(await built("gitlab-runner", say), "gitlab-runner"), link);
}
