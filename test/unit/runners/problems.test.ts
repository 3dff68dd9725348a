import assert from "node:assert/strict";
import { imageArchitecture } from "../../../components/runners/architecture";
import { dockerRunnerProblems } from "../../../components/runners/docker/problems";
import { authenticationTokenProblem, registrationTokenProblem } from "../../../components/token/tokenKind";
import { dockerWays, type DockerWay } from "../../../components/runners/docker/ways";
import { settingsOf } from "./settings";

/** The keys that are complained about. */
function complaints(way: DockerWay, different: Parameters<typeof settingsOf>[1]): string[] {
  return dockerRunnerProblems(settingsOf(way, different)).map(({ key }) => key);
}

describe("mistakes in a runner's settings", () => {
  it("are none in the smallest settings of each way", () => {
    for (const way of dockerWays) {
      assert.deepEqual(complaints(way, {}), [], way);
    }
  });

  it("DooD with privileged", () => {
    const privileged = { config: { runners: [{ docker: { privileged: true } }] } };
    assert.deepEqual(complaints("dood", privileged), ["config.runners[0].docker.privileged"]);
    assert.deepEqual(complaints("dind", privileged), []);
  });

  it("TLS off without asking for it", () => {
    assert.deepEqual(complaints("dind-plain", { allowTlsOff: undefined }), ["allowTlsOff"]);
    for (const variable of ["DOCKER_TLS_CERTDIR=", "DOCKER_HOST=tcp://docker:2375"]) {
      const config = { runners: [{ environment: [variable] }] };
      assert.deepEqual(complaints("dind", { config }), ["config.runners[0].environment[0]"], variable);
      assert.deepEqual(complaints("dind-plain", { config }), [], variable);
    }
    assert.deepEqual(complaints("dind", { allowTlsOff: true }), ["allowTlsOff"]);
  });

  it("an image for another architecture", () => {
    assert.deepEqual(complaints("dood", { architecture: "arm64", jobImage: "amd64/docker:cli" }), ["jobImage"]);
    assert.deepEqual(complaints("dind", { architecture: "amd64", dindImage: "docker:29-dind-arm64" }), ["dindImage"]);
    const helperImage = "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:x86_64-v19.4.0";
    assert.deepEqual(complaints("dood", { architecture: "arm64", helperImage }), ["helperImage"]);
    assert.deepEqual(complaints("dood", { architecture: "amd64", helperImage }), []);
  });

  it("nodes for which the default image does not exist", () => {
    assert.deepEqual(complaints("dood", { architecture: "arm" }), ["image"]);
    assert.deepEqual(complaints("dood", { architecture: "arm", image: "me/gitlab-runner:armhf" }), []);
  });

  it("volumes that jobs must not share", () => {
    const config = { runners: [{ docker: { volumes: ["/srv/docker:/var/lib/docker", "/srv/certs:/certs/client"] } }] };
    assert.equal(complaints("dind", { config }).length, 2);
  });

  it("a DinD job in the host's network", () => {
    const config = { runners: [{ docker: { network_mode: "host" } }] };
    assert.deepEqual(complaints("dind-job", { config }), ["config.runners[0].docker.network_mode"]);
  });

  it("names and numbers out of range", () => {
    assert.deepEqual(complaints("dood", { name: "Dood_1" }), ["name"]);
    assert.deepEqual(complaints("dood", { concurrent: 0 }), ["concurrent"]);
    assert.deepEqual(complaints("dood", { url: "gitlab.lan" }), ["url"]);
    assert.deepEqual(complaints("dood", { hostAliases: { "gitlab.lan": "192.168.1" } }), ["hostAliases.gitlab.lan"]);
  });
});

describe("the architecture that an image names", () => {
  const cases: Record<string, string | undefined> = {
    "docker:29.7.2-cli": undefined,
    "arm64v8/docker:29": "arm64",
    "registry.lan:5000/group/builder:1.2-amd64": "amd64",
    "registry.arm.example/group/builder:1": undefined,
    "gitlab-runner-helper:x86_64-v19.4.0": "amd64",
    "gitlab-runner-helper:arm-v19.4.0": "arm",
    "me/tool-aarch64": "arm64",
    "me/charm:1": undefined,
    "me/tool:linux-arm64@sha256:0123": "arm64",
  };
  for (const [image, architecture] of Object.entries(cases)) {
    it(`${image}: ${architecture ?? "none"}`, () => assert.equal(imageArchitecture(image), architecture));
  }
});

describe("tokens", () => {
  it("of a runner are taken", () => {
    for (const token of ["glrt-0123456789abcdefghij", "glrt-t1_0123456789abcdefghij", "glrtr-0123456789abcdefghij"]) {
      assert.equal(authenticationTokenProblem(token), undefined);
    }
  });

  it("of other kinds are refused with the way out, and never shown", () => {
    for (const token of [
      "GR1348941SeCrEtSeCrEt",
      "SeCrEtSeCrEtSeCrEtSe",
      "glpat-SeCrEtSeCrEtSeCrEt",
      "",
      "glrt-SeCrEt\n",
    ]) {
      const problem = authenticationTokenProblem(token);
      assert.match(problem!, /glrt-|set it again/);
      assert.doesNotMatch(problem!, /SeCrEt/);
    }
    assert.match(authenticationTokenProblem("GR1348941SeCrEt")!, /legacy registration token/);
  });

  it("given the other way round are refused as well", () => {
    assert.match(registrationTokenProblem("glrt-SeCrEtSeCrEt"), /give it as the authentication token/);
    assert.match(registrationTokenProblem("GR1348941SeCrEt"), /not supported/);
    assert.doesNotMatch(registrationTokenProblem("glrt-SeCrEtSeCrEt"), /SeCrEt/);
  });
});
