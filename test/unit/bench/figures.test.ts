import assert from "node:assert/strict";
import { figure, median, met, ratio } from "../../../bench/figures";
import { markdown, table } from "../../../bench/results";
import { perMinute } from "../../../bench/throughput";
import { diskBytes } from "../../../bench/writtenBytes";

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

describe("the page of the bench", () => {
  const machine = { cores: 2, processor: "p", memoryGiB: 24, kernel: "k", system: "s", node: "n" };
  const section = { title: "T", about: [], figures: [figure("a", "s", [1])], at: "then", load: 0, seconds: 1 };
  const pageOf = (...processors: string[]): string =>
    markdown({
      sections: Object.fromEntries(
        processors.map((processor, index) => [`${index}`, { ...section, machine: { ...machine, processor } }]),
      ),
    });

  it("names the machine once where all figures are from it, and each section's own where they are not", () => {
    assert.equal(pageOf("p", "p").match(/Machine: 2 cores \(p\)/g)!.length, 1);
    const several = pageOf("p", "q");
    assert.match(several, /Machine: 2 cores \(p\)[^]*Machine: 2 cores \(q\)/);
    assert.match(several, /several machines/);
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

  it("adds up what came to disks, once, and nothing that came to their parts or to memory", () => {
    const diskstats = [
      " 254       0 vda 33594 6774 2232346 15526 7270 60219 1991856 9702 0 8528 27410 3043 219 141232 2160 249 19",
      " 254       1 vda1 33594 6774 2232346 15526 7270 60219 1991850 9702 0 8528 27410 3043 219 141232 2160 249 19",
      " 179       0 mmcblk0 1 2 3 4 5 6 8 9 0 0 0",
      " 253       0 zram0 1 2 3 4 5 6 7 8 0 0 0 0 0 0 0 0 0",
      "",
    ];
    const disks = ["vda", "mmcblk0"];
    assert.equal(
      diskBytes(diskstats.join("\n"), (name) => disks.includes(name)),
      (1991856 + 8) * 512,
    );
  });
});
