import assert from "node:assert/strict";
import { daemonFiles } from "../../../components/runners/docker/dockerConfig";
import { runnerErrors } from "../../../components/runners/docker/errors";
import { podTemplate, secretFiles } from "../../../components/runners/docker/pod";
import { dockerRunnerSettings, type DockerRunnerInput } from "../../../components/runners/docker/settings";
import { takesSetting } from "../../../components/runners/docker/takenSettings";
import { dockerWays, type DockerWay } from "../../../components/runners/docker/ways";
import { givenSettings, otherValues } from "./settings";

type Key = keyof DockerRunnerInput;

/** A way that takes the setting; `dood` last, as it has no daemon that could trust registries or ask mirrors. */
const wayOf = (key: Key): DockerWay => [...dockerWays.slice(1), dockerWays[0]].find((way) => takesSetting(way, key))!;

/** Everything that a runner's settings decide. */
function made(given: DockerRunnerInput): string {
  const settings = dockerRunnerSettings.parse(given);
  return JSON.stringify([podTemplate(settings), secretFiles(settings, "t"), daemonFiles(settings)]);
}

describe("each setting of a runner", () => {
  for (const key of (Object.keys(dockerRunnerSettings.shape) as Key[]).filter((one) => one !== "allowTlsOff")) {
    it(`is used: ${key}`, () => {
      assert.ok(key in otherValues, `add a value of ${key} to this test`);
      const given = givenSettings(wayOf(key));
      const different = made({ ...given, [key]: otherValues[key] });
      assert.notEqual(different, made(given), `${key} changes nothing that a runner is made of`);
    });
  }

  it("is used: allowTlsOff, a consent, without which way dind-plain is refused", () => {
    const errors = (allowTlsOff: boolean): string[] =>
      runnerErrors(dockerRunnerSettings.parse({ ...givenSettings("dind-plain"), allowTlsOff })).map(
        ({ propertyPath }) => propertyPath,
      );
    assert.deepEqual([errors(false), errors(true)], [["allowTlsOff"], []]);
  });
});
