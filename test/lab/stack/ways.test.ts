/** The ways that stack dev has not, each by a real job on stack `ways`: `make job` deploys it, builds, and pushes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { checkout, destroyWays, type Finished, run } from "./lab";

const { config } = parse(readFileSync(join(checkout, "Pulumi.ways.yaml"), "utf8")) as {
  config: { "pi-runners:runners": { name: string; way: string }[] };
};

const runners = config["pi-runners:runners"];

describe("stack ways on the lab", () => {
  let jobs: Map<string, Promise<Finished>>;
  before(() => {
    // Beside each other: they take turns at deploying, and wait for most of the rest.
    jobs = new Map(runners.map(({ way }) => [way, run("make", ["job", `WAY=${way}`])]));
  });
  after(destroyWays);

  for (const { name, way } of runners) {
    it(`builds and pushes an image by ${way}`, async () => {
      const { code, output } = await jobs.get(way)!;
      assert.equal(code, 0, output);
      if (way !== "kubernetes") {
        assert.match(output, /\[internal\] load build definition/, "by Docker's own BuildKit");
      }
      assert.match(output, new RegExp(`^pushed \\S+/lab/hello-${name}@sha256:[0-9a-f]{64}$`, "m"));
    });
  }
});
