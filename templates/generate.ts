/** Writes the CI/CD components from what they are made of. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ways } from "../components/runners/executors";
import { component, componentFile } from "./component";
import { composeComponent, composeFile } from "./compose";

for (const way of ways) {
  writeFileSync(join(__dirname, "..", componentFile(way)), component(way));
}
writeFileSync(join(__dirname, "..", composeFile), composeComponent);
