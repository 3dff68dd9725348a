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
    mayNotKnow("hosts/", ["components/(?!inputErrors|schema)", ...tools, "config/", "templates/", "index\\.ts"]),
    mayNotKnow("config/", [...tools, "index\\.ts"]),
    mayNotKnow("templates/", [...tools, "index\\.ts"]),
    mayNotKnow("index\\.ts", tools),
    mayNotKnow("ci/", ["lab/", "bench/", "test/"]),
    mayNotKnow("lab/", ["bench/", "test/", "ci/"]),
    mayNotKnow("bench/", ["test/", "ci/"]),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: ["(^|/)node_modules/.*/node_modules/", "^dist/", "^examples/"] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
  },
};
