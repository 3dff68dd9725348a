/**
 * Turns `pulumi preview --json` (stdin) into what GitLab's merge-request widget reads from `artifacts:reports:terraform`
 * (stdout): {"create": n, "update": n, "delete": n}. GitLab's widget knows no replacement: one counts as a delete and a
 * create. A preview that failed has diagnostics of severity error; then they are printed and the exit status is 1.
 */
import { text } from "node:stream/consumers";

/** What of a preview's JSON is read here. */
export interface Preview {
  changeSummary?: Record<string, number>;
  diagnostics?: { severity?: string; message?: string; urn?: string }[];
}

export interface TerraformReport {
  create: number;
  update: number;
  delete: number;
}

export function terraformReport({ changeSummary = {} }: Preview): TerraformReport {
  const of = (...operations: string[]): number =>
    operations.reduce((sum, operation) => sum + (changeSummary[operation] ?? 0), 0);
  return {
    create: of("create", "import", "replace", "create-replacement"),
    update: of("update"),
    delete: of("delete", "discard", "replace", "delete-replaced"),
  };
}

export function errors({ diagnostics = [] }: Preview): string[] {
  return diagnostics.filter(({ severity }) => severity === "error").map(({ message = "" }) => message.trim());
}

async function main(): Promise<void> {
  const preview = JSON.parse(await text(process.stdin)) as Preview;
  const found = errors(preview);
  if (found.length > 0) {
    console.error(found.join("\n"));
    process.exitCode = 1;
  }
  console.log(JSON.stringify(terraformReport(preview)));
}

if (require.main === module) {
  void main();
}
