/** What a preview of the deployed dev stack costs over an empty Pulumi program. */
import { checkout } from "../lab/machine/places";
import { run } from "../lab/machine/processes";
import { figure, ratio, type Section } from "./figures";
import { time } from "./hyperfine";
import { labEnvironment, needLab } from "./labEnvironment";

import { PulumiProject } from "./pulumiProject";
import { say } from "./say";

export async function preview(runs: number): Promise<Section> {
  await needLab();
  const env = { ...(await labEnvironment()), PULUMI_SKIP_UPDATE_CHECK: "true" };
  const dev = [
    "--non-interactive",
    "--color=never",
    "--cwd",
    checkout,
    "preview",
    "--stack=dev",
    "--expect-no-changes",
  ];
  await run("pulumi", dev, { env });
  const empty = await PulumiProject.make("empty");
  await run("pulumi", empty.up().slice(1), { env: empty.env });
  say(`preview: ${runs} rounds`);
  const seconds = await time(
    [
      { name: "empty", command: empty.preview(), env: empty.env },
      { name: "dev", command: ["pulumi", ...dev], env },
    ],
    runs,
  );
  return {
    title: "Preview with nothing to change",
    about: [
      "`pulumi preview` of the dev stack, deployed on the lab, against the same of a program in plain JavaScript that makes nothing (`bench/programs/empty`): the same runtime options, no compiler, a backend of its own.",
    ],
    figures: [
      figure("an empty program", "s", seconds.empty!),
      figure("stack dev", "s", seconds.dev!),
      ratio("stack dev : an empty program", seconds.dev!, seconds.empty!, { most: 1.35 }),
    ],
  };
}
