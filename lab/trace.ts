/** What a person wants to read of a job's trace. */

interface Output {
  write: (text: string) => unknown;
  isTTY?: boolean;
}

/** Marks with which the runner tells GitLab's page what may be folded: `section_start:TIME:NAME` and an erased line. */
const section = /section_(start|end):\d+:[\w.-]+(\[[^\]]*\])?\r?/g;
const eraseLine = /\x1b\[0K/g;
const colours = /\x1b\[[\d;]*m/g;

/** One finished line, without marks; without colours where nobody sees them. */
export function readableLine(line: string, coloured: boolean): string {
  const text = line.replace(section, "").replace(eraseLine, "").split("\r").filter(Boolean).at(-1) ?? "";
  return coloured ? text : text.replace(colours, "");
}

/** Takes a trace piece by piece, however it is cut, and writes it line by line. */
export function readableTrace(output: Output): (piece: string) => void {
  let rest = "";
  return (piece) => {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) output.write(`${readableLine(line, output.isTTY ?? false)}\n`);
  };
}
