// Command pulumi-resource-command stands in for Pulumi's plugin of that name where it cannot be downloaded.
package main

import (
	"context"
	"fmt"
	"os"

	p "github.com/pulumi/pulumi-go-provider"

	"pi-runners/lab/plugins/command"
	"pi-runners/lab/plugins/serve"
)

// version is what @pulumi/command of package.json asks for.
var version = "1.2.1"

func main() {
	serve.PrintVersion("command", version)
	if err := p.RunProvider(context.Background(), "command", version, command.Provider(version)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
