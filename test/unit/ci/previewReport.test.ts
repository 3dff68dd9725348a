import assert from "node:assert/strict";
import { errors, terraformReport } from "../../../ci/previewReport";

describe("the merge-request report of a preview", () => {
  it("counts a replacement as a delete and a create, and leaves what stays as it is out", () => {
    const report = terraformReport({ changeSummary: { create: 2, update: 1, delete: 1, replace: 3, same: 9 } });
    assert.deepEqual(report, { create: 5, update: 1, delete: 4 });
  });

  it("is all zero when nothing changes", () => {
    assert.deepEqual(terraformReport({ changeSummary: { same: 4 } }), { create: 0, update: 0, delete: 0 });
  });

  it("tells the errors of a preview that failed, and not its warnings", () => {
    const diagnostics = [
      { severity: "warning", message: "soon" },
      { severity: "error", message: "node4 is not known\n" },
    ];
    assert.deepEqual(errors({ diagnostics }), ["node4 is not known"]);
  });
});
