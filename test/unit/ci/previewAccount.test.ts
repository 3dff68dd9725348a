import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { previewRules } from "../../../ci/previewAccount";

const components = join(__dirname, "../../../components");
/** API groups by the folders of the library. */
const groups: Record<string, string> = {
  apps: "apps",
  batch: "batch",
  core: "",
  networking: "networking.k8s.io",
  policy: "policy",
  rbac: "rbac.authorization.k8s.io",
};

/** The statements by which components use the library; of its types alone, none is made. */
function imports(): string[] {
  const files = readdirSync(components, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  const text = files.map((file) => readFileSync(join(components, file), "utf8")).join("\n");
  return text.split("\n").filter((line) => line.includes("@pulumi/kubernetes") && !line.startsWith("import type "));
}

/** The one form of them that tells what is made: a kind from the file of its own. */
const ofKind = /^import \{ \w+ \} from "@pulumi\/kubernetes\/(\w+)\/v\w+\/(\w+)";$/;

/** The kinds of objects that components make, as roles name them. */
function made(): { group: string | undefined; resource: string }[] {
  return imports().flatMap((line) => {
    const [, group = "", kind = ""] = ofKind.exec(line) ?? [];
    return kind === "" ? [] : [{ group: groups[group], resource: `${kind.toLowerCase().replace(/y$/, "ie")}s` }];
  });
}

const verbsOf = (group: string, resource: string): string[] =>
  previewRules
    .filter(({ apiGroups, resources }) => apiGroups!.includes(group) && resources!.includes(resource))
    .flatMap(({ verbs }) => verbs);

describe("the account of previews", () => {
  it("may read every kind of object that a component makes", () => {
    const [kinds, others] = [made(), imports().filter((line) => !ofKind.test(line))];
    assert.deepEqual(others, [], "import a kind from its own file, by which this test knows it");
    assert.ok(kinds.some(({ resource }) => resource === "networkpolicies"));
    assert.deepEqual(
      kinds.filter(({ group, resource }) => group === undefined || !verbsOf(group, resource).includes("get")),
      [],
    );
  });

  it("may change nothing, list no Secrets, and read no pods, whose variables are those of jobs", () => {
    assert.deepEqual([...new Set(previewRules.flatMap(({ verbs }) => verbs))].sort(), ["get", "list"]);
    assert.deepEqual(verbsOf("", "secrets"), ["get"]);
    assert.deepEqual(verbsOf("", "pods"), []);
    assert.ok(previewRules.every(({ apiGroups, resources }) => ![...apiGroups!, ...resources!].includes("*")));
  });
});
