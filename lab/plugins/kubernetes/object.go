package kubernetes

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// Keys that a resource's state holds beside the live object.
const (
	inputsKey       = "__inputs"
	apiVersionKey   = "__initialApiVersion"
	fieldManagerKey = "__fieldManager"
)

// kindOf reads "kubernetes:GROUP/VERSION:KIND".
func kindOf(urn resource.URN) (schema.GroupVersionKind, error) {
	group, version, found := strings.Cut(string(urn.Type().Module().Name()), "/")
	if urn.Type().Package() != "kubernetes" || !found || strings.Contains(version, "/") {
		return schema.GroupVersionKind{}, fmt.Errorf("the type %q names no Kubernetes API group, version and kind; "+
			"or it is a component, which the lab's stand-in plugin has not", urn.Type())
	}
	if group == "core" {
		group = ""
	}
	return schema.GroupVersionKind{Group: group, Version: version, Kind: string(urn.Type().Name())}, nil
}

// plain turns properties into a Kubernetes object: secrets laid open, unknowns kept as resource.Computed.
func plain(properties resource.PropertyMap) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: properties.MapRepl(nil, openSecret)}
}

func openSecret(v resource.PropertyValue) (any, bool) {
	if v.IsSecret() {
		return v.SecretValue().Element.MapRepl(nil, openSecret), true
	}
	return nil, false
}

// reveal lays the secrets of a property map open, at its first level.
func reveal(properties resource.PropertyMap) resource.PropertyMap {
	open := resource.PropertyMap{}
	for key, value := range properties {
		for value.IsSecret() {
			value = value.SecretValue().Element
		}
		open[key] = value
	}
	return open
}

// hasUnknown tells whether something in the object is known only later.
func hasUnknown(value any) bool {
	switch v := value.(type) {
	case resource.Computed, *resource.Computed:
		return true
	case map[string]any:
		for _, element := range v {
			if hasUnknown(element) {
				return true
			}
		}
	case []any:
		for _, element := range v {
			if hasUnknown(element) {
				return true
			}
		}
	}
	return false
}

// normalize gives equal meanings one form, so that they make no diff: it passes a built-in kind through its Go type
// and keeps the fields that were there. Fields that only a server sets are removed.
func normalize(object *unstructured.Unstructured) *unstructured.Unstructured {
	if !hasUnknown(object.Object) {
		if isSecret(object) {
			normalizeSecret(object)
		} else if normal := throughGoType(object); normal != nil {
			object = &unstructured.Unstructured{Object: prune(normal, object.Object)}
		}
	}
	for _, field := range []string{
		"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp",
		"generation", "managedFields", "resourceVersion", "uid",
	} {
		removeNested(object.Object, "metadata", field)
	}
	return object
}

func removeNested(object map[string]any, path ...string) {
	if _, ok := object[path[0]].(map[string]any); ok {
		unstructured.RemoveNestedField(object, path...)
	}
}

func throughGoType(object *unstructured.Unstructured) map[string]any {
	typed, err := scheme.Scheme.New(object.GroupVersionKind())
	if err != nil {
		return nil
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
		return nil
	}
	normal, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return nil
	}
	return normal
}

func builtIn(kind schema.GroupVersionKind) bool { return scheme.Scheme.Recognizes(kind) }

func isSecret(object *unstructured.Unstructured) bool {
	return object.GetAPIVersion() == "v1" && object.GetKind() == "Secret"
}

func isConfigMap(object *unstructured.Unstructured) bool {
	return object.GetAPIVersion() == "v1" && object.GetKind() == "ConfigMap"
}

// normalizeSecret writes stringData as the base64 data that the server makes of it, and base64 in its one true form.
func normalizeSecret(object *unstructured.Unstructured) {
	texts, _, err := unstructured.NestedStringMap(object.Object, "stringData")
	if err != nil {
		return
	}
	data, _, err := unstructured.NestedMap(object.Object, "data")
	if err != nil || len(texts)+len(data) == 0 {
		return
	}
	if data == nil {
		data = map[string]any{}
	}
	if len(texts) == 0 {
		for key, value := range data {
			text, _ := value.(string)
			if bytes, err := base64.StdEncoding.DecodeString(text); err == nil {
				data[key] = base64.StdEncoding.EncodeToString(bytes)
			}
		}
	}
	for key, text := range texts {
		data[key] = base64.StdEncoding.EncodeToString([]byte(text))
	}
	object.Object["data"] = data
	if len(texts) > 0 {
		delete(object.Object, "stringData")
	}
}

// state is what Pulumi keeps of a resource: the live object, and beside it what the next diff needs.
func state(
	inputs, live *unstructured.Unstructured, from resource.PropertyMap, apiVersion, manager string,
) resource.PropertyMap {
	outs := resource.NewPropertyMapFromMap(live.Object)
	ins := resource.NewPropertyMapFromMap(inputs.Object)
	markSecrets(outs, from)
	markSecrets(ins, from)
	outs[inputsKey] = resource.NewObjectProperty(ins)
	outs[apiVersionKey] = resource.NewStringProperty(apiVersion)
	outs[fieldManagerKey] = resource.NewStringProperty(manager)
	return outs
}

// parseState is the way back of state.
func parseState(properties resource.PropertyMap) (inputs, live *unstructured.Unstructured) {
	object := plain(properties).Object
	old, _ := object[inputsKey].(map[string]any)
	if old == nil {
		old = map[string]any{}
	}
	delete(object, inputsKey)
	return &unstructured.Unstructured{Object: old}, &unstructured.Unstructured{Object: object}
}

// markSecrets makes secret in outs what is secret in ins, and the data of every Secret. A secret within an array
// makes the whole array secret: a server may reorder it.
func markSecrets(outs, ins resource.PropertyMap) {
	if kind := outs["kind"]; kind.IsString() && kind.StringValue() == "Secret" {
		for _, key := range []resource.PropertyKey{"data", "stringData"} {
			if value, has := outs[key]; has && !value.IsSecret() {
				outs[key] = resource.MakeSecret(value)
			}
		}
		return
	}
	for key, in := range ins {
		out, has := outs[key]
		switch {
		case !has:
		case out.IsObject() && in.IsObject():
			markSecrets(out.ObjectValue(), in.ObjectValue())
		case !out.IsSecret() && in.ContainsSecrets():
			outs[key] = resource.MakeSecret(out)
		}
	}
}

// id is "namespace/name", or "name" of what has no namespace.
func id(object *unstructured.Unstructured) string {
	if object.GetNamespace() == "" {
		return object.GetName()
	}
	return object.GetNamespace() + "/" + object.GetName()
}

func parseID(id string) (namespace, name string) {
	if namespace, name, found := strings.Cut(id, "/"); found {
		return namespace, name
	}
	return "", id
}
