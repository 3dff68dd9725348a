import assert from "node:assert/strict";
import fc from "fast-check";
import { parse } from "smol-toml";
import { daemonFiles, dockerRunnerConfig } from "../../../components/runners/docker/dockerConfig";
import { featureFlags } from "../../../components/runners/configToml/featureFlags";
import { volumeDestination } from "../../../components/runners/configToml/merge";
import { renderConfigToml } from "../../../components/runners/configToml/render";
import type { ConfigToml } from "../../../components/runners/configToml/settings/config";
import { dockerWays, type DockerWay } from "../../../components/runners/docker/ways";
import { knownKeys } from "./knownKeys";
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

  it("lets only jobs with a daemon of their own be privileged", () => {
    assert.deepEqual(
      dockerWays.map((way) => docker(rendered(way)).privileged),
      [false, true, true, true, false],
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
    const { entrypoint, ...service } = docker(config).services![0]!;
    assert.deepEqual(service, { name: "docker:29.7.2-dind", alias: "docker" });
    assert.deepEqual(entrypoint!.slice(0, 2), ["/bin/sh", "-c"]);
    assert.ok(docker(config).volumes!.includes("/certs"));
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
      const set = (environment?: string[]): string[] =>
        rendered(way, { config: { runners: [{ environment }] } }).runners![0]!.environment!.filter((line) =>
          line.startsWith("BUILDKIT_NO_CLIENT_TOKEN="),
        );
      assert.deepEqual(set(), ["BUILDKIT_NO_CLIENT_TOKEN=1"]);
      assert.deepEqual(set(["BUILDKIT_NO_CLIENT_TOKEN=0"]), ["BUILDKIT_NO_CLIENT_TOKEN=0"]);
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

  it("has the runner make a network for each job where an MTU is set: the runner gives it to no other [8.28]", () => {
    const flags = (mtu?: number): object => {
      const runner = dockerRunnerConfig(settingsOf("dood", { mtu }), "glrt-x").runners![0]!;
      return { ...runner.feature_flags };
    };
    assert.deepEqual(flags(), { FF_DISABLE_AUTOMATIC_TOKEN_ROTATION: true });
    assert.deepEqual(flags(1400), { FF_DISABLE_AUTOMATIC_TOKEN_ROTATION: true, FF_NETWORK_PER_BUILD: true });
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
    assert.ok(docker(config).volumes!.includes("/certs") && docker(config).volumes!.includes("/extra"));
    assert.equal(config.runners![0]!.environment!.at(-1), "A=b");
    assert.match(config.runners![0]!.pre_build_script!, /docker version[\s\S]*echo mine$/);
  });

  it("lets a user's volume, host, variable, service take the place of the preset's [8.24]", () => {
    const own = {
      environment: ["DOCKER_CERT_PATH=/elsewhere", "A=b"],
      docker: {
        volumes: ["/srv/cache:/cache/", "/certs/client"],
        extra_hosts: ["GitLab.lan:10.9.9.9"],
        services: [{ name: "registry.lan/mine:dind", alias: "docker" }, { name: "postgres:16" }],
        allowed_privileged_images: ["tools/*"],
      },
    };
    const config = rendered("dind", {
      hostAliases: { "gitlab.lan": "10.0.0.1", b: "10.0.0.2" },
      config: { runners: [own] },
    });
    const destinations = docker(config).volumes!.map(volumeDestination);
    assert.deepEqual(destinations, [...new Set(destinations)]);
    assert.ok(docker(config).volumes!.includes("/srv/cache:/cache/") && !docker(config).volumes!.includes("/cache"));
    assert.deepEqual(docker(config).extra_hosts, ["b:10.0.0.2", "GitLab.lan:10.9.9.9"]);
    assert.deepEqual(config.runners![0]!.environment!.slice(-2), own.environment);
    assert.equal(config.runners![0]!.environment!.filter((one) => one.startsWith("DOCKER_CERT_PATH")).length, 1);
    assert.deepEqual(docker(config).services, own.docker.services);
    // The daemon that took the preset's place is the one that is privileged.
    assert.deepEqual(docker(config).allowed_privileged_services, ["registry.lan/mine:dind"]);
    assert.deepEqual(docker(config).allowed_privileged_images, ["registry.lan/mine:dind", "tools/*"]);
  });

  for (const way of dockerWays) {
    it(`never has two entries for one place, whatever the user adds: ${way} [8.24]`, () => {
      const volume = fc
        .tuple(
          fc.constantFrom("", "/srv/x:", "named:"),
          fc.constantFrom("/cache", "/data", "/etc/docker/daemon.json", "/certs/client", "/var/run/docker.sock"),
          fc.constantFrom("", "/"),
          fc.constantFrom("", ":ro"),
        )
        .map(([source, place, slash, mode]) => `${source}${place}${slash}${source === "" ? "" : mode}`);
      fc.assert(
        fc.property(
          fc.uniqueArray(volume, { selector: volumeDestination }),
          fc.uniqueArray(fc.constantFrom("DOCKER_HOST=a", "DOCKER_TLS_CERTDIR=b", "X=1")),
          (volumes, environment) => {
            const config = rendered(way, { config: { runners: [{ environment, docker: { volumes } }] } });
            const places = docker(config).volumes!.map(volumeDestination);
            assert.deepEqual(places, [...new Set(places)]);
            assert.ok(volumes.every((one) => docker(config).volumes!.includes(one)));
            const names = (config.runners![0]!.environment ?? []).map((one) => one.split("=")[0]);
            assert.deepEqual(names, [...new Set(names)]);
          },
        ),
      );
    });
  }

  it("leaves a place that the user makes a tmpfs to the tmpfs [8.24]", () => {
    const config = rendered("dood", { config: { runners: [{ docker: { tmpfs: { "/cache": "rw" } } }] } });
    assert.ok(!docker(config).volumes!.includes("/cache"));
  });

  it("allows the pull policy that it has itself, wherever that was said [8.24]", () => {
    const config = rendered("dood", { config: { runners: [{ docker: { pull_policy: "never" } }] } });
    assert.deepEqual(docker(config).allowed_pull_policies, ["never"]);
  });

  it("takes the helper of the release that the runner has [8.28]", () => {
    const helper = (image: string): string | undefined =>
      docker(rendered("dood", { architecture: "arm64", image })).helper_image;
    assert.match(helper("registry.lan/gitlab-runner:ubuntu-v18.5.0")!, /:arm64-v18\.5\.0$/);
    assert.equal(helper("me/gitlab-runner:armhf"), undefined);
    assert.equal(helper("pi-lab/gitlab-runner:12.8.0"), undefined);
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
