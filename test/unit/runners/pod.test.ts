import assert from "node:assert/strict";
import { systemId, systemIdScript } from "../../../components/runners/identity";
import { podTemplate, secretFiles } from "../../../components/runners/docker/pod";
import { dockerWays } from "../../../components/runners/docker/ways";
import { settingsOf } from "./settings";
import { run } from "./shell";

describe("the pod of a runner", () => {
  it("stays the same when only what the runner reloads by itself changes", () => {
    const before = JSON.stringify(podTemplate(settingsOf("dood")));
    for (const change of [
      { concurrent: 4 },
      { checkInterval: 10 },
      { jobImage: "docker:28-cli" },
      { pullPolicy: ["never" as const] },
      { config: { log_level: "debug" as const } },
    ]) {
      assert.equal(JSON.stringify(podTemplate(settingsOf("dood", change))), before, JSON.stringify(change));
      assert.notDeepEqual(secretFiles(settingsOf("dood", change), "t"), secretFiles(settingsOf("dood"), "t"));
    }
  });

  it("changes when a restart is needed", () => {
    const before = JSON.stringify(podTemplate(settingsOf("dind")));
    for (const change of [
      { image: "gitlab/gitlab-runner:alpine-v19.3.0" },
      { metricsPort: 9300 },
      { mtu: 1400 },
      { registries: [{ address: "plain.lan", insecure: true }] },
    ]) {
      assert.notEqual(JSON.stringify(podTemplate(settingsOf("dind", change))), before, JSON.stringify(change));
    }
  });

  for (const way of dockerWays) {
    it(`is not privileged, holds no capability and no token, and mounts the Secret as a folder: ${way}`, () => {
      interface Manager {
        securityContext: object;
        volumeMounts: { name: string; subPath?: string }[];
      }
      const pod = podTemplate(settingsOf(way)) as unknown as {
        spec: {
          automountServiceAccountToken: boolean;
          containers: Manager[];
          initContainers?: (Manager & { name: string })[];
        };
      };
      const engine = (pod.spec.initContainers ?? []).filter(({ name }) => name === "engine");
      assert.equal(engine.length, way === "dind-resident" ? 1 : 0, "only a resident engine is privileged");
      for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
        if (engine.some((one) => one === container)) {
          continue;
        }
        const context = container.securityContext as Record<string, unknown>;
        assert.equal(context["privileged"], false);
        assert.equal(context["allowPrivilegeEscalation"], false);
        assert.equal(context["readOnlyRootFilesystem"], true);
        assert.deepEqual(context["capabilities"], { drop: ["ALL"] });
      }
      assert.equal(pod.spec.automountServiceAccountToken, false);
      assert.ok(pod.spec.containers[0]!.volumeMounts.every(({ subPath }) => subPath === undefined));
    });
  }

  it("adds requests and limits to those of the node's size, and never asks for more than its limit [8.28]", () => {
    const resources = (given: object): object =>
      (podTemplate(settingsOf("dood", { resources: given })) as { spec: { containers: { resources: object }[] } }).spec
        .containers[0]!.resources;
    assert.deepEqual(resources({ requests: { memory: "512Mi" } }), {
      requests: { cpu: "50m", memory: "512Mi" },
      limits: { memory: "512Mi" },
    });
    assert.deepEqual(resources({ limits: { memory: "32Mi", cpu: "1" } }), {
      requests: { cpu: "50m", memory: "32Mi" },
      limits: { memory: "32Mi", cpu: "1" },
    });
  });

  for (const way of dockerWays.filter((one) => one !== "dind-resident")) {
    it(`sees the folder of the node's Docker socket, never the socket file itself: ${way} [8.25]`, () => {
      const dockerSocket = "/run/other/engine.sock";
      const pod = podTemplate(settingsOf(way, { dockerSocket })) as unknown as {
        spec: {
          containers: { volumeMounts: { name: string; readOnly?: boolean }[] }[];
          initContainers: { volumeMounts: { name: string; readOnly?: boolean }[] }[];
          volumes: { name: string; hostPath?: { path: string; type: string } }[];
        };
      };
      const paths = pod.spec.volumes.flatMap(({ hostPath }) => hostPath ?? []);
      assert.ok(paths.every(({ type }) => type.startsWith("Directory")));
      assert.deepEqual(pod.spec.volumes.find(({ name }) => name === "docker")!.hostPath, {
        path: "/run/other",
        type: "Directory",
      });
      for (const { volumeMounts } of [...pod.spec.containers, ...pod.spec.initContainers]) {
        assert.equal(volumeMounts.find(({ name }) => name === "docker")!.readOnly, true);
      }
    });
  }

  it("gives it the runner's own 30 s where shutdown_timeout is 0 or less, as the runner does [8.26]", () => {
    for (const given of [0, -5000]) {
      const settings = settingsOf("dood", { drainTimeout: 600, config: { shutdown_timeout: given } });
      const { spec } = podTemplate(settings) as { spec: { terminationGracePeriodSeconds: number } };
      assert.equal(spec.terminationGracePeriodSeconds, 645);
    }
  });

  it("gives the runner its shutdown_timeout once the drain has run out, and no drain to one that hangs [8.26]", () => {
    interface Spec {
      spec: {
        terminationGracePeriodSeconds: number;
        containers: Record<string, { terminationGracePeriodSeconds?: number }>[];
      };
    }
    const pod = podTemplate(
      settingsOf("dood", { drainTimeout: 600, config: { shutdown_timeout: 90 } }),
    ) as unknown as Spec;
    assert.ok(pod.spec.terminationGracePeriodSeconds >= 600 + 90 + 5);
    for (const probe of ["livenessProbe", "startupProbe"]) {
      assert.ok(pod.spec.containers[0]![probe]!.terminationGracePeriodSeconds! <= 30, probe);
    }
  });

  it("asks nobody but the runner itself whether it lives", () => {
    const text = JSON.stringify(podTemplate(settingsOf("dood", { url: "https://gitlab.lan" })));
    assert.match(text, /"livenessProbe":\{"httpGet":\{"path":"\/metrics"/);
    assert.doesNotMatch(text, /gitlab\.lan/);
  });

  it("resolves the names of the LAN, one entry per address", () => {
    const hostAliases = { "gitlab.lan": "10.0.0.5", "registry.lan": "10.0.0.5", "cache.lan": "10.0.0.6" };
    const pod = podTemplate(settingsOf("dood", { hostAliases })) as unknown as { spec: { hostAliases: object[] } };
    assert.deepEqual(pod.spec.hostAliases, [
      { ip: "10.0.0.6", hostnames: ["cache.lan"] },
      { ip: "10.0.0.5", hostnames: ["gitlab.lan", "registry.lan"] },
    ]);
  });
});

describe("the identity of a runner manager", () => {
  it("is what the pod computes, has the form that the runner takes, and differs by node, pool and random id", () => {
    const env = { PATH: process.env["PATH"]!, NODE_NAME: "pi-1", RUNNER_POOL: "ci/dood" };
    assert.equal(run(["sh"], systemIdScript, env).output, systemId("pi-1", "ci/dood"));
    assert.match(systemId("pi-1", "ci/dood"), /^[sr]_[0-9a-zA-Z]{12}$/);
    const salted = { ...env, RUNNER_SALT: "0a1b2c3d" };
    assert.equal(run(["sh"], systemIdScript, salted).output, systemId("pi-1", "ci/dood", "0a1b2c3d"));
    const ids = [
      systemId("a", "x"),
      systemId("b", "x"),
      systemId("a", "y"),
      systemId("a", "x", "1"),
      systemId("a", "x", "2"),
    ];
    assert.equal(new Set(ids).size, 5);
  });
});
