/** Pulumi programs of the bench, each with a project folder and a backend of its own, away from the checkout. */
import { cpSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { checkout } from "../lab/machine/places";
import { run } from "../lab/machine/processes";
import { labEnvironment } from "./labEnvironment";
import { scratch } from "./scratch";

export class PulumiProject {
  private constructor(
    private readonly folder: string,
    readonly env: NodeJS.ProcessEnv,
  ) {}

  /** A project named like the program, with an empty stack. */
  static async make(
    program: "empty" | "trust",
    env: NodeJS.ProcessEnv = {},
    name: string = program,
  ): Promise<PulumiProject> {
    const folder = scratch(`pulumi-${name}`);
    const backend = join(folder, "backend");
    const project = new PulumiProject(folder, {
      ...(await labEnvironment()),
      PULUMI_BACKEND_URL: `file://${backend}`,
      PULUMI_SKIP_UPDATE_CHECK: "true",
      ...env,
    });
    writeFileSync(join(scratch(`pulumi-${name}/project`), "Pulumi.yaml"), stringify(projectFile(name)));
    writeFileSync(join(project.path, "package.json"), "{}\n"); // else Pulumi warns
    symlinkSync(join(checkout, "node_modules"), join(project.path, "node_modules"));
    writeFileSync(join(project.path, "start.cjs"), `module.exports = require("${start(program)}");\n`);
    scratch(`pulumi-${name}/backend`);
    await run("pulumi", project.words("stack", "init", "bench"), { env: project.env });
    cpSync(backend, join(folder, "fresh"), { recursive: true });
    return project;
  }

  private get path(): string {
    return join(this.folder, "project");
  }

  /** Arguments of the pulumi command. */
  words(...args: string[]): string[] {
    return ["--non-interactive", "--color=never", "--cwd", this.path, ...args];
  }

  command(...args: string[]): string[] {
    return ["pulumi", ...this.words(...args)];
  }

  readonly up = (): string[] => this.command("up", "--yes", "--skip-preview", "--stack=bench");

  readonly destroy = (): string[] => this.command("destroy", "--yes", "--skip-preview", "--stack=bench");

  readonly preview = (): string[] => this.command("preview", "--stack=bench");

  /** A command line that makes the stack empty again, without asking any node. */
  forget(): string {
    return `rm -rf '${this.folder}/backend' && cp -a '${this.folder}/fresh' '${this.folder}/backend'`;
  }

  /** The same at once. */
  forgetNow(): void {
    rmSync(join(this.folder, "backend"), { recursive: true });
    cpSync(join(this.folder, "fresh"), join(this.folder, "backend"), { recursive: true });
  }
}

const start = (program: string): string => join(checkout, "bench/programs", program, "start.cjs");

/** The product's own runtime options. */
const projectFile = (name: string) => ({
  name: `bench-${name}`,
  main: "start.cjs",
  runtime: { name: "nodejs", options: { typescript: false } },
});
