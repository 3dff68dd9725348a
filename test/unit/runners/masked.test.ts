import assert from "node:assert/strict";
import fc from "fast-check";
import { maskedConfigToml } from "../../../components/runners/configToml/masked";
import { renderConfigToml } from "../../../components/runners/configToml/render";
import { dockerRunnerConfig } from "../../../components/runners/docker/dockerConfig";
import { settingsOf } from "./settings";

const marked = fc.stringMatching(/^[A-Za-z0-9+/"'\\ -]{8,40}$/).map((text) => `mark ${text}`);

describe("config.toml as previews show it", () => {
  it("is the real one but for the token where nothing in it is secret", () => {
    const config = dockerRunnerConfig(settingsOf("dind", { mtu: 1400, config: { log_level: "debug" } }), "glrt-token");
    assert.equal(maskedConfigToml(config, []), renderConfigToml(config).replace("glrt-token", "[secret]"));
  });

  it("has no secret in it, wherever it was put and whatever was made of it", () => {
    fc.assert(
      fc.property(marked, (secret) => {
        const own = {
          environment: [`A=${secret}`, `TOKEN=${secret}`],
          pre_build_script: `set -e\nlogin ${secret}`,
          cache: { s3: { SecretKey: secret, AccessKey: secret }, Path: secret },
          docker: { services: [{ name: "db:1", environment: [`PASS=${secret}`] }], hostname: secret },
        };
        const proxy = { http: `http://me:${secret}@proxy.lan:3128` };
        const settings = settingsOf("dood", { proxy, config: { runners: [own] } });
        const text = maskedConfigToml(dockerRunnerConfig(settings, secret), [secret]);
        assert.ok(!text.includes(secret) && !text.includes(JSON.stringify(secret).slice(1, -1)), text);
        assert.match(text, /^hostname = "\[secret\]"$/m);
      }),
    );
  });

  it("has no credential within a text that nobody called secret, and leaves the rest to be read", () => {
    const script = [
      "git clone https://me:marked-one@gitlab.lan/a.git && git clone https://me:$TOKEN@gitlab.lan/b.git",
      "docker login -u me -p glpat-marked_two_0123456789 registry.lan/glances-monitoring-of-everything",
    ].join("\n");
    const own = { runners: [{ pre_build_script: script }] };
    const text = maskedConfigToml(dockerRunnerConfig(settingsOf("dood", { config: own }), "t"), []);
    assert.doesNotMatch(text, /marked/);
    assert.match(text, /https:\/\/me:\[secret\]@gitlab\.lan\/a\.git.*\$TOKEN@/);
    assert.match(text, /-p \[secret\] registry\.lan\/glances-monitoring-of-everything/);
  });
});
