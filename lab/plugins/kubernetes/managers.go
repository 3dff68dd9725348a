package kubernetes

import (
	"bytes"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// inherited tells the writers whose fields become the resource's own at its next update: this plugin's create, and
// kubectl in every way of its. Writers into a subresource, as controllers are, keep theirs.
func inherited(entry metav1.ManagedFieldsEntry) bool {
	if entry.Subresource != "" || entry.FieldsV1 == nil {
		return false
	}
	if entry.Operation == metav1.ManagedFieldsOperationApply {
		return strings.HasPrefix(entry.Manager, "kubectl")
	}
	for _, prefix := range []string{"kubectl", "before-first-apply", creator, "pulumi-resource-kubernetes"} {
		if strings.HasPrefix(entry.Manager, prefix) {
			return true
		}
	}
	return false
}

// inherit merges the fields of inherited writers into the manager's own entry.
func inherit(
	entries []metav1.ManagedFieldsEntry, manager string,
) (merged []metav1.ManagedFieldsEntry, changed bool, err error) {
	own := &fieldpath.Set{}
	var entry metav1.ManagedFieldsEntry
	for _, candidate := range entries {
		mine := candidate.Manager == manager && candidate.Operation == metav1.ManagedFieldsOperationApply &&
			candidate.Subresource == ""
		if !mine && !inherited(candidate) {
			merged = append(merged, candidate)
			continue
		}
		changed = changed || !mine
		fields := &fieldpath.Set{}
		if candidate.FieldsV1 != nil {
			if err := fields.FromJSON(bytes.NewReader(candidate.FieldsV1.Raw)); err != nil {
				return nil, false, err
			}
		}
		own = own.Union(fields)
		entry = candidate
	}
	if !changed {
		return entries, false, nil
	}
	raw, err := own.ToJSON()
	if err != nil {
		return nil, false, err
	}
	entry.Manager, entry.Operation = manager, metav1.ManagedFieldsOperationApply
	entry.FieldsV1 = &metav1.FieldsV1{Raw: raw}
	return append(merged, entry), true, nil
}
