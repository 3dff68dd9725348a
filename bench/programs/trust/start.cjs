// As the product's own start.cjs.
require("../../../quickStart.cjs");
require("@pulumi/pulumi");
require("@pulumi/command");
require("tsx/cjs");
module.exports = require("./index.ts");
