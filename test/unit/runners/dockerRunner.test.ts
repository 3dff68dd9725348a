import assert from "node:assert/strict";
import { parse } from "smol-toml";
import { daemonFiles, dockerRunnerConfig } from "../../../components/runners/docker/dockerConfig";
import { featureFlags } from "../../../components/runners/configToml/featureFlags";
import { knownKeys } from "../../../components/runners/configToml/knownKeys";
import { renderConfigToml } from "../../../components/runners/configToml/render";
import type { ConfigToml } from "../../../components/runners/configToml/settings/config";
import { dockerWays, type DockerWay } from "../../../components/runners/docker/ways";
import { settingsOf } from "./settings";

const token = "glrt-0123456789abcdef";

function rendered(way: DockerWay, different: Parameters<typeof settingsOf>[1] = {}): ConfigToml {
  const text = renderConfigToml(dockerRunnerConfig(settingsOf(way, different), token));
  return JSON.parse(JSON.stringify(parse(text))) as ConfigToml;
}

function docker(config: ConfigToml): NonNullable<NonNullable<ConfigToml["runners"]>[0]["docker"]> {
  return config.runners![0]!.docker!;
}

/** Every key of a parsed config.toml, by section, in the notation of the list of known keys. */
function keysOf(table: Record<string, unknown>, path = ""): [string, string][] {
  return Object.entries(table).flatMap(([key, value]) => {
    const own: [string, string][] = [[path, key]];
    const at = path === "" ? key : `${path}.${key}`;
    if (Array.isArray(value) && typeof value[0] === "object") {
      return [...own, ...value.flatMap((entry) => keysOf(entry as Record<string, unknown>, `${at}[]`))];
    }
    return typeof value === "object" && !Array.isArray(value)
      ? [...own, ...keysOf(value as Record<string, unknown>, at)]
      : own;
  });
}

