import assert from "node:assert/strict";
import { createRequire } from "node:module";
import * as pulumi from "@pulumi/pulumi";
import { asText, hostKey } from "./config/stackFile";

const stack = {
  "pi-runners:gitlab": { url: "https://gitlab.lan" },
  "pi-runners:registries": [{ address: "registry.lan:5000", insecure: true }],
  "pi-runners:runners": [
    { name: "first", way: "dood" },
    { name: "second", way: "dind" },
  ],
  "pi-runners:tokens": { first: "glrt-SeCrEt0123456789ab", second: "glrt-SeCrEt0123456789cd" },
};

interface Request {
  getType(): string;
  getName(): string;
  getAliasurnsList(): string[];
  getAliasesList(): { getUrn(): string; getSpec(): { getType(): string } | undefined }[];
}

interface Monitor {
  registerResource(request: Request, done: unknown): unknown;
}

describe("the program of a stack", () => {
  it("knows a runner whose way was changed by what it was before: its objects keep their names [8.28]", async () => {
    const aliases = new Map<string, string>();
    await pulumi.runtime.setMocks(
      {
        newResource: ({ name, inputs }) => ({ id: `${name}-id`, state: inputs as object }),
        call: ({ inputs }) => inputs as object,
      },
      "pi-runners",
      "test",
    );
    // Mocks are not told of aliases.
    const { getMonitor } = pulumi.runtime as unknown as { getMonitor: () => Monitor };
    const monitor = getMonitor();
    const register = monitor.registerResource.bind(monitor);
    monitor.registerResource = (request, done) => {
      const known = [
        ...request.getAliasurnsList(),
        ...request.getAliasesList().map((alias) => alias.getSpec()?.getType() ?? alias.getUrn()),
      ];
      aliases.set(`${request.getType()} ${request.getName()}`, known.join(" "));
      return register(request, done);
    };
    pulumi.runtime.setAllConfig(asText(stack), ["pi-runners:tokens"]);
    await import("../../index.js");
    for (let waited = 0; aliases.size < 8 && waited < 200; waited++) {
      await new Promise((done) => setTimeout(done, 25));
    }
    assert.match(aliases.get("pi-runners:index:DoodRunner first")!, /pi-runners:index:DindRunner/);
    assert.match(aliases.get("pi-runners:index:DindRunner second")!, /pi-runners:index:DoodRunner/);
  });

  it("warns, in previews too, where the runners of a node may take more memory than it has", async () => {
    const mocks = {
      newResource: ({ name, inputs }: pulumi.runtime.MockResourceArgs) => ({
        id: `${name}-id`,
        state: inputs as object,
      }),
      call: ({ inputs }: pulumi.runtime.MockCallArgs) => inputs as object,
    };
    await pulumi.runtime.setMocks(mocks, "pi-runners", "small");
    // Without an engine, the SDK says it here.
    const { warn } = console;
    const told: string[] = [];
    console.warn = (text: string) => told.push(text);
    const nodes = [{ name: "pi1", host: "192.0.2.1", hostKey: hostKey("a"), memory: "2Gi" }];
    pulumi.runtime.setAllConfig(asText({ ...stack, "pi-runners:nodes": nodes }), ["pi-runners:tokens"]);
    const load = createRequire(__filename);
    delete load.cache[load.resolve("../../index.ts")];
    load("../../index.ts");
    console.warn = warn;
    assert.match(told.join("\n"), /^warning: .* Node pi1: .* 4\.8 GiB at once, and there are 2 GiB/);
  });

  it("needs no cluster where every runner is on hosts", async () => {
    const types = new Set<string>();
    await pulumi.runtime.setMocks(
      {
        newResource: ({ type, name, inputs }) => {
          types.add(type);
          return { id: `${name}-id`, state: inputs as object };
        },
        call: ({ inputs }) => inputs as object,
      },
      "pi-runners",
      "hosts",
    );
    const hosts = {
      "pi-runners:gitlab": { url: "https://gitlab.lan" },
      "pi-runners:registries": [{ address: "registry.lan:5000", insecure: true }],
      "pi-runners:nodes": [{ name: "pi1", host: "192.0.2.1", hostKey: hostKey("a") }],
      "pi-runners:runners": [{ name: "first", way: "shell", hosts: ["pi1"], packageVersion: "19.4.0-1" }],
      "pi-runners:tokens": { first: "glrt-SeCrEt0123456789ab" },
    };
    pulumi.runtime.setAllConfig(asText(hosts), ["pi-runners:tokens"]);
    // Required, as an import would give what ran for the stack before.
    const load = createRequire(__filename);
    delete load.cache[load.resolve("../../index.ts")];
    const { namespace } = load("../../index.ts") as { namespace?: unknown };
    for (let waited = 0; !types.has("command:remote:Command") && waited < 200; waited++) {
      await new Promise((done) => setTimeout(done, 25));
    }
    assert.ok(types.has("pi-runners:index:ShellRunner") && types.has("command:remote:Command"), [...types].join());
    assert.deepEqual(
      [...types].filter((type) => /kubernetes/i.test(type) || type === "pi-runners:index:RunnerNamespace"),
      [],
    );
    assert.equal(namespace, undefined);
  });
});
