package kubernetes

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientapi "k8s.io/client-go/tools/clientcmd/api"
)

// cluster is a reachable Kubernetes API.
type cluster struct {
	client dynamic.Interface
	mapper *restmapper.DeferredDiscoveryRESTMapper
}

// dial reaches the API server once, so that an unreachable one is known before any resource is.
func dial(config *rest.Config) (*cluster, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	if _, err := disco.ServerVersion(); err != nil {
		return nil, err
	}
	return &cluster{
		client: client,
		mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(disco)),
	}, nil
}

// resource is the API of one object's kind, in the object's namespace.
func (c *cluster) resource(object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	mapping, err := c.mapping(object.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	api := c.client.Resource(mapping.Resource)
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return api, nil
	}
	return api.Namespace(canonicalNamespace(object.GetNamespace())), nil
}

func (c *cluster) mapping(kind schema.GroupVersionKind) (*meta.RESTMapping, error) {
	return c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
}

// knows tells whether the API server serves this kind.
func (c *cluster) knows(kind schema.GroupVersionKind) bool {
	if c == nil {
		return false
	}
	_, err := c.mapping(kind)
	return err == nil
}

// namespaced tells the scope of a kind. One that nobody knows yet (its CRD is to come) counts as namespaced.
func (c *cluster) namespaced(kind schema.GroupVersionKind) bool {
	if !strings.Contains(kind.Group, ".") || strings.HasSuffix(kind.Group, ".k8s.io") {
		if clusterScoped[kind.Kind] {
			return false
		}
		if builtIn(kind) {
			return true
		}
	}
	if c == nil {
		return true
	}
	mapping, err := c.mapping(kind)
	return err != nil || mapping.Scope.Name() == meta.RESTScopeNameNamespace
}

// clusterScoped are the built-in kinds without a namespace, so that a preview needs no cluster to tell.
var clusterScoped = map[string]bool{
	"APIService": true, "CSIDriver": true, "CSINode": true, "CertificateSigningRequest": true, "ClusterRole": true,
	"ClusterRoleBinding": true, "CustomResourceDefinition": true, "DeviceClass": true, "FlowSchema": true,
	"IPAddress": true, "IngressClass": true, "MutatingAdmissionPolicy": true, "MutatingAdmissionPolicyBinding": true,
	"MutatingWebhookConfiguration": true, "Namespace": true, "Node": true, "PersistentVolume": true,
	"PriorityClass": true, "PriorityLevelConfiguration": true, "ResourceSlice": true, "RuntimeClass": true,
	"SelfSubjectAccessReview": true, "SelfSubjectReview": true, "SelfSubjectRulesReview": true, "ServiceCIDR": true,
	"StorageClass": true, "StorageVersion": true, "SubjectAccessReview": true, "TokenReview": true,
	"ValidatingAdmissionPolicy": true, "ValidatingAdmissionPolicyBinding": true,
	"ValidatingWebhookConfiguration": true, "VolumeAttachment": true, "VolumeAttributesClass": true,
}

func canonicalNamespace(namespace string) string {
	if namespace == "" {
		return "default"
	}
	return namespace
}

// loadKubeconfig takes a path or the contents of a kubeconfig or, when neither is given, what is ambient. It also
// returns the namespace that is thus the default.
func loadKubeconfig(pathOrContents string, overrides *clientcmd.ConfigOverrides) (*rest.Config, string, error) {
	var loader clientcmd.ClientConfig
	if pathOrContents == "" {
		loader = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
			clientcmd.NewDefaultClientConfigLoadingRules(), overrides)
	} else {
		config, err := parseKubeconfig(pathOrContents)
		if err != nil {
			return nil, "", fmt.Errorf("failed to parse kubeconfig data in `kubernetes:config:kubeconfig`- %w", err)
		}
		loader = clientcmd.NewDefaultClientConfig(*config, overrides)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		namespace = ""
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, namespace, fmt.Errorf("unable to load Kubernetes client configuration from kubeconfig file: %w", err)
	}
	return config, namespace, nil
}

func parseKubeconfig(pathOrContents string) (*clientapi.Config, error) {
	path := pathOrContents
	if home, err := os.UserHomeDir(); err == nil && (path == "~" || strings.HasPrefix(path, "~/")) {
		path = filepath.Join(home, path[1:])
	}
	if contents, err := os.ReadFile(path); err == nil {
		return clientcmd.Load(contents)
	}
	return clientcmd.Load([]byte(pathOrContents))
}

// tune sets the client's limits: the official plugin's defaults, or the kubeClientSettings given.
func tune(config *rest.Config, given string) error {
	limits := struct {
		Burst, Timeout int
		QPS            float32
	}{Burst: 120, QPS: 50}
	if given != "" {
		if err := json.Unmarshal([]byte(given), &limits); err != nil {
			return fmt.Errorf("failed to unmarshal kubeClientSettings option: %w", err)
		}
	}
	config.Burst, config.QPS = limits.Burst, limits.QPS
	config.Timeout = time.Duration(limits.Timeout) * time.Second
	config.WarningHandler = rest.NoWarnings{}
	config.UserAgent = "pi-runners-lab-kubernetes"
	return nil
}
