/** A runner that asks for sysbox, on nodes that have none: the lab has no sysbox, so only the refusal is proven. */
import assert from "node:assert/strict";
import { eventually, gitlab } from "../lab/stack/lab";
import { EngineStack, only, type RunnerEntry } from "./engineStack";

const name = "boxed";
const runners: RunnerEntry[] = [{ name, way: "dind", runtime: "sysbox-runc", waitForNodes: false, ...only(2) }];

describe("runtime: sysbox-runc on a node whose Docker does not know it", function () {
  this.timeout(300_000);
  let stack: EngineStack;

  before(async () => {
    stack = await EngineStack.of("boxed", runners);
    await stack.up(runners);
  });
  after(() => stack?.destroy());

  it("refuses the runner in three parts, in the status of its pod, and takes no job", async () => {
    const message = await eventually("the pod says why", 120, async () => {
      const [pod] = await stack.pods(name);
      const init = pod?.status?.initContainerStatuses?.[0];
      return (init?.state?.terminated ?? init?.lastState?.terminated)?.message;
    });
    assert.match(message, /Docker of node node2 does not know the runtime sysbox-runc/);
    assert.match(message, /Install sysbox there, or give the runner a nodeSelector .* or drop runtime/);
    const [pod] = await stack.pods(name);
    assert.equal(pod!.status!.phase, "Pending");
    const { managers } = (await gitlab.runners()).find(({ description }) => description === name)!;
    assert.deepEqual(managers, []);
  });

  it("comes up once the runtime is dropped, as the message says", async () => {
    await stack.up(runners.map(({ runtime: _runtime, ...runner }) => runner));
    await stack.ready(name);
  });
});
