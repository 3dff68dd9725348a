import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { previewRules } from "../../../ci/previewAccount";

const components = join(__dirname, "../../../components");
const groups: Record<string, string> = {
  core: "",
  networking: "networking.k8s.io",
  rbac: "rbac.authorization.k8s.io",
};

/** The kinds of objects that components make, as roles name them. */
function made(): { group: string; resource: string }[] {
  const files = readdirSync(components, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  const text = files.map((file) => readFileSync(join(components, file), "utf8")).join("\n");
  return [...text.matchAll(/import \{.*\} from "@pulumi\/kubernetes\/(\w+)\/v\w+\/(\w+)"/g)].map(
    ([, group = "", kind = ""]) => ({
      group: groups[group] ?? group,
      resource: `${kind.toLowerCase().replace(/y$/, "ie")}s`,
    }),
  );
}

const verbsOf = (group: string, resource: string): string[] =>
  previewRules
    .filter(({ apiGroups, resources }) => apiGroups!.includes(group) && resources!.includes(resource))
    .flatMap(({ verbs }) => verbs);

describe("the account of previews", () => {
  it("may read every kind of object that a component makes", () => {
    const kinds = made();
    assert.ok(kinds.some(({ resource }) => resource === "networkpolicies"));
    assert.deepEqual(
      kinds.filter(({ group, resource }) => !verbsOf(group, resource).includes("get")),
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
