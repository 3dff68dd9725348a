import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { parseConfig, type StackConfig } from "../../../config/stackConfig";
import { valueOf } from "../components/mocks";
import { asText, nodeOf, stackOf } from "./stackFile";

const http = "http://proxy.lan:3128";
const withLogin = "http://me:SeCrEt@proxy.lan:8080";
const runners = [
  { name: "dood", way: "dood" },
  { name: "pods", way: "kubernetes", proxy: {} },
  { name: "host", way: "shell", hosts: ["pi1"], packageVersion: "1", proxy: { https: "https://other.lan" } },
];
const nodes = [nodeOf("pi1")];

describe("the proxy of a stack", () => {
  // What does not stand in a file may be secret.
  const proxies = (config: StackConfig): Promise<unknown[]> =>
    Promise.all(config.runners.map(({ settings }) => valueOf(pulumi.output(settings.proxy))));

  it("is every runner's, unless it has one of its own, or none", async () => {
    const config = stackOf(runners, { nodes, runnerDefaults: { proxy: { http, noProxy: [".lan"] } } });
    assert.deepEqual(await proxies(config), [{ http, noProxy: [".lan"] }, {}, { https: "https://other.lan" }]);
  });

  it("is where pods may go, by its own port", () => {
    const ports = (proxy: object): number[] => stackOf(runners, { nodes, runnerDefaults: { proxy } }).egressPorts;
    assert.deepEqual(ports({}), []);
    assert.deepEqual(ports({ http, https: "http://proxy.lan" }), [3128, 80]);
    assert.deepEqual(ports({ http: "https://proxy.lan" }), [443]);
  });

  it("is for the Job that registers a runner, too", () => {
    const tokens = { pods: "glrt-pods".padEnd(25, "x"), host: "glrt-host".padEnd(25, "x") };
    const legacy = { registrationTokens: { dood: "GR1348941abcdefghijklmnop" }, tokens };
    const config = stackOf(runners, { nodes, runnerDefaults: { proxy: { http } }, ...legacy });
    assert.deepEqual(config.runners[0]!.token.place!.proxy, { http });
  });

  it("is a secret where it has a login, or is encrypted, and the rest of the runner is not", async () => {
    const encrypted = { secure: "v1:x" };
    const read = (proxy: object, written: unknown): StackConfig => {
      const values = {
        gitlab: { url: "https://gitlab.lan" },
        registries: [{ address: "registry.lan:5000", insecure: true }],
        runners: [{ name: "dood", way: "dood" }],
        tokens: { dood: "glrt-SeCrEt0123456789ab" },
        runnerDefaults: { proxy },
      };
      const own = Object.entries(values).map(([key, value]) => [`pi-runners:${key}`, value]);
      const file = { ...values, tokens: encrypted, runnerDefaults: written };
      return parseConfig(asText(Object.fromEntries(own)), () => true, file);
    };
    for (const [proxy, written, secret] of [
      [{ http: withLogin }, { proxy: { http: encrypted } }, true],
      [{ http }, { proxy: { http: encrypted } }, true],
      [{ http }, { proxy: encrypted }, true],
      [{ http }, encrypted, true],
      [{ http: "http://me@proxy.lan" }, { proxy: { http: "http://me@proxy.lan" } }, true],
      [{ http }, { proxy: { http } }, false],
    ] as const) {
      const { settings } = read(proxy, written).runners[0]!;
      assert.equal(await pulumi.isSecret(pulumi.output(settings.proxy)), secret, JSON.stringify(written));
      assert.equal(await pulumi.isSecret(pulumi.output({ ...settings, proxy: undefined })), false);
    }
    assert.throws(
      () => read({ http: withLogin }, { proxy: { http: withLogin } }),
      (error: Error) =>
        /pi-runners:runnerDefaults\.proxy\.http: holds secrets in plain text/.test(error.message) &&
        !error.message.includes("SeCrEt"),
    );
  });

  it("is refused with what is wrong, at the runner that has it", () => {
    assert.throws(
      () => stackOf([{ name: "dood", way: "dood", proxy: { https: "proxy.lan:3128" } }]),
      /pi-runners:runners\[0\]\.proxy\.https: is no address of a proxy; write such as http:\/\/proxy\.lan:3128/,
    );
  });
});
