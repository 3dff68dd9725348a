import assert from "node:assert/strict";
import { figure, median, met, ratio } from "../../../bench/figures";
import { table } from "../../../bench/results";

describe("figures of the bench", () => {
  it("takes the middle of an odd number of runs, and between the two middle ones of an even number", () => {
    assert.equal(median([9, 1, 2]), 2);
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.throws(() => median([]));
  });

  it("holds figures against goals of both directions, limits included", () => {
    assert.equal(met({ what: "", value: 2.5, unit: "×", goal: { most: 2.5 } }), true);
    assert.equal(met({ what: "", value: 2.51, unit: "×", goal: { most: 2.5 } }), false);
    assert.equal(met({ what: "", value: 2.99, unit: "×", goal: { least: 3 } }), false);
    assert.equal(met({ what: "", value: 1, unit: "s" }), undefined);
  });

  it("says in the table that a goal is not met", () => {
    const slow = ratio("a : b", [6, 5, 7], [2, 2, 2], { most: 2 });
    const printed = table({ title: "Title", about: [], figures: [figure("a", "s", [6, 5, 7]), slow] });
    assert.match(printed, /a +6\.00 s +5\.00–7\.00 \(3\)/);
    assert.match(printed, /a : b +3\.00 × +≤ 2 +\*\*not met\*\*/);
  });
});
