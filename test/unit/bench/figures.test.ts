import assert from "node:assert/strict";
import { figure, median, met, ratio } from "../../../bench/figures";
import { table } from "../../../bench/results";
import { perMinute } from "../../../bench/throughput";
import { writeBytes } from "../../../bench/writtenBytes";

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

describe("rates and counts of the bench", () => {
  it("counts jobs per minute from the first hand-out to the last end, in whatever order they come", () => {
    const jobs = [
      { handedOutAt: 4000, finishedAt: 20_000 },
      { handedOutAt: 0, finishedAt: 5000 },
      { handedOutAt: 5000, finishedAt: 18_000 },
    ];
    assert.equal(perMinute(jobs), 9);
  });

  it("adds up what processes wrote, and nothing else that the kernel tells of them", () => {
    const one = "rchar: 9\nwchar: 9\nread_bytes: 9\nwrite_bytes: 4096\ncancelled_write_bytes: 9\n";
    assert.equal(writeBytes(`${one}${one.replace("4096", "0")}${one}`), 8192);
  });
});
