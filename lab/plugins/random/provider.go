// Package random is a stand-in for Pulumi's random plugin: RandomId, RandomInteger, RandomPassword, RandomString and
// RandomUuid, with the meaning of pulumi-random 4.21 (it wraps terraform-provider-random). Every input that changes
// makes a new value by a replacement; nothing else does.
package random

import (
	"context"
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/pkg/v3/resource/provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"pi-runners/lab/plugins/serve"
)

// Provider answers Pulumi's engine.
type Provider struct{ serve.Base }

// Maker makes the provider that serve.Main serves.
func Maker(version string) func(*provider.HostClient) (pulumirpc.ResourceProviderServer, error) {
	return func(*provider.HostClient) (pulumirpc.ResourceProviderServer, error) {
		return &Provider{serve.Base{Name: "random", Version: version}}, nil
	}
}

// CheckConfig takes what is given: there is nothing to configure.
func (p *Provider) CheckConfig(
	_ context.Context, request *pulumirpc.CheckRequest,
) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: request.News}, nil
}

// DiffConfig never replaces anything.
func (p *Provider) DiffConfig(context.Context, *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
}

// Configure has nothing to do.
func (p *Provider) Configure(
	context.Context, *pulumirpc.ConfigureRequest,
) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, SupportsPreview: true}, nil
}

// Cancel has nothing to end.
func (p *Provider) Cancel(context.Context, *serve.Empty) (*serve.Empty, error) {
	return &serve.Empty{}, nil
}

func kindOf(urn string) (kind, error) {
	name := string(resource.URN(urn).Type().Name())
	if kind, known := kinds[name]; known {
		return kind, nil
	}
	return kind{}, fmt.Errorf("the lab's stand-in for the random plugin has no %s: use Pulumi's own plugin", name)
}

// Check refuses wrong inputs; the program's own form of them is kept.
func (p *Provider) Check(_ context.Context, request *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	kind, err := kindOf(request.Urn)
	if err != nil {
		return nil, err
	}
	news, err := serve.Properties(request.News)
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.CheckResponse{Inputs: request.News}
	for key := range news {
		if _, known := kind.inputs[key]; !known && key != "keepers" && key != "__defaults" {
			response.Failures = append(response.Failures, &pulumirpc.CheckFailure{
				Property: string(key), Reason: fmt.Sprintf("unknown property %q of %s", key, kind.name),
			})
		}
	}
	if news.ContainsUnknowns() {
		return response, nil
	}
	if err := kind.check(read(kind, news)); err != nil {
		response.Failures = append(response.Failures, &pulumirpc.CheckFailure{Reason: err.Error()})
	}
	return response, nil
}

// Diff replaces for every change of an input, keepers above all.
func (p *Provider) Diff(_ context.Context, request *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	kind, err := kindOf(request.Urn)
	if err != nil {
		return nil, err
	}
	olds, news, err := serve.Both(request.OldInputs, request.News)
	if err != nil {
		return nil, err
	}
	diff := complete(kind, olds).Diff(complete(kind, news))
	response := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE, HasDetailedDiff: true}
	if diff == nil {
		return response, nil
	}
	response.Changes = pulumirpc.DiffResponse_DIFF_SOME
	for _, key := range diff.ChangedKeys() {
		response.Diffs = append(response.Diffs, string(key))
		response.Replaces = append(response.Replaces, string(key))
	}
	response.DetailedDiff = map[string]*pulumirpc.PropertyDiff{}
	for path, change := range plugin.NewDetailedDiffFromObjectDiff(diff, true) {
		response.DetailedDiff[path] = &pulumirpc.PropertyDiff{Kind: replacing(change.Kind), InputDiff: true}
	}
	return response, nil
}

func replacing(kind plugin.DiffKind) pulumirpc.PropertyDiff_Kind {
	switch kind {
	case plugin.DiffAdd, plugin.DiffAddReplace:
		return pulumirpc.PropertyDiff_ADD_REPLACE
	case plugin.DiffDelete, plugin.DiffDeleteReplace:
		return pulumirpc.PropertyDiff_DELETE_REPLACE
	}
	return pulumirpc.PropertyDiff_UPDATE_REPLACE
}

// Create draws the value; a preview leaves it unknown.
func (p *Provider) Create(
	_ context.Context, request *pulumirpc.CreateRequest,
) (*pulumirpc.CreateResponse, error) {
	kind, err := kindOf(request.Urn)
	if err != nil {
		return nil, err
	}
	news, err := serve.Properties(request.Properties)
	if err != nil {
		return nil, err
	}
	id, drawn := "", resource.PropertyMap{}
	if request.Preview {
		for _, key := range kind.outputs {
			drawn[key] = resource.MakeComputed(resource.NewStringProperty(""))
		}
	} else if id, drawn, err = kind.draw(read(kind, news)); err != nil {
		return nil, err
	}
	bag, err := serve.Bag(outputs(kind, news, drawn))
	return &pulumirpc.CreateResponse{Id: id, Properties: bag}, err
}

// outputs are the inputs with their defaults, and what was drawn.
func outputs(kind kind, inputs, drawn resource.PropertyMap) resource.PropertyMap {
	all := complete(kind, inputs)
	for key, value := range drawn {
		if kind.secret {
			value = resource.MakeSecret(value)
		}
		all[key] = value
	}
	return all
}

// Read takes the state as the truth, for there is nothing outside of it; an import takes the id.
func (p *Provider) Read(_ context.Context, request *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	if len(request.Properties.GetFields()) > 0 {
		return &pulumirpc.ReadResponse{Id: request.Id, Properties: request.Properties, Inputs: request.Inputs}, nil
	}
	kind, err := kindOf(request.Urn)
	if err != nil {
		return nil, err
	}
	if kind.parse == nil {
		return nil, fmt.Errorf("the lab's stand-in for the random plugin cannot import %s", kind.name)
	}
	id, inputs, drawn, err := kind.parse(request.Id)
	if err != nil {
		return nil, err
	}
	bag, err := serve.Bag(outputs(kind, inputs, drawn))
	if err != nil {
		return nil, err
	}
	inBag, err := serve.Bag(inputs)
	return &pulumirpc.ReadResponse{Id: id, Properties: bag, Inputs: inBag}, err
}

// Update cannot happen: every change replaces.
func (p *Provider) Update(context.Context, *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	return nil, errors.New("a random value changes only by replacement")
}

// Delete forgets.
func (p *Provider) Delete(context.Context, *pulumirpc.DeleteRequest) (*serve.Empty, error) {
	return &serve.Empty{}, nil
}
