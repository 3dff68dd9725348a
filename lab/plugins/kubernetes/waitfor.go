package kubernetes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"
)

// conditions are the expressions of a pulumi.com/waitFor annotation, all of which have to hold.
type conditions []func(*unstructured.Unstructured) verdict

func (c conditions) judge(object *unstructured.Unstructured) verdict {
	for _, holds := range c {
		if result := holds(object); !result.ready {
			return result
		}
	}
	return verdict{ready: true}
}

// parseWaitFor takes one expression, or a JSON array of them: "condition=TYPE[=STATUS]" or "jsonpath={…}[=VALUE]".
func parseWaitFor(text string) (conditions, error) {
	var expressions []string
	if json.Unmarshal([]byte(text), &expressions) != nil {
		expressions = []string{text}
	}
	if len(expressions) == 0 {
		return nil, fmt.Errorf("at least one condition must be specified")
	}
	var parsed conditions
	for _, expression := range expressions {
		form, rest, _ := strings.Cut(expression, "=")
		switch form {
		case "condition":
			parsed = append(parsed, conditionHolds(rest))
		case "jsonpath":
			holds, err := pathHolds(rest)
			if err != nil {
				return nil, err
			}
			parsed = append(parsed, holds)
		default:
			return nil, fmt.Errorf(`expected a "jsonpath=" or "condition=" prefix, got %q`, expression)
		}
	}
	return parsed, nil
}

func conditionHolds(text string) func(*unstructured.Unstructured) verdict {
	kind, wanted, given := strings.Cut(text, "=")
	if !given {
		wanted = "True"
	}
	return func(object *unstructured.Unstructured) verdict {
		waiting := verdict{message: fmt.Sprintf("Waiting for condition %s=%s", kind, wanted)}
		all, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
		seen, observed, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
		for _, item := range all {
			condition, _ := item.(map[string]any)
			kindHere, _ := condition["type"].(string)
			statusHere, _ := condition["status"].(string)
			if generation, ok := condition["observedGeneration"].(int64); ok {
				seen, observed = generation, true
			}
			if strings.EqualFold(kindHere, kind) {
				current := !observed || seen >= object.GetGeneration()
				return verdict{ready: current && strings.EqualFold(statusHere, wanted), message: waiting.message}
			}
		}
		return waiting
	}
}

func pathHolds(text string) (func(*unstructured.Unstructured) verdict, error) {
	path, wanted, given := text, "", false
	if end := strings.LastIndex(text, "}"); end >= 0 && strings.HasPrefix(text[end+1:], "=") {
		path, wanted, given = text[:end+1], text[end+2:], true
	}
	query := jsonpath.New("waitFor").AllowMissingKeys(true)
	if err := query.Parse(path); err != nil {
		return nil, fmt.Errorf("%s in %s: %w", path, waitFor, err)
	}
	return func(object *unstructured.Unstructured) verdict {
		var found bytes.Buffer
		err := query.Execute(&found, object.Object)
		ready := err == nil && found.Len() > 0 && (!given || found.String() == wanted)
		return verdict{ready: ready, message: "Waiting for " + text}
	}, nil
}
