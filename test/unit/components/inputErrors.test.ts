import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { below, InvalidInputsError, propertyPath, refuseInvalid } from "../../../components/inputErrors";

const errors = [
  { propertyPath: "url", reason: "is missing" },
  { propertyPath: "config.runners[0].docker.memory", reason: "must be a text" },
];

function refusal(resource?: pulumi.Resource): InvalidInputsError {
  try {
    refuseInvalid("Runner dood", errors, resource);
  } catch (error) {
    assert.ok(error instanceof InvalidInputsError);
    return error;
  }
  throw new Error("nothing was refused");
}

describe("errors of inputs", () => {
  it("are none where nothing is wrong", () => refuseInvalid("Runner dood", []));

  it("are all in the message, which is all that Pulumi prints", () => {
    const error = refusal();
    assert.equal(
      error.message,
      "Runner dood cannot be used:\n  url: is missing\n  config.runners[0].docker.memory: must be a text",
    );
    assert.ok(pulumi.RunError.isInstance(error) && !pulumi.ResourceError.isInstance(error));
  });

  it("belong to a resource where there is one", () => {
    const error = refusal({} as pulumi.Resource);
    assert.ok(pulumi.ResourceError.isInstance(error) && !pulumi.RunError.isInstance(error));
    assert.equal((error as pulumi.ResourceError).hideStack, true);
  });

  it("reach a provider's host one by one", () => {
    const error: unknown = refusal();
    assert.ok(pulumi.InputPropertiesError.isInstance(error));
    assert.deepEqual(error.errors, errors);
  });

  it("name the input as pulumi config set --path does, from wherever one looks", () => {
    assert.equal(propertyPath(["runners", 0, "docker", "volumes", 1]), "runners[0].docker.volumes[1]");
    assert.deepEqual(
      below("runners[0]", [
        { propertyPath: "way", reason: "" },
        { propertyPath: "[1]", reason: "" },
        { propertyPath: "", reason: "" },
      ]).map((error) => error.propertyPath),
      ["runners[0].way", "runners[0][1]", "runners[0]"],
    );
  });
});
