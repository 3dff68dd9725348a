import assert from "node:assert/strict";
import { run } from "./lab";

describe("the words of make", () => {
  it("env prints nothing but exports, and they lead a shell to the lab", async () => {
    const { code, output } = await run("make", ["-s", "env"]);
    assert.equal(code, 0, output);
    for (const line of output.split("\n")) {
      assert.match(line, /^export [A-Z_]+='.*'$/);
    }
    const shell = await run("bash", ["-c", 'eval "$(make -s env)" && pulumi stack ls --non-interactive']);
    assert.match(shell.output, /^dev\b/m);
  });

  it("job WAY=… builds and pushes an image that way", async () => {
    const { code, output } = await run("make", ["job", "WAY=dind-job"]);
    assert.equal(code, 0, output);
    assert.match(output, /pushed \S+\/lab\/hello-dind-job\S+\s+digest sha256:[0-9a-f]{64}/);
  });

  it("job with a WAY that the stack does not have names those that it has", async () => {
    const { code, output } = await run("make", ["job", "WAY=by-hand"]);
    assert.notEqual(code, 0);
    assert.match(output, /by-hand[\s\S]*dood, dind, dind-job/);
  });
});
