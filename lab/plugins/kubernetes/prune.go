package kubernetes

import "reflect"

// prune keeps of a live object only the fields that the model has, at every depth: what a program did not set is the
// server's own and makes no diff. Where the two differ in type, the live value stays as it is.
func prune(live, model map[string]any) map[string]any {
	if live == nil || model == nil {
		return nil
	}
	kept := map[string]any{}
	for key, value := range live {
		if shape, has := model[key]; has {
			kept[key] = pruneValue(value, shape)
		}
	}
	return kept
}

func pruneValue(live, model any) any {
	if live == nil || model == nil || reflect.TypeOf(live) != reflect.TypeOf(model) {
		return live
	}
	switch value := live.(type) {
	case map[string]any:
		return prune(value, model.(map[string]any))
	case []any:
		return pruneList(value, model.([]any))
	}
	return live
}

// pruneList pairs elements by position, and drops what the model has no element for.
func pruneList(live, model []any) []any {
	kept := make([]any, 0, len(model))
	for i := 0; i < len(live) && i < len(model); i++ {
		kept = append(kept, pruneValue(live[i], model[i]))
	}
	return kept
}
