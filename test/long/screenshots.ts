/**
 * Pictures for docs/merge-requests.md of what a merge request shows: the note's Markdown as it was written, and the numbers of
 * the report for GitLab's widget with the widget's words. Drawn by Debian's Chromium with a style sheet of our own, which only
 * looks like GitLab's.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { needPrograms } from "../../lab/machine/packages";
import { run } from "../../lab/machine/processes";

const browser = "chromium-headless-shell";
const width = 880;

export async function drawNote(markdown: string, file: string): Promise<void> {
  const { Marked } = await import("marked");
  const code = ({ text }: { text: string }): string => `<pre>${text.split("\n").map(diffLine).join("\n")}</pre>`;
  const html = await new Marked({ renderer: { code } }).parse(markdown.replaceAll(":warning:", "⚠️"));
  await draw(`<main>${html.replaceAll("<details>", "<details open>")}</main>`, file);
}

/** As GitLab 17 says it: app/assets/javascripts/vue_merge_request_widget/widgets/terraform/index.vue. */
export async function drawWidget(
  job: string,
  { create, update, delete: gone }: { create: number; update: number; delete: number },
  file: string,
): Promise<void> {
  const numbers = `${create} to add, ${update} to change, ${gone} to delete`;
  const report = `The job <b>${html(job)}</b> generated a report.<br>Reported Resource Changes: ${numbers}`;
  await draw(`<main><b>1 Terraform report was generated in your pipelines</b><p>${report}</p></main>`, file);
}

const html = (text: string): string => text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);

function diffLine(line: string): string {
  const kind = { "+": "added", "-": "removed" }[line[0] ?? ""];
  return kind === undefined ? html(line) : `<span class="${kind}">${html(line)}</span>`;
}

const style = `
  body { margin: 0; background: #fff; font: 14px/20px "DejaVu Sans", sans-serif; color: #28272d }
  main { margin: 8px; padding: 8px 16px; border: 1px solid #dcdcde; border-radius: 8px }
  h3 { font-size: 18px; margin: 8px 0 16px } p { margin: 0 0 12px } ul { padding-left: 24px; margin: 0 0 12px }
  a { color: #0b5cad } summary { cursor: pointer; margin: 4px 0 }
  code, pre { font: 12px/18px "DejaVu Sans Mono", monospace; background: #f5f5f5; border-radius: 4px }
  code { padding: 2px 4px } pre { padding: 8px 12px; margin: 0 0 12px; white-space: pre-wrap }
  .added { background: #c7f0d2 } .removed { background: #fac5cd }`;

async function draw(body: string, file: string): Promise<void> {
  await needPrograms({ [browser]: browser }, (line) => console.log(line));
  const folder = mkdtempSync(join(tmpdir(), "pi-runners-screenshot-"));
  try {
    const page = join(folder, "page.html");
    const height = `<script>document.documentElement.id = "height-" + document.documentElement.offsetHeight</script>`;
    writeFileSync(page, `<!doctype html><meta charset="utf-8"><style>${style}</style><body>${body}${height}`);
    // Root, who has no sandbox, looks at a page of our own.
    const chromium = (...args: string[]): Promise<string> =>
      run(browser, ["--no-sandbox", "--hide-scrollbars", `--user-data-dir=${folder}`, ...args, `file://${page}`]);
    const [, high] = /id="height-(\d+)"/.exec(await chromium(`--window-size=${width},100`, "--dump-dom"))!;
    mkdirSync(dirname(file), { recursive: true });
    await chromium(`--window-size=${width},${high}`, `--screenshot=${file}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
