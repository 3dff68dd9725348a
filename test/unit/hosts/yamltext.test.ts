import fc from "fast-check";
import assert from "node:assert/strict";
import { parse } from "yaml";
import { Python } from "./python";

const python = new Python();
after(() => python.end());

const blocks = [
  ["mirrors", ['"r.lan:1":', "  endpoint:", '    - "http://r.lan:1"']],
  ["configs", ['"r.lan:1":', "  tls:", "    insecure_skip_verify: true"]],
];
const ours = {
  mirrors: { "r.lan:1": { endpoint: ["http://r.lan:1"] } },
  configs: { "r.lan:1": { tls: { insecure_skip_verify: true } } },
};

type Maps = Record<string, Record<string, unknown> | null>;

/** Files as people write them: keys in any order, comments, two or four spaces, an end of line or none. */
const files = fc
  .tuple(
    fc.shuffledSubarray(["mirrors", "configs", "auth"]),
    fc.constantFrom("  ", "    "),
    fc.boolean(),
    fc.boolean(),
    fc.constantFrom("", "---\n", "# by hand\n\n"),
  )
  .map(([keys, pad, comments, end, head]) => {
    const lines = keys.flatMap((key) => [
      `${key}:${comments ? " # note: by hand" : ""}`,
      `${pad}"hand.lan:5000":`,
      ...(comments ? [`${pad}${pad}# more`] : []),
      `${pad}${pad}some: value`,
      ...(comments ? [""] : []),
    ]);
    return head + lines.join("\n") + (end && lines.length > 0 ? "\n" : "");
  });

describe("yamltext.py: our part in k3s' registries.yaml", () => {
  it("is read by YAML beside everything that was there", () =>
    fc.assert(
      fc.asyncProperty(files, async (before) => {
        const now = await python.call<string>("yamltext", "with_entries", before, blocks);
        const old = (parse(before) ?? {}) as Maps;
        assert.deepEqual(parse(now), {
          ...old,
          mirrors: { ...old.mirrors, ...ours.mirrors },
          configs: { ...old.configs, ...ours.configs },
        });
      }),
    ));

  it("goes without a trace, but for an end of the last line", () =>
    fc.assert(
      fc.asyncProperty(files, async (before) => {
        const now = await python.call<string>("yamltext", "with_entries", before, blocks);
        const back = await python.call<string>("yamltext", "with_entries", now, []);
        assert.equal(back.replace(/\n$/, ""), before.replace(/\n$/, ""));
      }),
    ));

  it("is written once, however often it is applied", () =>
    fc.assert(
      fc.asyncProperty(files, async (before) => {
        const once = await python.call<string>("yamltext", "with_entries", before, blocks);
        assert.equal(await python.call<string>("yamltext", "with_entries", once, blocks), once);
      }),
    ));

  it("takes the place of empty braces, and gives them back", async () => {
    const now = await python.call<string>("yamltext", "with_entries", "mirrors: {}\n", blocks);
    assert.deepEqual(parse(now), ours);
    assert.equal(await python.call<string>("yamltext", "without", now), "mirrors: {}\n");
  });

  const refused: [string, string][] = [
    ["a flow map", "mirrors: {a: {endpoint: [x]}}\n"],
    ["a tab", "mirrors:\n\ta: 1\n"],
    ["a key twice", "mirrors:\n  a:\nmirrors:\n  b:\n"],
    ["an anchor", "mirrors:\n  a: &x\n    endpoint: 1\n"],
    ["no map", "- a\n- b\n"],
    ["a mark without end", "mirrors:\n  # begin pi-runners\n  a: 1\n"],
  ];
  for (const [name, text] of refused) {
    it(`${name} is refused`, () =>
      assert.rejects(
        python.call("yamltext", "with_entries", text, blocks).then(() => python.call("yamltext", "parts", text)),
      ));
  }
});
