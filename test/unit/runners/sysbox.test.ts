import assert from "node:assert/strict";
import { dockerRunnerConfig } from "../../../components/runners/docker/dockerConfig";
import { runnerErrors } from "../../../components/runners/docker/errors";
import { podTemplate } from "../../../components/runners/docker/pod";
import { settingsOf } from "./settings";

const runtime = "sysbox-runc" as const;

describe("a runner by sysbox", () => {
  for (const way of ["dind", "dind-job", "dind-plain"] as const) {
    it(`has no privileged container: ${way}`, () => {
      const settings = settingsOf(way, { runtime });
      const docker = dockerRunnerConfig(settings, "t").runners![0]!.docker!;
      assert.equal(docker.runtime, runtime);
      assert.equal(docker.privileged, false);
      assert.deepEqual(
        Object.keys(docker).filter((key) => /privileged_|services_privileged/.test(key)),
        [],
      );
      assert.doesNotMatch(JSON.stringify(podTemplate(settings)), /"privileged":true/);
      assert.deepEqual(runnerErrors(settings), []);
    });
  }

  it("asks each node for it before the runner takes a job", () => {
    const [init] = podTemplate(settingsOf("dind", { runtime })).spec!["initContainers" as never] as {
      command: string[];
    }[];
    assert.match(init!.command.join(" "), /does not know the runtime sysbox-runc.*termination-log/);
    assert.doesNotMatch(JSON.stringify(podTemplate(settingsOf("dind"))), /sysbox/);
  });

  it("refuses rights that take away what it gives, and its name where no node is asked for it", () => {
    const paths = (different: object): string[] =>
      runnerErrors(settingsOf("dind", different)).map(({ propertyPath }) => propertyPath);
    const own = (docker: object): object => ({ config: { runners: [{ docker }] } });
    assert.deepEqual(paths({ runtime, ...own({ privileged: true }) }), ["config.runners[0].docker.privileged"]);
    assert.deepEqual(paths({ runtime, ...own({ runtime: "runc" }) }), ["config.runners[0].docker.runtime"]);
    assert.deepEqual(paths(own({ runtime })), ["config.runners[0].docker.runtime"]);
  });
});
