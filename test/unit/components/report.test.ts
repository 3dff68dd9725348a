import assert from "node:assert/strict";
import { summaryOf } from "../../../components/registryTrust/report";

describe("a node in a line", () => {
  it("says what was found, what its engines trust, and that there are warnings", () => {
    const facts = { system: "Debian GNU/Linux 13 (trixie)", architecture: "aarch64" } as never;
    const docker = {
      engine: "docker",
      version: "26.1.5",
      config: "",
      how: "none",
      trusted: ["a:5000", "b:5000"],
    } as const;
    const k3s = { ...docker, engine: "k3s", version: "1.33", trusted: [] } as const;
    assert.equal(
      summaryOf({
        node: "n",
        facts,
        engines: [
          { ...docker, trusted: [...docker.trusted] },
          { ...k3s, trusted: [] },
        ],
        warnings: ["w"],
      }),
      "Debian GNU/Linux 13 (trixie), aarch64: docker 26.1.5 trusts a:5000, b:5000; k3s 1.33 trusts none; warnings: 1",
    );
  });
});
