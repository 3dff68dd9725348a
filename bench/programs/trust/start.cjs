// As the product's own start.cjs: what was compiled is kept, Pulumi's files come first, then the compiler.
const { homedir } = require("node:os");
const { join } = require("node:path");
const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
require("node:module").enableCompileCache(join(cache, "pi-runners", "compiled"));
require("@pulumi/pulumi");
require("@pulumi/command");
require("tsx/cjs");
module.exports = require("./index.ts");
