// Package command is a stand-in for Pulumi's command plugin, made with the same library (pulumi-go-provider's infer)
// and with the meaning of pulumi-command 1.2.1: remote.Command, local.Command and local.run. No copying of files.
package command

import (
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/middleware/schema"

	"pi-runners/lab/plugins/command/local"
	"pi-runners/lab/plugins/command/remote"
	"pi-runners/lab/plugins/serve"
)

// Provider makes the plugin.
func Provider(version string) p.Provider {
	return infer.Provider(infer.Options{
		Metadata:  schema.Metadata{Description: serve.Notice("command", version)},
		Resources: []infer.InferredResource{infer.Resource(&remote.Command{}), infer.Resource(&local.Command{})},
		Functions: []infer.InferredFunction{infer.Function(&local.Run{})},
	})
}
