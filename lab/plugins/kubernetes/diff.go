package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"pi-runners/lab/plugins/serve"
)

// Diff compares the new inputs with the live object of the last state, cut down to the fields of the old inputs: so a
// refresh that saw drift makes a diff, and what the server fills in by itself makes none.
func (p *Provider) Diff(_ context.Context, request *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, news, err := serve.Both(request.Olds, request.News)
	if err != nil {
		return nil, err
	}
	inputs := normalize(plain(news))
	oldInputs, live := parseState(olds)
	if live.GetName() == "" {
		return nil, fmt.Errorf("the state of %s holds no object: run pulumi refresh", request.Urn)
	}
	base := comparable(p, live, normalize(oldInputs), inputs)
	changes, err := detail(base.Object, inputs.Object, p.forceNew(inputs))
	if err != nil {
		return nil, err
	}
	if err := ignore(changes, request.IgnoreChanges); err != nil {
		return nil, err
	}
	response := &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_NONE, DetailedDiff: changes, HasDetailedDiff: true,
	}
	for path, change := range changes {
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
		if isReplace(change.Kind) || path == "metadata" && change.Kind == pulumirpc.PropertyDiff_DELETE {
			response.Replaces = append(response.Replaces, path)
		}
	}
	if reason := p.unready(inputs, live); reason != "" {
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
		response.Replaces = append(response.Replaces, reason)
	}
	response.DeleteBeforeReplace = len(response.Replaces) > 0 && sameObject(inputs, live)
	return response, nil
}

// sameObject tells whether a replacement would have the old one's name, as a fixed name makes it: then the old one
// has to go first.
func sameObject(inputs, live *unstructured.Unstructured) bool {
	return inputs.GetName() != "" && annotation(inputs, autonamed) != "true" &&
		inputs.GetName() == live.GetName() && inputs.GetNamespace() == live.GetNamespace()
}

// comparable makes of the live object what the inputs can be compared with.
func comparable(p *Provider, live, oldInputs, inputs *unstructured.Unstructured) *unstructured.Unstructured {
	kind := inputs.GroupVersionKind()
	if kind.Group == "core" {
		kind.Group = ""
	}
	base := &unstructured.Unstructured{Object: prune(live.Object, oldInputs.Object)}
	if base.Object == nil {
		base.Object = map[string]any{}
	}
	if p.cluster.namespaced(kind) {
		base.SetNamespace(canonicalNamespace(base.GetNamespace()))
		if metadata, ok := inputs.Object["metadata"].(map[string]any); ok && namespaceUnset(inputs) {
			metadata["namespace"] = "default"
		}
	} else {
		base.SetNamespace("")
		removeNested(inputs.Object, "metadata", "namespace")
	}
	if base.GroupVersionKind().Empty() {
		base.SetGroupVersionKind(kind)
	}
	base.SetResourceVersion("")
	if inputs.GetName() != "" {
		base.SetName(live.GetName())
	}
	return base
}

// unready asks, for a Job that wants it, whether the live one failed; the answer is the key that replaces it.
func (p *Provider) unready(inputs, live *unstructured.Unstructured) string {
	if annotation(inputs, replaceUnready) != "true" || inputs.GetKind() != "Job" || p.cluster == nil {
		return ""
	}
	now, err := p.get(live)
	if err != nil || readiness(now).ready {
		return ""
	}
	return `.metadata.annotations["` + replaceUnready + `"]`
}

func isReplace(kind pulumirpc.PropertyDiff_Kind) bool {
	switch kind {
	case pulumirpc.PropertyDiff_ADD_REPLACE, pulumirpc.PropertyDiff_DELETE_REPLACE, pulumirpc.PropertyDiff_UPDATE_REPLACE:
		return true
	}
	return false
}

// ignore removes the changes that the resource's ignoreChanges covers.
func ignore(changes map[string]*pulumirpc.PropertyDiff, ignored []string) error {
	for _, text := range ignored {
		path, err := resource.ParsePropertyPath(text)
		if err != nil {
			return fmt.Errorf("failed to parse ignore path: %w", err)
		}
		for key := range changes {
			if changed, err := resource.ParsePropertyPath(key); err == nil && path.Contains(changed) {
				delete(changes, key)
			}
		}
	}
	return nil
}

