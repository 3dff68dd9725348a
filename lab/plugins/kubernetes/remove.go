package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"pi-runners/lab/plugins/serve"
)

// Delete deletes the object and what it owns, and waits until it is gone. One that is gone already is no error.
func (p *Provider) Delete(_ context.Context, request *pulumirpc.DeleteRequest) (*serve.Empty, error) {
	urn := resource.URN(request.Urn)
	if p.cluster == nil {
		return p.deleteUnreachable(urn)
	}
	olds, err := serve.Properties(request.Properties)
	if err != nil {
		return nil, err
	}
	inputs, live := parseState(olds)
	api, err := p.cluster.resource(live)
	if meta.IsNoMatchError(err) {
		return &serve.Empty{}, nil
	}
	if err != nil {
		return nil, err
	}
	_, name := parseID(request.Id)
	policy := propagation(inputs)
	err = api.Delete(p.ctx, name, metav1.DeleteOptions{PropagationPolicy: &policy})
	if apierrors.IsNotFound(err) {
		return &serve.Empty{}, nil
	}
	if err != nil {
		return nil, err
	}
	if annotation(inputs, skipAwait) == "true" && skipsDeletion[inputs.GetKind()] {
		return &serve.Empty{}, nil
	}
	last, err := p.awaitDeleted(urn, api, live, name, timeoutOf(request.Timeout, inputs))
	if err == nil {
		return &serve.Empty{}, nil
	}
	bag, bagErr := serve.Bag(state(inputs, last, olds, initialVersion(olds, inputs), p.fieldManager(olds, inputs)))
	if bagErr != nil {
		return nil, bagErr
	}
	return nil, partial(request.Id, err, bag, nil)
}

func (p *Provider) deleteUnreachable(urn resource.URN) (*serve.Empty, error) {
	p.warn(urn, "configured Kubernetes cluster is unreachable: %s", p.unreachable)
	if p.settings.deleteUnreachable {
		p.warn(urn, "the `deleteUnreachable` option is enabled: deleting the unreachable resource from Pulumi state")
		return &serve.Empty{}, nil
	}
	return nil, errors.New("configured Kubernetes cluster is unreachable. If the cluster was deleted, " +
		"you can remove this resource from Pulumi state by rerunning the operation with the " +
		"PULUMI_K8S_DELETE_UNREACHABLE environment variable set to \"true\"")
}

// skipsDeletion are the kinds for which skipAwait holds for the deletion too.
var skipsDeletion = map[string]bool{
	"DaemonSet": true, "Deployment": true, "Job": true, "Namespace": true, "Pod": true,
	"ReplicationController": true, "StatefulSet": true,
}

func propagation(inputs *unstructured.Unstructured) metav1.DeletionPropagation {
	switch strings.ToLower(annotation(inputs, deletionPolicy)) {
	case "orphan":
		return metav1.DeletePropagationOrphan
	case "background":
		return metav1.DeletePropagationBackground
	}
	return metav1.DeletePropagationForeground
}

func (p *Provider) awaitDeleted(
	urn resource.URN, api dynamic.ResourceInterface, live *unstructured.Unstructured, name string, timeout time.Duration,
) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(p.ctx, timeout)
	defer cancel()
	report := reporter{provider: p, urn: urn}
	uid := live.GetUID()
	for pause := firstPause; ; pause = nextPause(pause) {
		now, err := api.Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err) || err == nil && now.GetUID() != uid:
			report.clear()
			return nil, nil
		case err == nil:
			live = now
			if result, err := status.Compute(live); err == nil {
				report.status(diag.Info, result.Message)
			}
		case ctx.Err() == nil:
			report.status(diag.Warning, "unexpected error while checking cluster state: "+err.Error())
		}
		select {
		case <-ctx.Done():
			if finalizers := live.GetFinalizers(); len(finalizers) > 0 {
				p.warn(urn, "finalizers might be preventing deletion (%s)", strings.Join(finalizers, ", "))
			}
			return live, &notReady{message: fmt.Sprintf("timed out waiting for the condition: %q is still there", id(live))}
		case <-time.After(pause):
		}
	}
}
