// What makes a Pulumi program in TypeScript start quickly and fail readably.
const { enableCompileCache } = require("node:module");
const { homedir } = require("node:os");
const { join } = require("node:path");

// Node.js keeps what it has compiled (0.3 s of a preview), in the user's own cache: /tmp would be everybody's. Where that
// cannot be written it goes without.
enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "pi-runners", "compiled"));

// Pulumi's own look-up of source lines does not know what tsx compiles: errors would name wrong lines. It is also slow,
// for Pulumi notes where each promise was made, some forty a resource (0.3 s of a preview). Node.js itself does it right.
Error.prepareStackTrace = undefined;
