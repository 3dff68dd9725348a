package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"pi-runners/lab/plugins/serve"
)

// creator is the field manager of a plain create; the first update hands its fields to the resource's own manager.
const creator = "pulumi-kubernetes"

// Create makes the object and waits until it is ready. What exists already is refused, never taken over. A preview
// asks the server for a dry run and, where that cannot be had yet, answers with the inputs.
func (p *Provider) Create(
	_ context.Context, request *pulumirpc.CreateRequest,
) (*pulumirpc.CreateResponse, error) {
	urn := resource.URN(request.Urn)
	if !request.Preview && p.cluster == nil {
		return nil, fmt.Errorf("configured Kubernetes cluster is unreachable: %s", p.unreachable)
	}
	news, err := serve.Properties(request.Properties)
	if err != nil {
		return nil, err
	}
	inputs := plain(news)
	asIs := &pulumirpc.CreateResponse{Properties: request.Properties}
	if request.Preview && (hasUnknown(inputs.Object) || !p.cluster.knows(inputs.GroupVersionKind())) {
		return asIs, nil
	}
	manager := p.fieldManager(nil, inputs)
	live, err := p.createObject(urn, inputs, manager, request.Preview)
	if err != nil {
		if request.Preview && cannotPreview(err) {
			return asIs, nil
		}
		return nil, creationError(urn, inputs, err)
	}
	var notReady error
	if request.Preview {
		unstructured.RemoveNestedField(live.Object, "status")
	} else {
		live, notReady = p.await(urn, inputs, live, timeoutOf(request.Timeout, inputs), false)
	}
	bag, err := serve.Bag(state(inputs, live, news, inputs.GetAPIVersion(), manager))
	if err != nil {
		return nil, err
	}
	if notReady != nil {
		return nil, partial(id(live), fmt.Errorf("resource %q was successfully created, but the Kubernetes API server "+
			"reported that it failed to fully initialize or become live: %w", urn, notReady), bag, nil)
	}
	response := &pulumirpc.CreateResponse{Properties: bag}
	if !request.Preview {
		response.Id = id(live)
	}
	return response, nil
}

// createObject sends the create, patiently: its namespace or its kind may be in the making.
func (p *Provider) createObject(
	urn resource.URN, inputs *unstructured.Unstructured, manager string, preview bool,
) (*unstructured.Unstructured, error) {
	pause := time.Second
	for try := 0; ; try++ {
		live, err := p.tryCreate(inputs, manager, preview)
		patient := apierrors.IsNotFound(err) || meta.IsNoMatchError(err)
		if !patient || try == 5 || preview && isNamespaceMissing(err) {
			return live, err
		}
		_ = p.host.LogStatus(p.ctx, diag.Info, urn, fmt.Sprintf("Retry #%d; creation failed: %v", try, err))
		select {
		case <-p.ctx.Done():
			return nil, p.ctx.Err()
		case <-time.After(pause):
		}
		pause *= 2
		if meta.IsNoMatchError(err) {
			p.cluster.mapper.Reset()
		}
	}
}

func (p *Provider) tryCreate(
	inputs *unstructured.Unstructured, manager string, preview bool,
) (*unstructured.Unstructured, error) {
	api, err := p.cluster.resource(inputs)
	if err != nil {
		return nil, err
	}
	var dryRun []string
	if preview {
		dryRun = []string{metav1.DryRunAll}
	}
	if !p.settings.upsert {
		return api.Create(p.ctx, inputs, metav1.CreateOptions{FieldManager: creator, DryRun: dryRun})
	}
	force := preview || p.force(inputs, nil, preview)
	body, err := inputs.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return api.Patch(p.ctx, inputs.GetName(), types.ApplyPatchType, body,
		metav1.PatchOptions{FieldManager: manager, Force: &force, DryRun: dryRun})
}

// cannotPreview tells errors that a dry run meets and the real run will not: the object to be replaced is still
// there, its namespace not yet, or the user may not dry-run.
func cannotPreview(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsAlreadyExists(err) || isNamespaceMissing(err)
}

func isNamespaceMissing(err error) bool {
	var status *apierrors.StatusError
	return errors.As(err, &status) && apierrors.IsNotFound(err) &&
		status.ErrStatus.Details != nil && status.ErrStatus.Details.Kind == "namespaces"
}

func creationError(urn resource.URN, inputs *unstructured.Unstructured, err error) error {
	switch {
	case apierrors.IsAlreadyExists(err):
		err = fmt.Errorf("%w\n\nThe resource already exists in the cluster: import it, rename it, "+
			"or set upsertExistingObjects on the provider to take it over", err)
	case meta.IsNoMatchError(err):
		return fmt.Errorf("creation of resource %q with kind %s/%s failed because the Kubernetes API server "+
			"reported that the apiVersion for this resource does not exist. "+
			"Verify that any required CRDs have been created: %w", urn, inputs.GetAPIVersion(), inputs.GetKind(), err)
	}
	return fmt.Errorf("resource %q was not successfully created by the Kubernetes API server: %w", urn, err)
}
