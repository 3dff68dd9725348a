// What Pulumi starts. tsx (esbuild) turns our TypeScript into JavaScript without judging types, which `npm run types`
// does. Its hooks read every file that is loaded after them, so the large libraries come first. Measured: a preview
// starts in less than half of the time that Pulumi's own type checker takes.
require("./quickStart.cjs");
require("@pulumi/pulumi");
require("yaml");
require("zod");
require("tsx/cjs");
module.exports = require("./index.ts");
