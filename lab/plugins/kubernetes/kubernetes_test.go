package kubernetes

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type object = map[string]any
type list = []any

func named(apiVersion, kind string, fields object) *unstructured.Unstructured {
	all := object{"apiVersion": apiVersion, "kind": kind, "metadata": object{"name": "x", "namespace": "n"}}
	maps.Copy(all, fields)
	return &unstructured.Unstructured{Object: all}
}

func kindsOf(changes map[string]*pulumirpc.PropertyDiff) map[string]string {
	kinds := map[string]string{}
	for path, change := range changes {
		kinds[path] = change.Kind.String()
	}
	return kinds
}

func TestDetail(t *testing.T) {
	for name, test := range map[string]struct {
		old, new object
		forceNew []string
		want     map[string]string
	}{
		"equal numbers of different types": {
			old: object{"a": int64(3)}, new: object{"a": 3.0}, want: map[string]string{},
		},
		"a key with dots": {
			old:  object{"m": object{"annotations": object{"a.b/c": "1"}}},
			new:  object{"m": object{"annotations": object{"a.b/c": "2"}}},
			want: map[string]string{`m.annotations["a.b/c"]`: "UPDATE"},
		},
		"added and removed fields": {
			old: object{"gone": "1"}, new: object{"come": object{"x": "1"}},
			want: map[string]string{"gone": "DELETE", "come": "ADD"},
		},
		"one element of a list, one field of it, and one removed from it": {
			old:  object{"c": list{object{"image": "a", "tty": true}, object{"image": "b"}}},
			new:  object{"c": list{object{"image": "a2"}, object{"image": "b"}}},
			want: map[string]string{"c[0].image": "UPDATE", "c[0].tty": "DELETE"},
		},
		"a longer and a shorter list": {
			old:  object{"long": list{"1"}, "short": list{"1", "2"}},
			new:  object{"long": list{"1", "2"}, "short": list{"1"}},
			want: map[string]string{"long[1]": "ADD", "short[1]": "DELETE"},
		},
		"what is known only later": {
			old:  object{"s": object{"a": "1"}, "t": "1"},
			new:  object{"s": resource.Computed{}, "t": resource.Computed{}, "u": resource.Computed{}},
			want: map[string]string{"s": "UPDATE", "t": "UPDATE", "u": "ADD"},
		},
		"an immutable field, by a change deep in it and of a parent": {
			old:      object{"spec": object{"selector": object{"matchLabels": object{"a": "1"}}}, "roleRef": object{"n": "1"}},
			new:      object{"spec": object{"selector": object{"matchLabels": object{"a": "2"}}}},
			forceNew: []string{".spec.selector", ".roleRef.n"},
			want:     map[string]string{"spec.selector.matchLabels.a": "UPDATE_REPLACE", "roleRef": "DELETE"},
		},
		"an immutable field of a list's elements": {
			old:      object{"spec": object{"containers": list{object{"image": "a", "other": "a"}}}},
			new:      object{"spec": object{"containers": list{object{"image": "b", "other": "b"}}}},
			forceNew: []string{".spec.containers[*].image"},
			want:     map[string]string{"spec.containers[0].image": "UPDATE_REPLACE", "spec.containers[0].other": "UPDATE"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			changes, err := detail(test.old, test.new, test.forceNew)
			if err != nil {
				t.Fatal(err)
			}
			if got := kindsOf(changes); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestForceNewOfContents(t *testing.T) {
	for name, test := range map[string]struct {
		settings  settings
		kind      string
		immutable bool
		replaces  bool
	}{
		"a Secret by default":                {kind: "Secret", replaces: true},
		"a Secret that may change":           {kind: "Secret", settings: settings{secretMutable: true}},
		"an immutable Secret that may not":   {kind: "Secret", settings: settings{secretMutable: true}, immutable: true, replaces: true},
		"a ConfigMap by default":             {kind: "ConfigMap", replaces: true},
		"a ConfigMap that may change":        {kind: "ConfigMap", settings: settings{configMapMutable: true}},
		"a ConfigMap, where Secrets may not": {kind: "ConfigMap", settings: settings{secretMutable: true}, replaces: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Provider{settings: test.settings}
			fields := p.forceNew(named("v1", test.kind, object{"immutable": test.immutable}))
			if got := slices.Contains(fields, ".data"); got != test.replaces {
				t.Errorf("replaces for data: %v, want %v", got, test.replaces)
			}
			if !slices.Contains(fields, ".metadata.name") {
				t.Error("a new name must replace")
			}
		})
	}
}

func TestPrune(t *testing.T) {
	got := prune(
		object{"a": "1", "server": "x", "c": list{object{"image": "i", "pullPolicy": "p"}, object{"injected": "y"}}, "t": list{"x"}},
		object{"a": "0", "missing": "z", "c": list{object{"image": "old"}}, "t": "text"},
	)
	want := object{"a": "1", "c": list{object{"image": "i"}}, "t": list{"x"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNormalize(t *testing.T) {
	secret := normalize(named("v1", "Secret", object{"stringData": object{"a": "x"}, "data": object{"b": "eQ=="}}))
	if want := (object{"a": "eA==", "b": "eQ=="}); !reflect.DeepEqual(secret.Object["data"], want) || secret.Object["stringData"] != nil {
		t.Errorf("a Secret became %v", secret.Object)
	}
	limits := normalize(named("v1", "LimitRange", object{
		"spec": object{"limits": list{object{"type": "Container", "default": object{"cpu": 0.5, "memory": "1024Mi"}}}},
	}))
	spec := limits.Object["spec"].(object)["limits"].(list)[0].(object)["default"]
	if want := (object{"cpu": "500m", "memory": "1Gi"}); !reflect.DeepEqual(spec, want) {
		t.Errorf("quantities became %v", spec)
	}
	unknown := normalize(named("v1", "Secret", object{"stringData": object{"a": resource.Computed{}}}))
	if unknown.Object["stringData"] == nil {
		t.Error("what is known only later must stay as it is")
	}
}

func TestSecretsStaySecret(t *testing.T) {
	secret := resource.MakeSecret
	text := resource.NewStringProperty
	objects := resource.NewObjectProperty
	ins := resource.PropertyMap{
		"metadata": objects(resource.PropertyMap{"annotations": objects(resource.PropertyMap{"a": secret(text("s1")), "b": text("x")})}),
		"spec":     objects(resource.PropertyMap{"env": resource.NewArrayProperty([]resource.PropertyValue{secret(text("s2")), text("x")})}),
	}
	live := named("v1", "Pod", object{
		"metadata": object{"annotations": object{"a": "s1", "b": "x", "added": "y"}},
		"spec":     object{"env": list{"x", "s2"}, "more": "z"},
	})
	all := state(plain(ins), live, ins, "v1", "m")
	annotations := all["metadata"].ObjectValue()["annotations"].ObjectValue()
	if !annotations["a"].IsSecret() || annotations["b"].IsSecret() || annotations["added"].IsSecret() {
		t.Errorf("annotations: %v", annotations)
	}
	if !all["spec"].ObjectValue()["env"].IsSecret() {
		t.Error("a list that holds a secret must be secret as a whole")
	}
	if inputs := all[inputsKey].ObjectValue(); !inputs["spec"].ObjectValue()["env"].IsSecret() {
		t.Error("the inputs in the state hold the secret too")
	}
	data := state(plain(nil), named("v1", "Secret", object{"data": object{"a": "eA=="}}), nil, "v1", "m")["data"]
	if !data.IsSecret() {
		t.Error("the data of every Secret is secret")
	}
}

func TestNames(t *testing.T) {
	request := &pulumirpc.CheckRequest{Urn: "urn:pulumi:dev::p::kubernetes:core/v1:Namespace::ns", RandomSeed: []byte("seed")}
	fresh := &unstructured.Unstructured{Object: object{"kind": "Namespace"}}
	if err := setName(fresh, &unstructured.Unstructured{}, request); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^ns-[0-9a-f]{8}$`).MatchString(fresh.GetName()) || annotation(fresh, autonamed) != "true" {
		t.Errorf("a new object became %v", fresh.Object)
	}
	again := &unstructured.Unstructured{Object: object{"kind": "Namespace", "metadata": object{}}}
	if err := setName(again, fresh, request); err != nil || again.GetName() != fresh.GetName() {
		t.Errorf("the old name %s was not kept: %v, %v", fresh.GetName(), again.Object, err)
	}
	fixed := &unstructured.Unstructured{Object: object{"metadata": object{"name": "mine"}}}
	if err := setName(fixed, fresh, request); err != nil || fixed.GetName() != "mine" || annotation(fixed, autonamed) != "" {
		t.Errorf("a given name became %v, %v", fixed.Object, err)
	}
	disabled := &pulumirpc.CheckRequest{Urn: request.Urn, Autonaming: &pulumirpc.CheckRequest_AutonamingOptions{
		Mode: pulumirpc.CheckRequest_AutonamingOptions_DISABLE,
	}}
	if err := setName(&unstructured.Unstructured{Object: object{}}, &unstructured.Unstructured{}, disabled); err == nil {
		t.Error("a project without auto-naming must be told")
	}
}

func TestIgnoredChanges(t *testing.T) {
	changes := map[string]*pulumirpc.PropertyDiff{
		"spec.replicas": {}, "spec.template.metadata.labels.a": {}, `metadata.annotations["a.b/c"]`: {},
	}
	if err := ignore(changes, []string{"spec.template", `metadata.annotations["a.b/c"]`}); err != nil {
		t.Fatal(err)
	}
	if len(changes) != 1 || changes["spec.replicas"] == nil {
		t.Errorf("left: %v", changes)
	}
}

func TestInherit(t *testing.T) {
	entry := func(manager string, operation metav1.ManagedFieldsOperationType, subresource, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{
			Manager: manager, Operation: operation, Subresource: subresource, FieldsV1: &metav1.FieldsV1{Raw: []byte(fields)},
		}
	}
	const apply, update = metav1.ManagedFieldsOperationApply, metav1.ManagedFieldsOperationUpdate
	merged, changed, err := inherit([]metav1.ManagedFieldsEntry{
		entry("pulumi-kubernetes", update, "", `{"f:data":{"f:a":{}}}`),
		entry("kubectl-edit", update, "", `{"f:data":{"f:b":{}}}`),
		entry("kube-controller-manager", update, "status", `{"f:status":{}}`),
		entry("somebody", update, "", `{"f:data":{"f:c":{}}}`),
	}, "pulumi-kubernetes-1234")
	if err != nil || !changed || len(merged) != 3 {
		t.Fatalf("got %v, %v, %v", merged, changed, err)
	}
	own := merged[2]
	if own.Manager != "pulumi-kubernetes-1234" || own.Operation != apply || string(own.FieldsV1.Raw) != `{"f:data":{"f:a":{},"f:b":{}}}` {
		t.Errorf("own entry: %+v with %s", own, own.FieldsV1.Raw)
	}
	if _, changed, _ := inherit(merged, "pulumi-kubernetes-1234"); changed {
		t.Error("a second time nothing is left to take over")
	}
}

func TestReplaceProviderOnlyForAnotherCluster(t *testing.T) {
	kubeconfig := func(server, user string) resource.PropertyValue {
		return resource.NewStringProperty(`{"current-context":"a","contexts":[{"name":"a","context":{"cluster":"a","user":"u"}}],
			"clusters":[{"name":"a","cluster":{"server":"` + server + `"}}],"users":[{"name":"u","user":{"token":"` + user + `"}}]}`)
	}
	text := resource.NewStringProperty
	for name, test := range map[string]struct {
		old, new resource.PropertyMap
		want     []string
	}{
		"another server": {
			old: resource.PropertyMap{"kubeconfig": kubeconfig("https://1", "t")}, new: resource.PropertyMap{"kubeconfig": kubeconfig("https://2", "t")},
			want: []string{"kubeconfig"},
		},
		"another token": {
			old: resource.PropertyMap{"kubeconfig": kubeconfig("https://1", "t")}, new: resource.PropertyMap{"kubeconfig": kubeconfig("https://1", "u")},
		},
		"another server under the same identifier": {
			old: resource.PropertyMap{"kubeconfig": kubeconfig("https://1", "t"), "clusterIdentifier": text("c")},
			new: resource.PropertyMap{"kubeconfig": kubeconfig("https://2", "t"), "clusterIdentifier": text("c")},
		},
		"another identifier": {
			old:  resource.PropertyMap{"clusterIdentifier": text("c")},
			new:  resource.PropertyMap{"clusterIdentifier": text("d")},
			want: []string{"clusterIdentifier"},
		},
		"a new identifier": {old: resource.PropertyMap{}, new: resource.PropertyMap{"clusterIdentifier": text("d")}},
	} {
		t.Run(name, func(t *testing.T) {
			diff := test.old.Diff(test.new)
			var changed []string
			for _, key := range diff.ChangedKeys() {
				changed = append(changed, string(key))
			}
			got, err := clusterChange(test.old, test.new, diff, changed)
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
		})
	}
}

func TestReadiness(t *testing.T) {
	condition := func(kind, status string) object {
		return object{"conditions": list{object{"type": kind, "status": status, "reason": "BackoffLimitExceeded", "message": "too often"}}}
	}
	for name, test := range map[string]struct {
		object        *unstructured.Unstructured
		ready, failed bool
	}{
		"a Secret":                   {object: named("v1", "Secret", nil), ready: true},
		"a custom resource":          {object: named("a.b/v1", "Thing", object{"status": condition("Ready", "False")}), ready: true},
		"a Job that runs":            {object: named("batch/v1", "Job", object{"status": object{"active": int64(1)}})},
		"a Job that succeeded":       {object: named("batch/v1", "Job", object{"status": condition("Complete", "True")}), ready: true},
		"a Job that failed":          {object: named("batch/v1", "Job", object{"status": condition("Failed", "True")}), failed: true},
		"a DaemonSet nobody saw yet": {object: named("apps/v1", "DaemonSet", object{"status": object{"desiredNumberScheduled": int64(0)}})},
		"a pod that is ready":        {object: named("v1", "Pod", object{"status": condition("Ready", "True")}), ready: true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := readiness(test.object); got.ready != test.ready || got.failed != test.failed {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestWaitFor(t *testing.T) {
	ready := named("a/v1", "T", object{"status": object{"phase": "Up", "conditions": list{object{"type": "Ready", "status": "True"}}}})
	for expression, want := range map[string]bool{
		"condition=Ready": true, "condition=Ready=False": false, "condition=Other": false,
		"jsonpath={.status.phase}": true, "jsonpath={.status.phase}=Up": true, "jsonpath={.status.phase}=Down": false,
		"jsonpath={.status.none}": false, `["condition=Ready","jsonpath={.status.phase}=Down"]`: false,
	} {
		conditions, err := parseWaitFor(expression)
		if err != nil {
			t.Fatal(err)
		}
		if got := conditions.judge(ready).ready; got != want {
			t.Errorf("%s: %v, want %v", expression, got, want)
		}
	}
	if _, err := parseWaitFor("phase=Up"); err == nil {
		t.Error("an expression of another form must be refused")
	}
}
