import assert from "node:assert/strict";
import fc from "fast-check";
import { noLimits, noteLimits, noteOf } from "../../../ci/report/note";
import { reportOf } from "../../../ci/report/report";
import { step } from "./preview";

const type = "pi-runners:index:DoodRunner";

/** Texts that try to break out of wherever they stand. */
const hostile = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    "```\n/close\n```",
    "````\n</details>\n/assign @root",
    "</summary></details><script>",
    "\n/merge",
    "@all please",
    "#1 !2 ~bug &3 %4 $5",
    "`@root` ``",
    "--> <!-- pi-runners preview of other -->",
    "[x](javascript:alert(1))",
    "\u202etxt",
    "| a | b |",
    "\r/label ~x",
    "\u2028/close",
  ),
);

/** Lines of Markdown outside of fenced blocks, and whether every block ended (CommonMark, "Fenced code blocks"). */
function outside(markdown: string): { lines: string[]; closed: boolean } {
  let fence = "";
  const lines: string[] = [];
  for (const line of markdown.split(/\r\n|[\n\r]/)) {
    const [, signs = "", rest = ""] = /^ {0,3}(`{3,})(.*)$/.exec(line) ?? [];
    if (fence === "" && signs !== "" && !rest.includes("`")) {
      fence = signs;
    } else if (fence !== "" && signs.length >= fence.length && rest.trim() === "") {
      fence = "";
    } else if (fence === "") {
      lines.push(line);
    }
  }
  return { lines, closed: fence === "" };
}

/** A line without its code spans (CommonMark, "Code spans"), and without what a backslash takes its meaning from. */
function bare(line: string): string {
  return line.replace(/(?<!\\)(`+)(?!`)(.*?[^`])\1(?!`)/g, "").replace(/\\./g, "·");
}

describe("a note", () => {
  it("is not broken out of: no ping, no quick action, no end of a block, no tag, whatever the diff holds", () => {
    fc.assert(
      fc.property(hostile, hostile, hostile, hostile, (name, before, after, message) => {
        const key = `key${name}`;
        const steps = [
          step("update", type, "dood", { [key]: before, text: `${before}\n` }, { [key]: after, text: `${after}\n` }),
          step("create", type, `x${name}`, undefined, {}),
          step("delete", "kubernetes:core/v1:Secret", `y${name}`, {}),
        ];
        for (const diagnostics of [
          [{ severity: "warning", message }],
          [{ severity: "error", message: `error ${message}` }],
        ]) {
          const note = noteOf(reportOf("home", { steps, diagnostics }), { commit: "0123456789abcdef" });
          for (const line of note.split(/\r\n|[\n\r\u2028\u2029]/)) {
            assert.doesNotMatch(line, /^\s*\//, "a quick action");
          }
          const { lines, closed } = outside(note);
          assert.ok(closed, "a block is open at the end");
          const own = /^(<details>|<\/details>|<summary>[^<]*<\/summary>|<!-- pi-runners preview of home -->|```\w*)$/;
          for (const line of lines.filter((one) => !own.test(one)).map(bare)) {
            assert.doesNotMatch(line, /[<>]|\]\(/, line);
            assert.doesNotMatch(line, /(?<![\w&])[@#!~$%^](?=[\w"'])/, line);
          }
          const count = (tag: string): number => lines.filter((line) => line === tag).length;
          assert.equal(count("<details>"), count("</details>"));
        }
      }),
      { numRuns: 500 },
    );
  });

  it("stays below GitLab's limit, says what is left out and where it is; the whole report leaves nothing out", () => {
    const many = Array.from({ length: 4000 }, (_, index) =>
      step("update", type, `runner${index}`, { a: "x".repeat(900) }, { a: "y".repeat(900) }),
    );
    const lines = Array.from({ length: 5000 }, (_, index) => `line ${index}`).join("\n");
    const links = { job: "https://gitlab.lan/-/jobs/1", artifact: "https://gitlab.lan/-/jobs/1/artifacts/file/a.md" };
    const large = reportOf("home", { steps: many });
    const note = noteOf(large, links);
    assert.ok(note.length < 1_000_000 && note.length > 500_000, String(note.length));
    assert.match(note, /\d+ more components are in the \[whole report\]\(https:\/\/gitlab\.lan/);
    assert.ok(noteOf(large, links, noLimits).includes("runner3999"));
    const long = noteOf(reportOf("home", { steps: [step("update", type, "r", { a: "" }, { a: lines })] }), links);
    assert.ok(long.includes(`${5003 - noteLimits.lines} more lines are in`), long.slice(-300));
  });

  it("ends the block that it is cut in, however that began", () => {
    const diagnostics = ["a\nb", "```\n".repeat(200)].map((message) => ({ severity: "error", message }));
    const note = noteOf(reportOf("home", { diagnostics }), {}, { all: 1000, lines: 200 });
    assert.match(note, /The rest is in the job's artifact/);
    assert.ok(outside(note).closed, note);
    assert.ok(outside(note).lines.includes("The rest is in the job's artifact."), note);
  });
});
