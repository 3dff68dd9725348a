import fc from "fast-check";
import assert from "node:assert/strict";
import { Python } from "./python";

const python = new Python(__dirname);
after(() => python.end());

const runner = fc.constantFrom("a", "b");
const variant = fc.tuple(fc.nat(2), fc.nat(2), fc.boolean());
/** What does not work on the host; mostly nothing. */
const broken = fc.option(fc.constantFrom("fetch", "try", "serve"), { freq: 2 });
/** At which step the power goes; mostly not at all. */
const cut = fc.option(fc.nat(24), { freq: 2 });

const event = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant("apply"), runner, variant, broken, cut) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("remove"), runner, cut) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("edit"), runner) },
);

describe("shellrunner.py: any history of two runners of a host, with failures and power cuts (stand-ins for the host)", () => {
  it("runs what was applied last, goes back where that fails, and leaves nothing when both are gone", () =>
    fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 8 }), async (events) => {
        assert.equal(await python.call<string | null>("shellHistories", "play", events), null);
      }),
      { numRuns: 300 },
    )).timeout(120_000);
});
