// Command pulumi-resource-kubernetes stands in for Pulumi's plugin of that name where it cannot be downloaded.
package main

import (
	"pi-runners/lab/plugins/kubernetes"
	"pi-runners/lab/plugins/serve"
)

// version is what @pulumi/kubernetes of package.json asks for.
var version = "4.34.2"

func main() {
	serve.Main("kubernetes", version, kubernetes.Maker(version))
}
