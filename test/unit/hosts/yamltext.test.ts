import assert from "node:assert/strict";
import { Python } from "./python";

const python = new Python();
after(() => python.end());

const blocks = [["mirrors", ['"r.lan:1":', "  endpoint:", '    - "http://r.lan:1"']]];

describe("yamltext.py: what it does not edit", () => {
  const refused: [string, string][] = [
    ["a flow map with entries", "mirrors: {a: {endpoint: [x]}}\n"],
    ["a tab", "mirrors:\n\ta: 1\n"],
    ["a key twice", "mirrors:\n  a:\nmirrors:\n  b:\n"],
    ["an anchor", "mirrors:\n  a: &x\n    endpoint: 1\n"],
    ["text over several lines", "mirrors:\n  a: |\n    b\n"],
    ["no map", "- a\n- b\n"],
    ["a second document", "mirrors:\n---\nmirrors:\n"],
    ["a byte order mark", "\ufeffmirrors:\n"],
  ];
  for (const [name, text] of refused) {
    it(`${name} is refused, naming the line`, () =>
      assert.rejects(python.call("yamltext", "with_entries", text, blocks), /BrokenError: line \d/));
  }

  it("marks that do not pair are refused", async () => {
    for (const text of [
      "mirrors:\n  # begin pi-runners\n  a: 1\n",
      "# end pi-runners\n",
      "# begin pi-runners\n# begin pi-runners\n",
    ]) {
      await assert.rejects(python.call("yamltext", "without", text), /mark/);
    }
  });

  it("what the release before wrote still goes: a key of its own, braces, entries beside others", async () => {
    const block =
      '  # begin pi-runnersNOTE\n  "r.lan:1":\n    endpoint:\n      - "http://r.lan:1"\n  # end pi-runners\n';
    const cases: [string, string][] = [
      [`a: b\nmirrors:\n${block.replace("NOTE", " key")}`, "a: b\n"],
      [`mirrors:\n${block.replace("NOTE", " braces")}`, "mirrors: {}\n"],
      [`mirrors:\n${block.replace("NOTE", "")}  x: {}\n`, "mirrors:\n  x: {}\n"],
    ];
    for (const [text, before] of cases) {
      assert.equal((await python.call<[string]>("yamltext", "without", text))[0], before);
    }
  });
});
