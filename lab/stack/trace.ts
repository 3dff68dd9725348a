/** What a person wants to read of a job's trace. */

interface Output {
  write: (text: string) => unknown;
  isTTY?: boolean;
}

/** Marks with which the runner tells GitLab's page what may be folded: `section_start:TIME:NAME` and an erased line. */
const section = /section_(start|end):\d+:[\w.-]+(\[[^\]]*\])?\r?/g;
const eraseLine = /\x1b\[0K/g;
const colours = /\x1b\[[\d;]*m/g;

/**
 * What today's runners put before each line: time, number and kind of the stream, and `+` where the line goes on from
 * the one before (gitlab-runner 19.4.0, FF_TIMESTAMPS).
 */
const stamp = /^\d{4}-\d\d-\d\dT[\d:.]+Z [\da-f]{2}[EO]([ +]?)/;

/** One finished line, without marks; without colours where nobody sees them. */
export function readableLine(line: string, coloured: boolean): string {
  const text = line.replace(section, "").replace(eraseLine, "").split("\r").filter(Boolean).at(-1) ?? "";
  return coloured ? text : text.replace(colours, "");
}

/** The lines of a trace, as they were before the runner stamped and cut them. */
class Unstamped {
  private rest = "";
  private open: string | undefined;

  constructor(private readonly use: (line: string) => void) {}

  /** Takes a piece, however it is cut. A line is used when the next one begins: until then it may go on. */
  write(piece: string): void {
    const lines = (this.rest + piece).split("\n");
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      this.take(line);
    }
  }

  end(): void {
    if (this.rest !== "") {
      this.take(this.rest);
    }
    if (this.open !== undefined) {
      this.use(this.open);
    }
    this.rest = "";
    this.open = undefined;
  }

  private take(line: string): void {
    const [before = "", sign] = stamp.exec(line) ?? [];
    const text = line.slice(before.length);
    if (sign === "+" && this.open !== undefined) {
      this.open += text;
    } else {
      if (this.open !== undefined) {
        this.use(this.open);
      }
      this.open = text;
    }
  }
}

/** A whole trace as the job wrote it: marks and colours stay, the runner's stamps go. */
export function unstamped(trace: string): string {
  const lines: string[] = [];
  const reader = new Unstamped((line) => lines.push(`${line}\n`));
  reader.write(trace);
  reader.end();
  return lines.join("");
}

interface TraceReader {
  write: (piece: string) => void;
  /** Writes what is left. */
  end: () => void;
}

/** Takes a trace piece by piece and writes it for a person, line by line. */
export function readableTrace(output: Output): TraceReader {
  const reader = new Unstamped((line) => output.write(`${readableLine(line, output.isTTY ?? false)}\n`));
  return { write: (piece) => reader.write(piece), end: () => reader.end() };
}
