/** Each right that the manager has is one that jobs need: without it, something of a job does not work. */
import assert from "node:assert/strict";
import type { V1PolicyRule } from "@kubernetes/client-node";
import { destroyWays, eventually } from "../../lab/stack/lab";
import { deployWays, ended, jobPods, jobSecrets, rights, startJob, sweep } from "./ways";

interface Outcome {
  status: string;
  trace: string;
}

const fails = ({ status, trace }: Outcome): void => {
  assert.equal(status, "failed");
  assert.match(trace, /is forbidden: User "system:serviceaccount:gitlab-ways:kubernetes-manager" cannot/);
};

const warns = ({ trace }: Outcome): void => assert.match(trace, /WARNING: won't use informers: "not allowed/);

/** What a pod's events say is told in the log of a job that fails; here each has one, as the lab has no DNS of the cluster. */
const events = /Event retrieved from the cluster/;

/** The log of a job that fails. */
async function failing(): Promise<string> {
  const { status, trace } = await ended(await startJob("rights", "exit 1"));
  assert.equal(status, "failed");
  return trace;
}

/** What shows without a right: by verb and resource. */
const needed: Record<string, (outcome: Outcome) => void | Promise<void>> = {
  "create pods": fails,
  "get pods": fails,
  // Without one of these, a pod that is gone is not noticed at once.
  "list pods": warns,
  "watch pods": warns,
  "delete pods": async ({ trace }) => {
    assert.match(trace, /Error cleaning up pod: .*cannot delete resource/);
    assert.equal((await jobPods()).length, 1, "the pod of the job that ended is still there");
  },
  "create pods/attach": fails,
  "create pods/exec": fails,
  "create secrets": fails,
  "update secrets": fails,
  "delete secrets": async () => {
    await eventually("the Secret of the job that had a pod went with it", 60, async () =>
      (await jobSecrets()).length === 0 ? true : undefined,
    );
    // Only where there is no pod that the Secret would go with.
    await rights(without(await rights(), "create pods"));
    const { status } = await ended(await startJob("rights", "true"));
    assert.equal(status, "failed");
    assert.equal((await jobSecrets()).length, 1, "the login of a job whose pod was refused is still there");
  },
  "list events": async () => assert.doesNotMatch(await failing(), events),
};

function without(rules: V1PolicyRule[], right: string): V1PolicyRule[] {
  const each = rules.flatMap(({ resources = [], verbs, ...rule }) =>
    resources.map((resource) => ({
      ...rule,
      resources: [resource],
      verbs: verbs.filter((verb) => `${verb} ${resource}` !== right),
    })),
  );
  return each.filter(({ verbs }) => verbs.length > 0);
}

describe("the rights of the Kubernetes executor's manager", function () {
  this.timeout(300_000);

  let rules: V1PolicyRule[];
  before(async () => {
    await deployWays();
    rules = await rights();
  });
  beforeEach(sweep);
  afterEach(() => rights(rules));
  after(async () => {
    await sweep();
    await destroyWays();
  });

  it("are those that this test knows", () => {
    const all = rules.flatMap(({ resources, verbs }) =>
      resources!.flatMap((one) => verbs.map((verb) => `${verb} ${one}`)),
    );
    assert.deepEqual([...all].sort(), Object.keys(needed).sort());
  });

  it("are enough: a job leaves no pod, no Secret and no complaint behind", async () => {
    const { status, trace } = await ended(await startJob("rights", "echo hello"));
    assert.equal(status, "success");
    assert.doesNotMatch(trace, /forbidden|not allowed/);
    assert.match(await failing(), events);
    await eventually("pod and Secret are gone", 60, async () =>
      (await jobPods()).length + (await jobSecrets()).length === 0 ? true : undefined,
    );
  });

  for (const [right, look] of Object.entries(needed)) {
    it(`are all needed: ${right}`, async () => {
      await rights(without(rules, right));
      const outcome = await ended(await startJob("rights", "echo hello"));
      await look(outcome);
    });
  }
});
