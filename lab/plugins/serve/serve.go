// Package serve starts a stand-in plugin: the handshake with Pulumi, and the words by which it says what it is.
package serve

import (
	"context"
	"fmt"
	"os"

	"github.com/pulumi/pulumi/pkg/v3/resource/provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

// Notice is what --version prints, and the description in the schema.
func Notice(name, version string) string {
	return fmt.Sprintf("%s %s (a stand-in of the pi-runners lab, not Pulumi's own plugin; "+
		"remove it from PATH and Pulumi downloads the official one)", name, version)
}

// Main runs the plugin until Pulumi is done with it.
func Main(name, version string, make func(*provider.HostClient) (pulumirpc.ResourceProviderServer, error)) {
	PrintVersion(name, version)
	if err := provider.Main(name, make); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// PrintVersion answers --version, and leaves.
func PrintVersion(name, version string) {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println(Notice("pulumi-resource-"+name, version))
		os.Exit(0)
	}
}

// Properties reads a property bag with its secrets and unknowns kept.
func Properties(bag *structpb.Struct) (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(bag, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
}

// Both reads the properties of before and those of now.
func Both(before, now *structpb.Struct) (olds, news resource.PropertyMap, err error) {
	if olds, err = Properties(before); err != nil {
		return nil, nil, err
	}
	news, err = Properties(now)
	return olds, news, err
}

// Bag is the way back of Properties.
func Bag(properties resource.PropertyMap) (*structpb.Struct, error) {
	return plugin.MarshalProperties(properties, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
}

// Base answers what all stand-ins answer alike. Embedded.
type Base struct {
	pulumirpc.UnimplementedResourceProviderServer
	Name, Version string
}

// GetPluginInfo tells the version that the Node.js SDK asks for.
func (b Base) GetPluginInfo(context.Context, *Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: b.Version}, nil
}

// GetSchema is the least that is valid: these plugins serve programs, no code generation.
func (b Base) GetSchema(context.Context, *pulumirpc.GetSchemaRequest) (*pulumirpc.GetSchemaResponse, error) {
	schema := fmt.Sprintf(`{"name":%q,"version":%q,"description":%q}`, b.Name, b.Version, Notice(b.Name, b.Version))
	return &pulumirpc.GetSchemaResponse{Schema: schema}, nil
}

// GetMapping knows no other tool's programs.
func (b Base) GetMapping(context.Context, *pulumirpc.GetMappingRequest) (*pulumirpc.GetMappingResponse, error) {
	return &pulumirpc.GetMappingResponse{}, nil
}

// GetMappings knows no other tool's programs.
func (b Base) GetMappings(context.Context, *pulumirpc.GetMappingsRequest) (*pulumirpc.GetMappingsResponse, error) {
	return &pulumirpc.GetMappingsResponse{}, nil
}

// Attach is for debuggers: Pulumi serves its own end and we need no more than to be there.
func (b Base) Attach(context.Context, *pulumirpc.PluginAttach) (*Empty, error) {
	return &Empty{}, nil
}
