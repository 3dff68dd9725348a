import assert from "node:assert/strict";
import { daemonFiles } from "../../../components/runners/docker/dockerConfig";
import { runnerErrors } from "../../../components/runners/docker/errors";
import { podTemplate, secretFiles } from "../../../components/runners/docker/pod";
import { dockerRunnerSettings, type DockerRunnerInput } from "../../../components/runners/docker/settings";
import { otherValues, settingsOf } from "./settings";

/** Everything that a runner's settings decide. */
function made(different: Partial<DockerRunnerInput>): string {
  const settings = settingsOf("dind", different);
  const parts = [podTemplate(settings), secretFiles(settings, "t"), daemonFiles(settings), runnerErrors(settings)];
  return JSON.stringify(parts);
}

describe("each setting of a runner", () => {
  const without = made({});
  for (const key of Object.keys(dockerRunnerSettings.shape) as (keyof DockerRunnerInput)[]) {
    it(`is used: ${key}`, () => {
      assert.ok(key in otherValues, `add a value of ${key} to this test`);
      assert.notEqual(made({ [key]: otherValues[key] }), without, `${key} changes nothing that a runner is made of`);
    });
  }
});
