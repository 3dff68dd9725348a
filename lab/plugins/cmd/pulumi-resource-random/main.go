// Command pulumi-resource-random stands in for Pulumi's plugin of that name where it cannot be downloaded.
package main

import (
	"pi-runners/lab/plugins/random"
	"pi-runners/lab/plugins/serve"
)

// version is what @pulumi/random of package.json asks for.
var version = "4.21.2"

func main() {
	serve.Main("random", version, random.Maker(version))
}
