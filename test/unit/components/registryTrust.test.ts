import * as pulumi from "@pulumi/pulumi";
import assert from "node:assert/strict";
import { InvalidInputsError, RegistryTrust, type Registry, type RegistryTrustArgs } from "../../../components";
import { hostKey } from "../config/stackFile";
import { during, mockEngine, only, type Registered } from "./mocks";

const command = "command:remote:Command";
const component = "pi-runners:index:RegistryTrust";

describe("RegistryTrust", () => {
  before(mockEngine);

  const plain: Registry = { address: "registry.lan:5000", insecure: true };
  const network: Registry = { address: "10.9.0.0/16", insecure: true };
  const args = (more: Partial<RegistryTrustArgs> = {}): RegistryTrustArgs => ({
    nodes: [{ name: "a", host: "10.0.0.1", hostKey: hostKey("1") }],
    registries: [plain, network],
    ...more,
  });
  const registered = (given: RegistryTrustArgs): Promise<Registered[]> =>
    during(() => new RegistryTrust("trust", given));

  it("shows registries by address, and nothing secret", async () => {
    const ssh = { password: "SeCrEt", privateKey: "SeCrEt", sudoPassword: "SeCrEt" };
    const { inputs } = only(await registered(args({ ssh })), component);
    assert.deepEqual(inputs["registries"], { "10.9.0.0/16": "insecure", "registry.lan:5000": "insecure" });
    assert.doesNotMatch(JSON.stringify(inputs), /SeCrEt/);
  });

  it("registries in another order are no change, neither of the component nor of a node [8.23]", async () => {
    const one = await registered(args());
    const two = await registered(args({ registries: [network, plain] }));
    assert.deepEqual(only(one, component).inputs, only(two, component).inputs);
    assert.deepEqual(only(one, command).inputs, only(two, command).inputs);
  });

  it("every error is told at once, by the property that has it, before anything is registered [8.10]", () => {
    const wrong = args({
      nodes: [
        { name: "a", host: "10.0.0.1", hostKey: "none" },
        { name: "a", host: "10.0.0.2", hostKey: hostKey("1") },
      ],
      registries: [{ address: "my_registry:5000" }, plain, plain],
      rollout: { batchSize: 0 },
    });
    assert.throws(
      () => new RegistryTrust("trust", wrong),
      (error: unknown) => {
        assert.ok(error instanceof InvalidInputsError && pulumi.InputPropertiesError.isInstance(error));
        assert.deepEqual(
          error.errors.map(({ propertyPath }) => propertyPath),
          ["nodes[1].name", "nodes[0].hostKey", "registries[0].address", "registries[2].address", "rollout.batchSize"],
        );
        assert.match(error.message, /RegistryTrust trust cannot be used:\n {2}nodes\[1\]\.name: "a" is the name of/);
        return true;
      },
    );
  });

  it("what the update finds out is judged then [8.10]", async () => {
    const later = pulumi.output(Promise.resolve([{ address: "nas", insecure: true }]));
    await assert.rejects(
      registered(args({ registries: later })),
      /registries\[0\]\.address: "nas" has neither dot nor port/,
    );
  });
});
