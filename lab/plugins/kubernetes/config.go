package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"k8s.io/client-go/tools/clientcmd"
	clientapi "k8s.io/client-go/tools/clientcmd/api"

	"pi-runners/lab/plugins/serve"
)

// settings are the provider's own arguments, as far as they are known here.
type settings struct {
	namespace                          string
	secretMutable, configMapMutable    bool
	deleteUnreachable, skipUnreachable bool
	patchForce, upsert                 bool
}

// CheckConfig takes the arguments as they are, but for those that this stand-in cannot honour.
func (p *Provider) CheckConfig(
	_ context.Context, request *pulumirpc.CheckRequest,
) (*pulumirpc.CheckResponse, error) {
	news, err := serve.Properties(request.News)
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.CheckResponse{Inputs: request.News}
	refuse := func(key, reason string) {
		response.Failures = append(response.Failures, &pulumirpc.CheckFailure{Property: key, Reason: reason})
	}
	if v := news["renderYamlToDirectory"]; v.IsString() && v.StringValue() != "" {
		refuse("renderYamlToDirectory", p.missing("renderYamlToDirectory").Error())
	}
	if v := news["enableServerSideApply"]; (v.IsString() && v.StringValue() == "false") || (v.IsBool() && !v.BoolValue()) {
		refuse("enableServerSideApply", p.missing("client-side apply").Error())
	}
	return response, nil
}

// DiffConfig replaces the provider, and with it all its resources, only when it points to another cluster: another
// clusterIdentifier or, where that is not given, another active cluster in the kubeconfig.
func (p *Provider) DiffConfig(_ context.Context, request *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, news, err := serve.Both(request.Olds, request.News)
	if err != nil {
		return nil, err
	}
	olds, news = reveal(olds), reveal(news)
	diff := olds.Diff(news)
	if diff == nil {
		return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
	}
	response := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_SOME}
	for _, key := range diff.ChangedKeys() {
		response.Diffs = append(response.Diffs, string(key))
	}
	response.Replaces, err = clusterChange(olds, news, diff, response.Diffs)
	return response, err
}

var pointers = []resource.PropertyKey{"kubeconfig", "context", "cluster"}

// clusterChange lists the keys by which the cluster became another one.
func clusterChange(olds, news resource.PropertyMap, diff *resource.ObjectDiff, changed []string) ([]string, error) {
	const identifier = "clusterIdentifier"
	if diff.Updated(identifier) {
		return []string{identifier}, nil
	}
	if news.HasValue(identifier) && diff.Same(identifier) {
		return nil, nil
	}
	for _, key := range pointers {
		if news[key].IsComputed() {
			return []string{string(key)}, nil
		}
	}
	oldCluster, err := activeCluster(olds)
	if err != nil {
		return nil, err
	}
	newCluster, err := activeCluster(news)
	if err != nil {
		return nil, err
	}
	if oldCluster == nil || newCluster == nil || reflect.DeepEqual(oldCluster, newCluster) {
		return nil, nil
	}
	var replaces []string
	for _, key := range pointers {
		if slices.Contains(changed, string(key)) {
			replaces = append(replaces, string(key))
		}
	}
	return replaces, nil
}

// activeCluster is the cluster that a provider's arguments select, nil when they select none.
func activeCluster(arguments resource.PropertyMap) (*clientapi.Cluster, error) {
	text := ""
	switch v := arguments["kubeconfig"]; {
	case v.IsString():
		text = v.StringValue()
	case v.IsObject():
		contents, err := json.Marshal(v.ObjectValue().Mappable())
		if err != nil {
			return nil, err
		}
		text = string(contents)
	}
	if text == "" {
		return nil, nil
	}
	config, err := parseKubeconfig(text)
	if err != nil {
		return nil, fmt.Errorf("failed to parse kubeconfig: %w", err)
	}
	current := config.CurrentContext
	if v := arguments["context"]; v.IsString() {
		current = v.StringValue()
	}
	selected := config.Contexts[current]
	if selected == nil {
		return nil, nil
	}
	name := selected.Cluster
	if v := arguments["cluster"]; v.IsString() {
		name = v.StringValue()
	}
	return config.Clusters[name], nil
}

// Configure reads the arguments and reaches for the cluster. One that cannot be reached is no error yet: a preview
// can still tell what the program wants.
func (p *Provider) Configure(
	_ context.Context, request *pulumirpc.ConfigureRequest,
) (*pulumirpc.ConfigureResponse, error) {
	variables := request.GetVariables() //nolint:staticcheck // as the official plugin does
	value := func(key string) string { return variables["kubernetes:config:"+key] }
	flag := func(key, environment string) bool {
		if v, given := variables["kubernetes:config:"+key]; given {
			return v == "true"
		}
		return os.Getenv("PULUMI_K8S_"+environment) == "true"
	}
	p.settings = settings{
		namespace:         value("namespace"),
		secretMutable:     flag("enableSecretMutable", "ENABLE_SECRET_MUTABLE"),
		configMapMutable:  flag("enableConfigMapMutable", "ENABLE_CONFIGMAP_MUTABLE"),
		deleteUnreachable: flag("deleteUnreachable", "DELETE_UNREACHABLE"),
		skipUnreachable:   flag("skipUpdateUnreachable", "SKIP_UPDATE_UNREACHABLE"),
		patchForce:        flag("enablePatchForce", "ENABLE_PATCH_FORCE"),
		upsert:            flag("upsertExistingObjects", "UPSERT_EXISTING_OBJECTS"),
	}
	overrides := &clientcmd.ConfigOverrides{
		CurrentContext: value("context"),
		Context:        clientapi.Context{Cluster: value("cluster"), Namespace: p.settings.namespace},
	}
	config, namespace, err := loadKubeconfig(value("kubeconfig"), overrides)
	if namespace != "" {
		p.settings.namespace = namespace
	}
	if err == nil {
		err = tune(config, value("kubeClientSettings"))
	}
	if err != nil {
		p.unreachable = err.Error()
	} else if p.cluster, err = dial(config); err != nil {
		p.unreachable = fmt.Sprintf("unable to load schema information from the API server: %v", err)
	}
	return &pulumirpc.ConfigureResponse{
		AcceptSecrets:                   true,
		SupportsPreview:                 true,
		SupportsAutonamingConfiguration: true,
	}, nil
}
