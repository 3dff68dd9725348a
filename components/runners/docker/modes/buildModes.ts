import type { DockerWay } from "../ways";
import type { BuildMode } from "./buildMode";
import { dind } from "./dind";
import { dindJob } from "./dindJob";
import { dindPlain } from "./dindPlain";
import { dindResident } from "./dindResident";
import { dood } from "./dood";

/** Every build mode of the docker executor; the compiler asks for one that is missing. */
export const buildModes: Record<DockerWay, BuildMode> = {
  dood,
  dind,
  "dind-job": dindJob,
  "dind-plain": dindPlain,
  "dind-resident": dindResident,
};