describe("config.toml of a runner", () => {
  for (const way of dockerWays) {
    it(`has only keys that the runner knows: ${way}`, () => {
      const everything = {
        hostAliases: { "gitlab.lan": "192.168.1.10" },
        serverCa: "x",
        mtu: 1400,
        allowedImages: ["a"],
      };
      const flags = featureFlags as readonly string[];
      for (const [section, key] of keysOf(rendered(way, everything))) {
        const known = section.endsWith(".feature_flags") ? flags : (knownKeys[section] ?? "").trim().split(/\s+/);
        assert.ok(known.includes(key) || known.includes(`${key}[]`), `[${section}] ${key}`);
      }
    });
  }

  it("lets only the ways with a daemon of their own be privileged", () => {
    assert.deepEqual(
      dockerWays.map((way) => docker(rendered(way)).privileged),
      [false, true, true, true],
    );
  });

  it("lets a job with a daemon inside be privileged when it names the runner's image, or none", () => {
    // Runner 17.10 and 19.4 compare the list with the image as the job names it; empty is the runner's own.
    const { allowed_privileged_images: allowed, image } = docker(rendered("dind-job"));
    assert.deepEqual(allowed, ["", image]);
    // Beside a service it is the service alone, so a job that names no image stays without privileges.
    assert.ok(!docker(rendered("dind")).allowed_privileged_images!.includes(""));
  });

  it("gives DooD the node's socket, one job per node, and one build folder under the same path on both sides", () => {
    const config = rendered("dood");
    assert.equal(config.concurrent, 1);
    const builds = config.runners![0]!.builds_dir!;
    assert.ok(docker(config).volumes!.includes(`${builds}:${builds}`));
    assert.ok(docker(config).volumes!.includes("/var/run/docker.sock:/var/run/docker.sock"));
  });

  it("gives DinD a TLS service as docker, shared client certificates, and no wait for port 2375", () => {
    const config = rendered("dind");
    assert.deepEqual(docker(config).services, [{ name: "docker:29.7.2-dind", alias: "docker" }]);
    assert.ok(docker(config).volumes!.includes("/certs/client"));
    assert.equal(docker(config).wait_for_services_timeout, -1);
    assert.deepEqual(config.runners![0]!.environment, [
      "DOCKER_HOST=tcp://docker:2376",
      "DOCKER_TLS_CERTDIR=/certs",
      "DOCKER_TLS_VERIFY=1",
      "DOCKER_CERT_PATH=/certs/client",
      "BUILDKIT_NO_CLIENT_TOKEN=1",
    ]);
  });

  for (const way of dockerWays) {
    it(`has the daemon fetch a registry's token, not the client in the job, which trusts nothing: ${way} [8.12]`, () => {
      const [runner] = rendered(way, {
        config: { runners: [{ environment: ["BUILDKIT_NO_CLIENT_TOKEN=0"] }] },
      }).runners!;
      const set = runner!.environment!.filter((line) => line.startsWith("BUILDKIT_NO_CLIENT_TOKEN="));
      // Of two values of a name the runner takes the last: the stack file has the last word.
      assert.equal(set[0], "BUILDKIT_NO_CLIENT_TOKEN=1");
      assert.equal(set.at(-1), "BUILDKIT_NO_CLIENT_TOKEN=0");
    });
  }

  it("gives the daemon inside a job a real volume for its layers, and an image that has dockerd", () => {
    assert.ok(docker(rendered("dind-job")).volumes!.includes("/var/lib/docker"));
    assert.equal(docker(rendered("dind-job")).image, "docker:29.7.2-dind");
  });

  it("switches TLS off for dind-plain alone", () => {
    for (const way of dockerWays) {
      const off = (rendered(way).runners![0]!.environment ?? []).includes("DOCKER_HOST=tcp://docker:2375");
      assert.equal(off, way === "dind-plain", way);
    }
  });

  it("asks for work twice at once, so that one held request keeps no other job waiting", () => {
    assert.equal(rendered("dood").runners![0]!.request_concurrency, 2);
    assert.equal(rendered("dood", { concurrent: 5 }).runners![0]!.request_concurrency, 5);
  });

  it("writes pull policies as a list", () => {
    assert.deepEqual(docker(rendered("dood", { pullPolicy: ["never"] })).pull_policy, ["never"]);
    assert.deepEqual(docker(rendered("dood")).pull_policy, ["always", "if-not-present"]);
  });

  it("pins the helper image of the nodes' architecture", () => {
    assert.match(docker(rendered("dood", { architecture: "arm64" })).helper_image!, /:arm64-v19\.4\.0$/);
    assert.match(docker(rendered("dood", { architecture: "amd64" })).helper_image!, /:x86_64-v19\.4\.0$/);
    assert.equal(docker(rendered("dood")).helper_image, undefined);
  });

  it("puts the stack's own words over the preset, and adds to the lists that the way needs", () => {
    const config = rendered("dind", {
      config: {
        log_level: "debug",
        runners: [
          { environment: ["A=b"], pre_build_script: "echo mine", docker: { memory: "3g", volumes: ["/extra"] } },
        ],
      },
    });
    assert.equal(config.log_level, "debug");
    assert.equal(docker(config).memory, "3g");
    assert.ok(docker(config).volumes!.includes("/certs/client") && docker(config).volumes!.includes("/extra"));
    assert.equal(config.runners![0]!.environment!.at(-1), "A=b");
    assert.match(config.runners![0]!.pre_build_script!, /docker info[\s\S]*echo mine$/);
  });

  it("renders equal settings to equal text", () => {
    const one = dockerRunnerConfig(settingsOf("dind", { hostAliases: { b: "10.0.0.2", a: "10.0.0.1" } }), token);
    const two = dockerRunnerConfig(settingsOf("dind", { hostAliases: { a: "10.0.0.1", b: "10.0.0.2" } }), token);
    assert.equal(renderConfigToml(one), renderConfigToml(two));
  });
});

describe("the files of an inner daemon", () => {
  const registries = [
    { address: "plain.lan:5000", insecure: true },
    { address: "signed.lan", ca: "-----BEGIN CERTIFICATE-----" },
  ];

  it("trust the same registries as the nodes", () => {
    const files = daemonFiles(settingsOf("dind", { registries }));
    assert.deepEqual(JSON.parse(files["daemon.json"]!)["insecure-registries"], ["plain.lan:5000"]);
    assert.match(files["certs.d/signed.lan/pi-runners.crt"]!, /BEGIN CERTIFICATE/);
    assert.deepEqual(daemonFiles(settingsOf("dood", { registries })), {});
  });

  it("pass the MTU on, by keys that this release of Docker knows", () => {
    const now = JSON.parse(daemonFiles(settingsOf("dind", { mtu: 1400 }))["daemon.json"]!);
    assert.equal(now.mtu, 1400);
    assert.equal(now["default-network-opts"].bridge["com.docker.network.driver.mtu"], "1400");
    const old = JSON.parse(
      daemonFiles(settingsOf("dind", { mtu: 1400, dindImage: "docker:20.10-dind" }))["daemon.json"]!,
    );
    assert.equal(old.mtu, 1400);
    assert.equal(old["default-network-opts"], undefined);
  });

  it("cap the logs of inner containers", () => {
    const daemon = JSON.parse(daemonFiles(settingsOf("dind-job"))["daemon.json"]!);
    assert.equal(daemon["log-opts"]["max-size"], "10m");
  });
});
