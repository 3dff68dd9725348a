/** Writes the CI/CD components from what they are made of. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { dockerWays } from "../components/runners/docker/ways";
import { component, componentFile } from "./component";

for (const way of dockerWays) {
  writeFileSync(join(__dirname, "..", componentFile(way)), component(way));
}
