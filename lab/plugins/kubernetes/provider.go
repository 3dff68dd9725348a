// Package kubernetes is a stand-in for Pulumi's Kubernetes plugin: what programs of this project see of the official
// one, on client-go's dynamic client. Facts about the official one are from the source of pulumi-kubernetes
// 4.32 to 4.34 (provider/pkg/provider and provider/pkg/await).
//
// Not here: Helm, YAML and Kustomize components, Patch resources, client-side apply, rendering to a directory,
// CRD parameterization. Asked for one of these it says so.
package kubernetes

import (
	"context"
	"fmt"
	"sync"

	"github.com/pulumi/pulumi/pkg/v3/resource/provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"pi-runners/lab/plugins/serve"
)

// Provider answers Pulumi's engine.
type Provider struct {
	serve.Base
	host   *provider.HostClient
	ctx    context.Context
	cancel context.CancelFunc

	settings settings
	cluster  *cluster // nil while unreachable
	// unreachable says why there is no cluster; empty when there is one.
	unreachable string
	lock        sync.Mutex
}

// Maker makes the provider that serve.Main serves.
func Maker(version string) func(*provider.HostClient) (pulumirpc.ResourceProviderServer, error) {
	return func(host *provider.HostClient) (pulumirpc.ResourceProviderServer, error) {
		ctx, cancel := context.WithCancel(context.Background())
		base := serve.Base{Name: "kubernetes", Version: version}
		return &Provider{Base: base, host: host, ctx: ctx, cancel: cancel}, nil
	}
}

// Cancel ends every wait.
func (p *Provider) Cancel(context.Context, *serve.Empty) (*serve.Empty, error) {
	p.cancel()
	return &serve.Empty{}, nil
}

// Invoke knows no functions.
func (p *Provider) Invoke(_ context.Context, request *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	return nil, p.missing(request.Tok)
}

// Construct knows no components.
func (p *Provider) Construct(
	_ context.Context, request *pulumirpc.ConstructRequest,
) (*pulumirpc.ConstructResponse, error) {
	return nil, p.missing(request.Type)
}

func (p *Provider) missing(what string) error {
	return fmt.Errorf("the lab's stand-in for the Kubernetes plugin has no %s: "+
		"use Pulumi's own plugin, or plain resources", what)
}

func (p *Provider) warn(urn resource.URN, format string, args ...any) {
	_ = p.host.Log(p.ctx, diag.Warning, urn, fmt.Sprintf(format, args...))
}
