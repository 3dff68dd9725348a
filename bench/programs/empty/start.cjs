// The least that a Pulumi program in Node.js can be: what every other time is held against.
require("@pulumi/pulumi");
