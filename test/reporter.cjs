"use strict";

/**
 * Mocha's own spec reporter, which also leaves its counts and what failed as JSON in the file that TEST_COUNTS names,
 * so that test/run.ts can add up several runs.
 */
const { writeFileSync } = require("node:fs");
const { reporters } = require("mocha");

module.exports = class CountingSpec extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const failures = [];
    runner.on("fail", (test, error) => {
      failures.push({ title: test.fullTitle(), error: String(error?.message ?? error) });
    });
    runner.once("end", () => {
      const { passes, failures: failed, pending } = this.stats;
      if (process.env.TEST_COUNTS) {
        const counts = { passed: passes, failed, skipped: pending, failures };
        writeFileSync(process.env.TEST_COUNTS, JSON.stringify(counts));
      }
    });
  }
};
