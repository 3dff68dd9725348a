import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { programFolder } from "../../../hosts/hostProgram";

/** Calls functions of the modules that run on nodes, in one Python process. */
export class Python {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly waiting: { resolve: (value: unknown) => void; reject: (reason: Error) => void }[] = [];

  /** @param more folder with further modules */
  constructor(more = programFolder) {
    const folders = [
      programFolder,
      ...["core", "text", "engines", "runner"].map((name) => join(programFolder, name)),
      more,
    ];
    const program = `
import importlib, json, sys
sys.path[:0] = ${JSON.stringify(folders)}
sys.dont_write_bytecode = True
for line in sys.stdin:
    name, function, arguments = json.loads(line)
    try:
        answer = {"value": getattr(importlib.import_module(name), function)(*arguments)}
    except Exception as error:
        answer = {"error": type(error).__name__ + ": " + str(error)}
    print(json.dumps(answer), flush=True)
`;
    this.child = spawn("python3", ["-I", "-S", "-c", program]);
    createInterface({ input: this.child.stdout }).on("line", (line) => {
      const { value, error } = JSON.parse(line) as { value?: unknown; error?: string };
      const call = this.waiting.shift()!;
      if (error === undefined) {
        call.resolve(value);
      } else {
        call.reject(new Error(error));
      }
    });
    this.child.stderr.pipe(process.stderr);
  }

  call<T>(module: string, name: string, ...args: unknown[]): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.waiting.push({ resolve: resolve as (value: unknown) => void, reject });
      this.child.stdin.write(`${JSON.stringify([module, name, args])}\n`);
    });
  }

  end(): void {
    this.child.stdin.end();
  }
}
