// As the product's own start.cjs: Pulumi's files first, then the compiler.
require("@pulumi/pulumi");
require("@pulumi/command");
require("tsx/cjs");
module.exports = require("./index.ts");
