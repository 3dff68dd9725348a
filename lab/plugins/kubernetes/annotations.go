package kubernetes

import (
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Annotations by which a program steers the plugin.
const (
	autonamed         = "pulumi.com/autonamed"
	skipAwait         = "pulumi.com/skipAwait"
	waitFor           = "pulumi.com/waitFor"
	timeoutSeconds    = "pulumi.com/timeoutSeconds"
	replaceUnready    = "pulumi.com/replaceUnready"
	patchForce        = "pulumi.com/patchForce"
	patchFieldManager = "pulumi.com/patchFieldManager"
	deletionPolicy    = "pulumi.com/deletionPropagationPolicy"
)

// annotation reads by hand, since metadata may hold unknowns that unstructured's own reader drops everything for.
func annotation(object *unstructured.Unstructured, key string) string {
	metadata, _ := object.Object["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	value, _ := annotations[key].(string)
	return value
}

// annotate sets an annotation, unless the annotations as a whole are unknown yet.
func annotate(object *unstructured.Unstructured, key, value string) {
	metadata, ok := object.Object["metadata"].(map[string]any)
	if !ok {
		return
	}
	if metadata["annotations"] == nil {
		metadata["annotations"] = map[string]any{}
	}
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		annotations[key] = value
	}
}

// timeoutOf is the customTimeouts of the resource, else the annotation, else ten minutes.
func timeoutOf(custom float64, object *unstructured.Unstructured) time.Duration {
	if custom > 0 {
		return time.Duration(custom * float64(time.Second))
	}
	if seconds, err := strconv.Atoi(annotation(object, timeoutSeconds)); err == nil {
		return time.Duration(seconds) * time.Second
	}
	return 10 * time.Minute
}
