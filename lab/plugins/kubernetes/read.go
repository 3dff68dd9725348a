package kubernetes

import (
	"context"
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"pi-runners/lab/plugins/serve"
)

// gone is the answer that removes a resource from the state.
var gone = &pulumirpc.ReadResponse{}

// Read looks at the live object, for a refresh (there are old inputs, and only their fields count as inputs) or for
// an import or get (there are none, and everything but the status and the server's own metadata does).
func (p *Provider) Read(_ context.Context, request *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	urn := resource.URN(request.Urn)
	if p.cluster == nil {
		return p.readUnreachable(urn, request)
	}
	olds, from, err := serve.Both(request.Properties, request.Inputs)
	if err != nil {
		return nil, err
	}
	inputs, imported, err := target(urn, request.Id, normalize(plain(from)), olds)
	if err != nil {
		return nil, err
	}
	live, failure := p.look(urn, inputs, request.Id, imported)
	if failure != nil && live == nil {
		if apierrors.IsNotFound(failure) || meta.IsNoMatchError(failure) {
			return gone, nil
		}
		return nil, failure
	}
	liveInputs := &unstructured.Unstructured{Object: prune(live.Object, inputs.Object)}
	if imported {
		liveInputs = importedInputs(live)
	}
	manager := p.fieldManager(olds, inputs)
	bag, err := serve.Bag(state(liveInputs, live, from, initialVersion(olds, inputs), manager))
	if err != nil {
		return nil, err
	}
	ins := resource.NewPropertyMapFromMap(liveInputs.Object)
	markSecrets(ins, from)
	inBag, err := serve.Bag(ins)
	if err != nil {
		return nil, err
	}
	if failure != nil {
		return nil, partial(request.Id, failure, bag, inBag)
	}
	return &pulumirpc.ReadResponse{Id: request.Id, Properties: bag, Inputs: inBag}, nil
}

func (p *Provider) readUnreachable(
	urn resource.URN, request *pulumirpc.ReadRequest,
) (*pulumirpc.ReadResponse, error) {
	p.warn(urn, "configured Kubernetes cluster is unreachable: %s", p.unreachable)
	switch {
	case p.settings.deleteUnreachable:
		p.warn(urn, "the `deleteUnreachable` option is enabled: deleting the unreachable resource from Pulumi state")
		return gone, nil
	case p.settings.skipUnreachable:
		return &pulumirpc.ReadResponse{
			Id: request.Id, Properties: request.Properties, Inputs: request.Inputs,
		}, nil
	}
	return nil, errors.New("failed to read resource state due to unreachable cluster. If the cluster was deleted, " +
		"you can remove this resource from Pulumi state by rerunning the operation with the " +
		"PULUMI_K8S_DELETE_UNREACHABLE environment variable set to \"true\"")
}

// target tells what to read: the old inputs' object or, without them, the one that the type and the id name.
func target(
	urn resource.URN, id string, inputs *unstructured.Unstructured, olds resource.PropertyMap,
) (*unstructured.Unstructured, bool, error) {
	namespace, name := parseID(id)
	if name == "" {
		return nil, false, fmt.Errorf("the id %q of %s is not of the form NAMESPACE/NAME or NAME", id, urn)
	}
	if !inputs.GroupVersionKind().Empty() {
		return inputs, false, nil
	}
	_, live := parseState(olds)
	imported := live.GroupVersionKind().Empty()
	kind := live.GroupVersionKind()
	if imported {
		var err error
		if kind, err = kindOf(urn); err != nil {
			return nil, false, err
		}
	}
	inputs.SetGroupVersionKind(kind)
	if inputs.GetName() == "" {
		inputs.SetName(name)
	}
	if inputs.GetNamespace() == "" && namespace != "" {
		inputs.SetNamespace(namespace)
	}
	return inputs, imported, nil
}

// look gets the live object and judges, unless it is only being imported, whether it is ready.
func (p *Provider) look(
	urn resource.URN, inputs *unstructured.Unstructured, id string, imported bool,
) (*unstructured.Unstructured, error) {
	api, err := p.cluster.resource(inputs)
	if err != nil {
		return nil, err
	}
	_, name := parseID(id)
	live, err := api.Get(p.ctx, name, metav1.GetOptions{})
	if err != nil || imported || annotation(inputs, skipAwait) == "true" || !judgedOnRead[live.GetKind()] {
		return live, err
	}
	verdict := p.judge(live)
	if verdict.ready {
		return live, nil
	}
	return live, &notReady{
		message: fmt.Sprintf("Resource '%s' was created but failed to initialize", live.GetName()),
		reasons: append(verdict.errors, p.reasons(live)...),
	}
}

var judgedOnRead = map[string]bool{
	"DaemonSet": true, "Deployment": true, "Job": true, "Pod": true, "Service": true, "StatefulSet": true,
}

// importedInputs is the whole object but for the status and what only the server sets.
func importedInputs(live *unstructured.Unstructured) *unstructured.Unstructured {
	inputs := live.DeepCopy()
	delete(inputs.Object, "status")
	for _, field := range []string{"creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"} {
		unstructured.RemoveNestedField(inputs.Object, "metadata", field)
	}
	for _, key := range []string{
		"deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration",
	} {
		unstructured.RemoveNestedField(inputs.Object, "metadata", "annotations", key)
	}
	return inputs
}
