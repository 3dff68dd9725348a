import assert from "node:assert/strict";
import { imageArchitecture } from "../../../components/runners/architecture";
import { checkDockerRunner } from "../../../components/runners/docker/errors";
import { authenticationTokenError, registrationTokenError } from "../../../components/token/tokenKind";
import type { DockerRunnerInput } from "../../../components/runners/docker/settings";
import { dockerWays, type DockerWay } from "../../../components/runners/docker/ways";
import { ca } from "../config/stackFile";
import { givenSettings } from "./settings";

/** The keys that are complained about. */
function complaints(way: DockerWay, different: Parameters<typeof givenSettings>[1]): string[] {
  return checkDockerRunner(givenSettings(way, different)).errors.map(({ propertyPath }) => propertyPath);
}

describe("errors in a runner's settings", () => {
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

  it("an image for 32-bit arm is none on 64-bit arm, which runs it [8.31]", () => {
    assert.deepEqual(complaints("dood", { architecture: "arm64", jobImage: "arm32v7/docker:29" }), []);
    assert.deepEqual(complaints("dood", { architecture: "arm64", jobImage: "arm-none-eabi-gcc:12" }), []);
    assert.deepEqual(complaints("dood", { architecture: "amd64", jobImage: "arm32v7/docker:29" }), ["jobImage"]);
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

describe("settings with which no job could run", () => {
  const docker = (section: object): object => ({ config: { runners: [{ docker: section }] } });

  it("are refused: a service daemon without its privileges, or without its place [8.28]", () => {
    for (const way of ["dind", "dind-plain"] as const) {
      const path = "config.runners[0].docker";
      assert.deepEqual(complaints(way, docker({ services_privileged: false })), [`${path}.services_privileged`]);
      assert.deepEqual(complaints(way, docker({ services_limit: 0 })), [`${path}.services_limit`]);
      assert.deepEqual(complaints(way, docker({ services_limit: 1 })), []);
    }
    assert.deepEqual(complaints("dind", docker({ disable_cache: true })), ["config.runners[0].docker.disable_cache"]);
    assert.deepEqual(complaints("dind-job", docker({ services_privileged: false, disable_cache: true })), []);
  });

  it("are refused: settings of another executor, with which the runner would do nothing [8.28]", () => {
    const config = { runners: [{ kubernetes: { namespace: "ci" }, custom: { run_exec: "/bin/true" } }] };
    const expected = ["config.runners[0].kubernetes", "config.runners[0].custom"];
    assert.deepEqual(complaints("dood", { config }), expected);
    assert.deepEqual(complaints("dind", { config }), expected);
  });

  it("are refused: a pull policy of its own that is not allowed [8.28]", () => {
    const never = docker({ allowed_pull_policies: ["never"] });
    assert.deepEqual(complaints("dood", never), ["config.runners[0].docker.allowed_pull_policies"]);
    assert.deepEqual(complaints("dood", { ...never, pullPolicy: "never" }), []);
    assert.deepEqual(complaints("dood", docker({ pull_policy: "never" })), []);
  });

  it("are refused: a socket that no shell and no volume could name, and a namespace where trust is [8.7]", () => {
    for (const dockerSocket of [
      "/run/my docker.sock",
      "/run/$(id).sock",
      "/run/a:b.sock",
      "/docker.sock",
      "/run/docker/",
    ]) {
      assert.deepEqual(complaints("dood", { dockerSocket }), ["dockerSocket"], dockerSocket);
    }
    assert.deepEqual(complaints("dood", { dockerSocket: "/run/docker-ci/docker.sock" }), []);
    assert.deepEqual(complaints("dood", { namespace: "trust" }), ["namespace"]);
  });

  it("are refused: words that the runner takes into its config.toml, and then fails every job [8.28]", () => {
    const wrong: [string, object][] = [
      // common/config.go, getMemoryBytes: the whole runner exits when the next job comes.
      ["memory", { memory: "512Mi" }],
      ["memory_swap", { memory_swap: "-1" }],
      ["service_memory", { service_memory: "1,5g" }],
      ["cpus", { cpus: "500m" }],
      ["pull_policy", { pull_policy: "IfNotPresent" }],
      ["pull_policy", { pull_policy: ["always", "sometimes"] }],
      ["ulimit.nofile", { ulimit: { nofile: "unlimited" } }],
      // GetLogConfig: only env and labels.
      ["log_options.max-size", { log_options: { "max-size": "10m" } }],
      ["services[0].name", { services: [{ alias: "docker", command: ["--mtu=1400"] }] }],
    ];
    for (const [key, docker] of wrong) {
      const config = { runners: [{ docker }] } as DockerRunnerInput["config"];
      assert.deepEqual(complaints("dind", { config }), [`config.runners[0].docker.${key}`]);
    }
    const right = {
      memory: "1.5g",
      memory_swap: "2 GiB",
      memory_reservation: "536870912",
      service_memory: "512M",
      cpus: "0.5",
      service_cpus: "3/2",
      pull_policy: ["always", "if-not-present"],
      ulimit: { nofile: "1024:2048", core: "-1" },
      log_options: { labels: "job" },
    } as const;
    assert.deepEqual(complaints("dood", { config: { runners: [{ docker: structuredClone(right) as object }] } }), []);
  });

  it("are refused: two volumes with one destination, and what is no volume [8.24]", () => {
    const volumes = ["/srv/a:/data", "/srv/b:/data/:ro", "cache", "named:/x", "/y:/z:rw,z", "/$HOME/a:/b"];
    assert.deepEqual(complaints("dood", docker({ volumes })), [
      "config.runners[0].docker.volumes[1]",
      "config.runners[0].docker.volumes[2]",
    ]);
    const twice = docker({ volumes: ["/data"], tmpfs: { "/data/": "rw" }, services_tmpfs: { "/cache": "rw" } });
    assert.deepEqual(complaints("dood", twice), [
      "config.runners[0].docker.tmpfs./data/",
      "config.runners[0].docker.services_tmpfs./cache",
    ]);
  });

  it("are refused: a helper of another release than the runner [8.28]", () => {
    const helperImage = "registry.lan/gitlab-runner-helper:arm64-v18.5.0";
    assert.deepEqual(complaints("dood", { helperImage }), ["helperImage"]);
    assert.deepEqual(complaints("dood", { helperImage, image: "gitlab/gitlab-runner:alpine-v18.5.0" }), []);
    assert.deepEqual(complaints("dood", { helperImage: "me/helper:1.0.0" }), []);
  });

  it("are refused: requests above limits, and quantities that are none [8.28]", () => {
    const resources = { requests: { memory: "1Gi", cpu: "1 core" }, limits: { memory: "512Mi" } };
    assert.deepEqual(complaints("dood", { resources }), ["resources.requests.cpu", "resources.requests.memory"]);
    assert.deepEqual(complaints("dood", { resources: { requests: { memory: "512Mi" } } }), []);
    assert.deepEqual(complaints("dood", { resources: { limits: { cpu: "20m" } } }), []);
  });

  it("are refused: a CA that is no certificate [8.28]", () => {
    assert.deepEqual(complaints("dood", { serverCa: "-----BEGIN OPENSSH PRIVATE KEY-----" }), ["serverCa"]);
    assert.deepEqual(complaints("dood", { serverCa: "hello" }), ["serverCa"]);
    assert.deepEqual(complaints("dood", { serverCa: ca }), []);
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
    "tools/constructor:1": undefined,
    "me/toString": undefined,
    "arm-none-eabi-gcc:12": undefined,
    "me/gcc-arm-none-eabi:12-slim": undefined,
    "gcc:arm-none-eabi": undefined,
    "arm32v7/docker:29": "arm",
    "registry.lan/arm64/tool:1": "arm64",
    "me/tool:linux-arm64@sha256:0123": "arm64",
  };
  for (const [image, architecture] of Object.entries(cases)) {
    it(`${image}: ${architecture ?? "none"} [8.31]`, () => assert.equal(imageArchitecture(image), architecture));
  }
});

describe("tokens", () => {
  it("of a runner are taken", () => {
    for (const token of ["glrt-0123456789abcdefghij", "glrt-t1_0123456789abcdefghij", "glrtr-0123456789abcdefghij"]) {
      assert.equal(authenticationTokenError(token), undefined);
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
      const error = authenticationTokenError(token);
      assert.match(error!, /glrt-|set it again/);
      assert.doesNotMatch(error!, /SeCrEt/);
    }
    assert.match(authenticationTokenError("GR1348941SeCrEt")!, /legacy registration token/);
  });

  it("given the other way round are refused as well", () => {
    assert.match(registrationTokenError("glrt-SeCrEtSeCrEt")!, /give it as the authentication token/);
    assert.match(registrationTokenError("glpat-SeCrEtSeCrEt")!, /a personal, project or group access token/);
    assert.equal(registrationTokenError("GR1348941SeCrEt"), undefined);
    assert.doesNotMatch(registrationTokenError("glrt-SeCrEtSeCrEt")!, /SeCrEt/);
  });
});
