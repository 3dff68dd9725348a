import fc from "fast-check";
import assert from "node:assert/strict";
import { Python } from "./python";

const python = new Python(__dirname);
after(() => python.end());

const network = ["10.1.0.0/16", "10.1.2.3/16", "127.0.0.0/8"];
const entry = fc.constantFrom("r1:1", "r2:2", "r3:3", ...network);
/** Entries as a user may write them: ours once more, or in another spelling, or one that Docker does not take. */
const byHand = fc.oneof(
  { weight: 4, arbitrary: entry },
  { weight: 2, arbitrary: fc.constantFrom("http://r1:1", "HTTPS://r2:2", "10.1.9.9/16", "::1/128") },
  { weight: 1, arbitrary: fc.constantFrom("r1:1/", "my_host:1", "r2:99999") },
);
const owner = fc.constantFrom("a", "b", "c");
/** At which step the power goes; mostly not at all. */
const cut = fc.option(fc.nat(12), { freq: 2 });
const indent = fc.constantFrom(null, 1, 4);
const version = fc.constantFrom("20.10.24", "26.1.5", "29.10.0");

const event = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant("apply"), owner, fc.uniqueArray(entry, { minLength: 1 }), cut) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("remove"), owner, cut) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("add"), byHand, indent) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("take"), byHand, indent) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("label"), fc.nat(9), indent) },
  { weight: 1, arbitrary: fc.constant(["delete"]) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("null"), indent) },
);

const start = fc.constantFrom(
  null,
  "",
  "{}",
  '{ "labels" : ["n=0"] }\n',
  '{\n\t"insecure-registries": [\n\t\t"r1:1"\n\t],\n\t"debug": false\n}',
  '{"insecure-registries":["hand:1","r2:2"]}',
  '{"insecure-registries":[ ]}\r\n',
  '{"insecure-registries":["http://r1:1", "10.1.7.7/16", "127.0.0.0/8"]}',
);

describe("docker.py: any history of stacks, hand edits and power cuts (with a stand-in for the engine)", () => {
  it("loses nothing of the user's, leaves nothing of its own, and no file that the engine cannot read [8.13] [8.15] [8.18] [8.19]", () =>
    fc.assert(
      fc.asyncProperty(start, version, fc.array(event, { maxLength: 8 }), async (text, engine, events) => {
        assert.equal(await python.call<string | null>("histories", "play", text, engine, events), null);
      }),
      { numRuns: 400 },
    )).timeout(120_000);

  it("gives back every byte where nobody else wrote, but for an empty file with which Docker before 23.0 does not start", () =>
    fc.assert(
      fc.asyncProperty(
        start,
        version,
        fc.array(fc.tuple(owner, fc.uniqueArray(entry)), { maxLength: 6 }),
        async (text, engine, runs) => {
          const now = await python.call<string | null>("histories", "restored", text, engine, runs);
          const empty = text === "" && engine.startsWith("20.") && runs.some(([, entries]) => entries.length > 0);
          assert.equal(now, empty ? "{}\n" : text);
        },
      ),
      { numRuns: 200 },
    )).timeout(120_000);
});
