/** One name for two architectures, by the Docker ways of stack dev: jobs by the socket, over TLS, and with a daemon of their own. */
import assert from "node:assert/strict";
import { multiArchComponent } from "../../templates/multiArch";
import { fillIn } from "../../templates/print";
import { gitlab } from "../lab/stack/lab";
import { platformsOf, pushed } from "./pushed";

describe("the pipeline for two architectures, on stack dev", function () {
  this.timeout(300_000);

  for (const [way, image, registry] of [
    ["dood", "pi-lab/docker:cli", "gitlab.lab:5050"],
    ["dind", "pi-lab/docker:cli", "gitlab.lab:5050"],
    // Its tokens come from a GitLab with a private CA.
    ["dind", "pi-lab/docker:cli", "gitlab.lab:5443"],
    ["dind-job", "pi-lab/docker:dind", "gitlab.lab:5050"],
  ] as const) {
    it(`builds two images by ${way}, pushes them to ${registry}, and makes one name of them`, async () => {
      const project = `both-${way}-${registry.slice(-4)}`;
      const files = {
        ".gitlab-ci.yml": fillIn(multiArchComponent("docker"), {
          ...{ tags_amd64: [way], tags_arm64: [way], job_image: image },
          ...{ registry, image: `${registry}/$CI_PROJECT_PATH` },
        }),
        // The lab has no arm64: what is built for it here copies files only, which needs no program of that kind.
        Dockerfile: "FROM scratch\nCOPY Dockerfile /\n",
      };
      await gitlab.createProject(project, { files });
      // To the components, another registry than the one that GitLab names.
      const variables = [
        { key: "REGISTRY_USER", value: "$CI_REGISTRY_USER" },
        { key: "REGISTRY_PASSWORD", value: "$CI_REGISTRY_PASSWORD" },
      ];
      const { jobs } = await gitlab.runPipeline(project, { variables, mustSucceed: true, timeoutMs: 240_000 });
      const trace = await gitlab.trace(jobs.find(({ name }) => name === "build-image")!.id);
      assert.deepEqual(await platformsOf(pushed(trace, `lab/${project}`)), ["amd64", "arm64"]);
    });
  }
});
