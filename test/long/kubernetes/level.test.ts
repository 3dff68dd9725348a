/** A namespace whose runners all have the Kubernetes executor is judged by level baseline, and jobs build in it. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { checkout, cluster, destroyWays, gitlab, pulumi } from "../../lab/stack/lab";
import { deployWays, ended, jobPods, namespace, printed, startJob, sweep } from "./ways";
import { temporaryFolder } from "../../temporaryFolder";

interface StackFile {
  config: {
    "pi-runners:runners": { name: string; way: string }[];
    "pi-runners:runnerDefaults": Record<string, unknown>;
    "pi-runners:tokens": Record<string, unknown>;
  };
}

/** Stack `ways` with nothing but its runner of the Kubernetes executor. */
function onlyPods(): string {
  const file = parse(readFileSync(join(checkout, "Pulumi.ways.yaml"), "utf8")) as StackFile;
  file.config["pi-runners:runners"] = file.config["pi-runners:runners"].filter(({ way }) => way === "kubernetes");
  // Of use to none of the runners that are left, and so refused.
  const { prune: _prune, dindImage: _image, ...defaults } = file.config["pi-runners:runnerDefaults"];
  file.config["pi-runners:runnerDefaults"] = defaults;
  const { kubernetes } = file.config["pi-runners:tokens"];
  file.config["pi-runners:tokens"] = { kubernetes };
  const path = join(temporaryFolder(), "Pulumi.ways.yaml");
  writeFileSync(path, stringify(file));
  return path;
}

describe("a stack with no way but kubernetes", function () {
  this.timeout(400_000);

  before(async () => {
    await deployWays();
    const { code, output } = await pulumi(
      "up",
      "--yes",
      "--skip-preview",
      "--stack",
      "ways",
      "--config-file",
      onlyPods(),
    );
    assert.equal(code, 0, output);
  });
  after(async () => {
    await sweep();
    await destroyWays();
  });

  it("has a namespace of level baseline, in which its manager and a build are let in", async () => {
    const { metadata } = await cluster().readNamespace({ name: namespace });
    assert.equal(metadata!.labels!["pod-security.kubernetes.io/enforce"], "baseline");
    const project = "hello-kubernetes"; // what deployWays built
    const { id } = await gitlab.startPipeline(project);
    const { status, trace } = await ended(id);
    assert.equal(status, "success", trace);
    assert.match(trace, /@sha256:[0-9a-f]{64}/);
  });

  it("has job pods without a token, whose account may do nothing", async () => {
    const id = await startJob(
      "account",
      "echo began",
      "ls /var/run/secrets/kubernetes.io || echo no token",
      "sleep 20",
    );
    await printed(id, "no token");
    const [pod] = await jobPods();
    assert.equal(pod!.spec!.serviceAccountName, "kubernetes-jobs");
    assert.equal(
      pod!.spec!.containers.every(({ securityContext }) => securityContext?.privileged !== true),
      true,
    );
  });
});
