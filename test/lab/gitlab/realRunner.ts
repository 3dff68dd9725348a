import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { stringify } from "smol-toml";
import { binaries } from "../../../lab/machine/places";

/** gitlab-runner on PATH, else as the lab has built it; undefined when there is none. */
export function findRunner(): string | undefined {
  const built = existsSync(binaries) ? readdirSync(binaries).filter((folder) => !folder.endsWith(".part")) : [];
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...built.map((folder) => join(binaries, folder))];
  const candidates = folders.map((folder) => join(folder, "gitlab-runner")).filter((path) => existsSync(path));
  return candidates.find((path) => {
    try {
      return execFileSync(path, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).includes(
        "ersion",
      );
    } catch {
      return false;
    }
  });
}

/** The real gitlab-runner with the shell executor, its configuration and builds in a temporary folder. */
export class RealRunner {
  readonly folder = mkdtempSync(join(tmpdir(), "pi-lab-runner-"));
  readonly config = join(this.folder, "config.toml");
  output = "";
  private child: ChildProcess | undefined;

  constructor(private readonly binary: string) {}

  start(url: string, token: string, settings: Record<string, unknown> = {}): void {
    const folders = { builds_dir: join(this.folder, "builds"), cache_dir: join(this.folder, "cache") };
    for (const folder of Object.values(folders)) {
      mkdirSync(folder, { recursive: true });
    }
    const runner = { name: "real", url, token, executor: "shell", ...folders, ...settings };
    writeFileSync(this.config, stringify({ concurrent: 4, check_interval: 1, runners: [runner] }));
    this.child = spawn(this.binary, ["--debug", "run", "--config", this.config], {
      cwd: this.folder,
      env: { PATH: process.env["PATH"], HOME: this.folder },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const keep = (chunk: Buffer) => (this.output += chunk.toString());
    this.child.stdout?.on("data", keep);
    this.child.stderr?.on("data", keep);
  }

  /** One command of the runner, such as `verify`; its exit status and all that it said. */
  async command(...args: string[]): Promise<{ status: number | null; output: string }> {
    const child = spawn(this.binary, args, { env: { PATH: process.env["PATH"], HOME: this.folder } });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const [status] = (await once(child, "close")) as [number | null];
    return { status, output };
  }

  /** Ends it at once, as a power cut would. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) {
      return;
    }
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await gone;
  }

  async stop(): Promise<void> {
    await this.kill("SIGTERM");
    rmSync(this.folder, { recursive: true, force: true });
  }
}
