// What Pulumi starts. tsx (esbuild) turns TypeScript into JavaScript without judging types, which `npm run types` does; its
// hooks read every file that is loaded after them, so Pulumi's own thousand files come first. Measured: a preview starts
// in less than half of the time that the type checker, or tsx by `--import`, takes.
require("@pulumi/pulumi");
require("tsx/cjs");
module.exports = require("./index.ts");
