/** Writes the CI/CD components from what they are made of. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { executors, ways } from "../components/runners/executors";
import { buildkitComponent, buildkitFile } from "./buildkit";
import { component, componentFile } from "./component";
import { composeComponent, composeFile } from "./compose";
import { multiArchComponent, multiArchFile } from "./multiArch";

for (const way of ways) {
  writeFileSync(join(__dirname, "..", componentFile(way)), component(way));
}
for (const executor of executors) {
  writeFileSync(join(__dirname, "..", multiArchFile(executor)), multiArchComponent(executor));
}
writeFileSync(join(__dirname, "..", composeFile), composeComponent);
writeFileSync(join(__dirname, "..", buildkitFile), buildkitComponent);
