import fc from "fast-check";
import assert from "node:assert/strict";
import { Python } from "./python";

const python = new Python(__dirname);
after(() => python.end());

const entry = fc.constantFrom("r1:1", "r2:2", "r3:3");
const holder = fc.constantFrom("a", "b", "c");
/** At which step the power goes; mostly not at all. */
const cut = fc.option(fc.nat(12), { freq: 2 });
const indent = fc.constantFrom(null, 1, 4);

const event = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant("apply"), holder, fc.uniqueArray(entry, { minLength: 1 }), cut) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("remove"), holder, cut) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("add"), entry, indent) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("take"), entry, indent) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("label"), fc.nat(9), indent) },
);

const start = fc.constantFrom(
  null,
  "",
  "{}",
  '{ "labels" : ["n=0"] }\n',
  '{\n\t"insecure-registries": [\n\t\t"r1:1"\n\t],\n\t"debug": false\n}',
  '{"insecure-registries":["hand:1","r2:2"]}',
  '{"insecure-registries":[ ]}\r\n',
);

describe("docker.py: any history of stacks, hand edits and power cuts (with a stand-in for the engine)", () => {
  it("loses nothing of the owner's, and leaves nothing of its own", () =>
    fc.assert(
      fc.asyncProperty(start, fc.array(event, { maxLength: 8 }), async (text, events) => {
        assert.equal(await python.call<string | null>("histories", "play", text, events), null);
      }),
      { numRuns: 300 },
    )).timeout(60_000);

  it("gives back every byte where nobody else wrote", () =>
    fc.assert(
      fc.asyncProperty(
        start,
        fc.array(fc.tuple(holder, fc.uniqueArray(entry)), { maxLength: 6 }),
        async (text, runs) => {
          assert.equal(await python.call<string | null>("histories", "restored", text, runs), text);
        },
      ),
      { numRuns: 200 },
    )).timeout(60_000);
});