// detail lists what has to change in old to become new, path by path.
func detail(old, new map[string]any, forceNew []string) (map[string]*pulumirpc.PropertyDiff, error) {
	before, err := json.Marshal(withMarkers(old))
	if err != nil {
		return nil, err
	}
	after, err := json.Marshal(withMarkers(new))
	if err != nil {
		return nil, err
	}
	merge, err := jsonpatch.CreateMergePatch(before, after)
	if err != nil {
		return nil, err
	}
	var patch, from, to map[string]any
	for text, into := range map[*[]byte]*map[string]any{&merge: &patch, &before: &from, &after: &to} {
		if err := json.Unmarshal(*text, into); err != nil {
			return nil, err
		}
	}
	d := detailer{forceNew: forceNew, changes: map[string]*pulumirpc.PropertyDiff{}}
	d.object(nil, patch, from, to, false)
	return d.changes, d.err
}

// withMarkers replaces unknowns by a text that stands for them.
func withMarkers(value any) any {
	switch v := value.(type) {
	case resource.Computed, *resource.Computed:
		return plugin.UnknownStringValue
	case map[string]any:
		marked := make(map[string]any, len(v))
		for key, element := range v {
			marked[key] = withMarkers(element)
		}
		return marked
	case []any:
		marked := make([]any, len(v))
		for i, element := range v {
			marked[i] = withMarkers(element)
		}
		return marked
	}
	return value
}

// detailer walks a JSON merge patch beside the old and the new object.
type detailer struct {
	forceNew []string
	changes  map[string]*pulumirpc.PropertyDiff
	err      error
}

// absent stands for a field that is not there, unlike one that is null.
type absent struct{}

func field(object map[string]any, key string) any {
	if value, has := object[key]; has {
		return value
	}
	return absent{}
}

// object walks a patched object. Within an array the patch is the whole new value, so there a field that is only in
// the old one is a deletion too.
func (d *detailer) object(path []any, patch, old, new map[string]any, inList bool) {
	for key, value := range patch {
		d.value(child(path, key), value, field(old, key), field(new, key), inList)
	}
	if !inList {
		return
	}
	for key, value := range old {
		if _, has := patch[key]; !has {
			d.value(child(path, key), nil, value, field(new, key), inList)
		}
	}
}

func (d *detailer) list(path []any, patch, old, new []any) {
	at := func(list []any, i int) any {
		if i < len(list) {
			return list[i]
		}
		return absent{}
	}
	for i := 0; i < len(patch) || i < len(old); i++ {
		var value any
		if i < len(patch) {
			value = patch[i]
		}
		d.value(child(path, i), value, at(old, i), at(new, i), true)
	}
}

func (d *detailer) value(path []any, patch, old, new any, inList bool) {
	switch patched := patch.(type) {
	case nil:
		if old != (any)(absent{}) {
			d.add(path, patch, pulumirpc.PropertyDiff_DELETE)
		}
		return
	case map[string]any:
		if before, ok := old.(map[string]any); ok {
			after, _ := new.(map[string]any)
			d.object(path, patched, before, after, inList)
			return
		}
	case []any:
		if before, ok := old.([]any); ok {
			after, _ := new.([]any)
			d.list(path, patched, before, after)
			return
		}
	}
	switch {
	case reflect.DeepEqual(old, absent{}):
		d.add(path, patch, pulumirpc.PropertyDiff_ADD)
	case !reflect.DeepEqual(old, patch):
		d.add(path, patch, pulumirpc.PropertyDiff_UPDATE)
	}
}

func (d *detailer) add(path []any, value any, kind pulumirpc.PropertyDiff_Kind) {
	forced, err := forces(path, value, d.forceNew)
	if err != nil {
		d.err = err
	}
	change := &pulumirpc.PropertyDiff{Kind: kind, InputDiff: kind == pulumirpc.PropertyDiff_DELETE}
	if forced {
		switch kind {
		case pulumirpc.PropertyDiff_ADD:
			change.Kind = pulumirpc.PropertyDiff_ADD_REPLACE
		case pulumirpc.PropertyDiff_DELETE:
			change.Kind = pulumirpc.PropertyDiff_DELETE_REPLACE
		default:
			change.Kind = pulumirpc.PropertyDiff_UPDATE_REPLACE
		}
	}
	d.changes[pathText(path)] = change
}

func child(path []any, step any) []any {
	return append(append([]any{}, path...), step)
}

// pathText writes a path as Pulumi's property paths are written.
func pathText(path []any) string {
	text := ""
	for _, step := range path {
		switch step := step.(type) {
		case int:
			text += fmt.Sprintf("[%d]", step)
		case string:
			switch {
			case strings.ContainsAny(step, `."[]`):
				text += `["` + strings.ReplaceAll(step, `"`, `\"`) + `"]`
			case text != "":
				text += "." + step
			default:
				text = step
			}
		}
	}
	return text
}
