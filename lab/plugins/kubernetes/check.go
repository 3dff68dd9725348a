package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"pi-runners/lab/plugins/serve"
)

// Check completes a program's inputs: one form for equal meanings, a name where none was given, the provider's
// namespace.
func (p *Provider) Check(_ context.Context, request *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	urn := resource.URN(request.Urn)
	if p.cluster == nil && p.settings.skipUnreachable {
		p.warn(urn, "Cluster is unreachable but skipUpdateUnreachable flag is set to true, skipping...")
		return &pulumirpc.CheckResponse{Inputs: request.Olds}, nil
	}
	kind, err := kindOf(urn)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(kind.Kind, "Patch") && !builtIn(kind) || strings.HasPrefix(kind.Group, "helm.sh") {
		return nil, p.missing(string(urn.Type()))
	}
	olds, news, err := serve.Both(request.Olds, request.News)
	if err != nil {
		return nil, err
	}
	inputs := normalize(plain(news))
	if err := setName(inputs, plain(olds), request); err != nil {
		return nil, err
	}
	if p.settings.namespace != "" && namespaceUnset(inputs) && p.cluster.namespaced(kind) {
		if metadata, ok := inputs.Object["metadata"].(map[string]any); ok {
			metadata["namespace"] = p.settings.namespace
		}
	}
	checked := resource.NewPropertyMapFromMap(inputs.Object)
	markSecrets(checked, news)
	bag, err := serve.Bag(checked)
	return &pulumirpc.CheckResponse{Inputs: bag}, err
}

func namespaceUnset(object *unstructured.Unstructured) bool {
	metadata, _ := object.Object["metadata"].(map[string]any)
	namespace, given := metadata["namespace"]
	return !given || namespace == nil || namespace == ""
}

// setName names what has no name: as before if it was named by us before, else by the logical name and eight random
// hexadecimal digits (or as the project's autonaming configuration says). The annotation tells the two kinds apart.
func setName(inputs, olds *unstructured.Unstructured, request *pulumirpc.CheckRequest) error {
	metadata, ok := inputs.Object["metadata"].(map[string]any)
	if !ok {
		if hasUnknown(inputs.Object["metadata"]) {
			return nil
		}
		metadata = map[string]any{}
		inputs.Object["metadata"] = metadata
	}
	if metadata["generateName"] != nil && metadata["name"] == nil {
		return errors.New("the `.metadata.generateName` field is not supported in Server-Side Apply mode")
	}
	if name := metadata["name"]; name != nil && name != "" {
		return nil
	}
	name := ""
	if annotation(olds, autonamed) == "true" {
		name = olds.GetName()
	} else if len(olds.Object) > 0 {
		return nil
	}
	if name == "" {
		var err error
		if name, err = newName(request); err != nil {
			return err
		}
	}
	metadata["name"] = name
	annotate(inputs, autonamed, "true")
	return nil
}

func newName(request *pulumirpc.CheckRequest) (string, error) {
	if naming := request.Autonaming; naming != nil {
		switch naming.Mode {
		case pulumirpc.CheckRequest_AutonamingOptions_DISABLE:
			return "", errors.New("autonaming is disabled, resource requires the .metadata.name field to be set")
		case pulumirpc.CheckRequest_AutonamingOptions_ENFORCE, pulumirpc.CheckRequest_AutonamingOptions_PROPOSE:
			return naming.ProposedName, nil
		}
	}
	name, err := resource.NewUniqueName(request.RandomSeed, resource.URN(request.Urn).Name()+"-", 0, 0, nil)
	if err != nil {
		return "", fmt.Errorf("cannot make a name for %s: %w", request.Urn, err)
	}
	return name, nil
}
