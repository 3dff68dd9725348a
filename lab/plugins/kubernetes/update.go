package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"pi-runners/lab/plugins/serve"
)

// Update applies the new inputs on the server's side, under the field manager of the resource, and waits until the
// object is ready again. A preview is the same as a dry run.
func (p *Provider) Update(
	_ context.Context, request *pulumirpc.UpdateRequest,
) (*pulumirpc.UpdateResponse, error) {
	urn := resource.URN(request.Urn)
	if !request.Preview && p.cluster == nil {
		return nil, fmt.Errorf("configured Kubernetes cluster is unreachable: %s", p.unreachable)
	}
	olds, news, err := serve.Both(request.Olds, request.News)
	if err != nil {
		return nil, err
	}
	inputs := normalize(plain(news))
	asIs := &pulumirpc.UpdateResponse{Properties: request.News}
	if request.Preview && (hasUnknown(inputs.Object) || !p.cluster.knows(inputs.GroupVersionKind())) {
		return asIs, nil
	}
	_, old := parseState(olds)
	manager := p.fieldManager(olds, inputs)
	live, failure := p.apply(inputs, old.GetName(), manager, request)
	if failure == nil && !request.Preview {
		live, failure = p.await(urn, inputs, live, timeoutOf(request.Timeout, inputs), true)
	}
	switch {
	case failure == nil:
	case request.Preview && apierrors.IsForbidden(failure):
		return asIs, nil
	case meta.IsNoMatchError(failure):
		return nil, fmt.Errorf("update of resource %q failed because the Kubernetes API server reported that the "+
			"apiVersion for this resource does not exist. Verify that any required CRDs have been created: %w", urn, failure)
	default:
		if live, err = p.get(old); err != nil {
			return nil, errors.Join(fmt.Errorf("update of resource %q failed: %w", urn, failure),
				fmt.Errorf("unable to get cluster state: %w", err))
		}
	}
	bag, err := serve.Bag(state(inputs, live, news, initialVersion(olds, inputs), manager))
	if err != nil {
		return nil, err
	}
	if failure != nil {
		return nil, partial(id(live), fmt.Errorf("the Kubernetes API server reported that %q failed to fully "+
			"initialize or become live: %w", id(live), failure), bag, nil)
	}
	return &pulumirpc.UpdateResponse{Properties: bag}, nil
}

// apply sends the server-side apply, after the fields that the create, or kubectl, had set were handed over to the
// resource's field manager: otherwise they would never be removed, or conflict.
func (p *Provider) apply(
	inputs *unstructured.Unstructured, name, manager string, request *pulumirpc.UpdateRequest,
) (*unstructured.Unstructured, error) {
	api, err := p.cluster.resource(inputs)
	if err != nil {
		return nil, err
	}
	live, err := api.Get(p.ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	force := p.force(inputs, live, request.Preview)
	if !request.Preview {
		if live, err = p.takeOver(api, live, manager); err != nil {
			return nil, err
		}
	}
	if err := keepIgnored(inputs, live, request.IgnoreChanges); err != nil {
		return nil, err
	}
	body, err := inputs.MarshalJSON()
	if err != nil {
		return nil, err
	}
	options := metav1.PatchOptions{FieldManager: manager, Force: &force}
	if request.Preview {
		options.DryRun = []string{metav1.DryRunAll}
	}
	applied, err := api.Patch(p.ctx, name, types.ApplyPatchType, body, options)
	if apierrors.IsConflict(err) {
		err = fmt.Errorf("server-side apply field conflict detected: somebody else set these fields.\n"+
			"The resource managed by field manager %q had an apply conflict: %w", manager, err)
	}
	return applied, err
}

// takeOver moves the fields of known client-side writers to the resource's field manager.
func (p *Provider) takeOver(
	api dynamic.ResourceInterface, live *unstructured.Unstructured, manager string,
) (*unstructured.Unstructured, error) {
	fields, changed, err := inherit(live.GetManagedFields(), manager)
	if err != nil || !changed {
		return live, err
	}
	patch, err := json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": fields},
		{"op": "replace", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()},
	})
	if err != nil {
		return nil, err
	}
	return api.Patch(p.ctx, live.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{})
}

// force tells whether conflicts with other field managers are overridden: only when asked for, for an object without
// any record of managers and, in a preview, where the real update takes the fields over first.
func (p *Provider) force(inputs, live *unstructured.Unstructured, preview bool) bool {
	if annotation(inputs, patchForce) == "true" || p.settings.patchForce {
		return true
	}
	if live == nil {
		return preview
	}
	entries := live.GetManagedFields()
	for _, entry := range entries {
		if preview && entry.Operation == metav1.ManagedFieldsOperationUpdate && strings.HasPrefix(entry.Manager, creator) {
			return true
		}
	}
	return len(entries) == 0
}

// fieldManager is the annotation's, else the one of the state, else a new one.
func (p *Provider) fieldManager(olds resource.PropertyMap, inputs *unstructured.Unstructured) string {
	if manager := annotation(inputs, patchFieldManager); manager != "" {
		return manager
	}
	if manager := olds[fieldManagerKey]; manager.IsString() {
		return manager.StringValue()
	}
	manager, err := resource.NewUniqueName(nil, creator+"-", 0, 0, nil)
	if err != nil {
		return creator + "-lab"
	}
	return manager
}

func initialVersion(olds resource.PropertyMap, inputs *unstructured.Unstructured) string {
	if version := olds[apiVersionKey]; version.IsString() {
		return version.StringValue()
	}
	return inputs.GetAPIVersion()
}

// keepIgnored puts the live value where the program's is ignored, so that an apply neither changes nor drops it.
func keepIgnored(inputs, live *unstructured.Unstructured, ignored []string) error {
	for _, text := range ignored {
		path, err := resource.ParsePropertyPath(text)
		if err != nil {
			return fmt.Errorf("unable to parse ignoreField path %q: %w", text, err)
		}
		var steps []string
		for _, step := range path {
			steps = append(steps, fmt.Sprint(step))
		}
		value, found, err := unstructured.NestedFieldCopy(live.Object, steps...)
		if err != nil || !found {
			continue // a path into an array, or nothing there: the program's value stays
		}
		if err := unstructured.SetNestedField(inputs.Object, value, steps...); err != nil {
			return fmt.Errorf("unable to set field %q with its live value: %w", text, err)
		}
	}
	return nil
}

func (p *Provider) get(object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	api, err := p.cluster.resource(object)
	if err != nil {
		return nil, err
	}
	return api.Get(p.ctx, object.GetName(), metav1.GetOptions{})
}
