"use strict";

/** Who may import whom. `import type` counts too: whoever names another's type knows it. */
const mayNotKnow = (room, others) => ({
  name: `${room}-knows-too-much`,
  comment: `${room} is imported by these, or serves another purpose; see "Where things are" in CONTRIBUTING.md.`,
  severity: "error",
  from: { path: `^${room}` },
  to: { path: others.map((other) => `^${other}`) },
});

const tools = ["lab/", "bench/", "test/", "ci/"];

/** What runs where only `dependencies` are installed: npm ci --omit=dev, as the README tells those who deploy. */
const deployed = "^(components/|hosts/|config/|templates/|ci/|index\\.ts$|start\\.cjs$|quickStart\\.cjs$)";

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: "no-cycle",
      comment: "Two files that import each other at run time cannot be understood, or loaded, one by one.",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    mayNotKnow("components/", [...tools, "config/", "templates/", "index\\.ts"]),
    // The form of an error and of a setting is every room's; what trust or a runner is, hosts do not know.
    mayNotKnow("hosts/", [
      "components/(?!(inputErrors|schema)\\.ts$)",
      ...tools,
      "config/",
      "templates/",
      "index\\.ts",
    ]),
    mayNotKnow("config/", [...tools, "templates/", "index\\.ts"]),
    mayNotKnow("templates/", [...tools, "config/", "hosts/", "index\\.ts"]),
    mayNotKnow("index\\.ts", [...tools, "hosts/"]),
    mayNotKnow("ci/", ["lab/", "bench/", "test/"]),
    mayNotKnow("lab/", ["bench/", "test/", "ci/"]),
    mayNotKnow("bench/", ["test/", "ci/"]),
    {
      name: "executors-know-each-other",
      comment: "What two executors share lies in components/runners/, beside their folders.",
      severity: "error",
      from: { path: "^components/runners/(docker|kubernetes|shell)/" },
      to: { path: "^components/runners/(docker|kubernetes|shell)/", pathNot: "^components/runners/$1/" },
    },
    {
      name: "deployed-without-it",
      comment: "npm ci --omit=dev does not install this. Name it in dependencies of package.json, or do without.",
      severity: "error",
      from: { path: deployed },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["npm"] },
    },
    {
      name: "not-in-package-json",
      comment: "The nearest package.json (lab/ has its own) does not name this library, or it is not installed.",
      severity: "error",
      from: {},
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown", "unknown"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: ["(^|/)node_modules/.*/node_modules/", "^dist/", "^examples/"] },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "require", "node", "default"] },
    exoticRequireStrings: ["require.resolve"],
    tsConfig: { fileName: "tsconfig.json" },
  },
};
