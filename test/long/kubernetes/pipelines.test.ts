/** The other pipelines for runners of way kubernetes: BuildKit instead of Buildah, and one name for two architectures. */
import assert from "node:assert/strict";
import { images } from "../../../lab/images/images";
import { buildkitComponent } from "../../../templates/buildkit";
import { multiArchComponent } from "../../../templates/multiArch";
import { fillIn } from "../../../templates/print";
import { patience } from "../../host/trust/lab";
import { destroyWays, gitlab } from "../../lab/stack/lab";
import { loadOnNodes } from "../engineStack";
import { deployWays, sweep } from "./ways";
import { platformsOf, pushed } from "../pushed";

describe("pipelines for runners of way kubernetes", function () {
  this.timeout(300_000);

  before(async function () {
    this.timeout(patience);
    await loadOnNodes("buildkit");
    await deployWays();
  });
  after(async () => {
    await sweep();
    await destroyWays();
  });

  it("rootless BuildKit builds and pushes in an unprivileged pod, and knows the registries", async () => {
    const files = {
      ".gitlab-ci.yml": fillIn(buildkitComponent, {
        tags: ["kubernetes"],
        job_image: images.buildkit.alias!,
        dockerfile: "build/Dockerfile",
      }),
      // From the registry with a CA of its own to the one without TLS.
      "build/Dockerfile":
        "FROM gitlab.lab:5443/lab/base:1\nCOPY hello /hello\nRUN id -u && chmod 700 /hello && test -x /hello\n",
      hello: "#!/bin/sh\n",
    };
    await gitlab.createProject("buildkit", { files });
    const { jobs } = await gitlab.runPipeline("buildkit", { mustSucceed: true, timeoutMs: 200_000 });
    const trace = await gitlab.trace(jobs[0]!.id);
    assert.deepEqual(await platformsOf(pushed(trace, "lab/buildkit")), ["amd64"]);
  });

  it("Buildah makes one name of two architectures", async () => {
    const files = {
      ".gitlab-ci.yml": fillIn(multiArchComponent("kubernetes"), {
        ...{ tags_amd64: ["kubernetes"], tags_arm64: ["kubernetes"], job_image: "pi-lab/buildah:1" },
      }),
      // The lab has no arm64: what is built for it here copies files only, which needs no program of that kind.
      Dockerfile: "FROM scratch\nCOPY Dockerfile /\n",
    };
    await gitlab.createProject("both-pods", { files });
    const { jobs } = await gitlab.runPipeline("both-pods", { mustSucceed: true, timeoutMs: 200_000 });
    const trace = await gitlab.trace(jobs.find(({ name }) => name === "build-image")!.id);
    assert.deepEqual(await platformsOf(pushed(trace, "lab/both-pods")), ["amd64", "arm64"]);
  });
});
