package kubernetes

import (
	"bytes"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"
)

// forceNew lists the fields of an object that cannot change in place, as JSONPath.
//
// A Secret or ConfigMap is replaced for new contents unless the provider was told that they may change in place and
// the object itself is not immutable.
func (p *Provider) forceNew(object *unstructured.Unstructured) []string {
	paths := []string{".metadata.name", ".metadata.namespace"}
	group, version, grouped := strings.Cut(object.GetAPIVersion(), "/")
	if !grouped {
		group, version = "", group
	}
	immutable, _, _ := unstructured.NestedBool(object.Object, "immutable")
	switch {
	case isSecret(object) && (!p.settings.secretMutable || immutable):
		return append(paths, ".type", ".stringData", ".data")
	case isConfigMap(object) && (!p.settings.configMapMutable || immutable):
		return append(paths, ".binaryData", ".data")
	case group == "core":
		group = ""
	}
	return append(paths, immutableFields[strings.TrimPrefix(group+"/"+version+"/"+object.GetKind(), "/")]...)
}

var selector = []string{
	".spec.selector", ".spec.selector.matchLabels", ".spec.selector.matchExpressions",
	".spec.selector.matchExpressions.key", ".spec.selector.matchExpressions.operator",
	".spec.selector.matchExpressions.values",
}

// immutableFields is what the official plugin replaces for, kind by kind.
var immutableFields = map[string][]string{
	"apps/v1/DaemonSet":  selector,
	"apps/v1/Deployment": selector,
	"apps/v1/StatefulSet": append([]string{
		".spec.podManagementPolicy", ".spec.revisionHistoryLimit", ".spec.serviceName", ".spec.volumeClaimTemplates",
	}, selector...),
	"batch/v1/Job": append([]string{".spec.completions", ".spec.parallelism", ".spec.template"}, selector...),
	"rbac.authorization.k8s.io/v1/ClusterRoleBinding": {".roleRef"},
	"rbac.authorization.k8s.io/v1/RoleBinding":        {".roleRef"},
	"storage.k8s.io/v1/StorageClass":                  {".parameters", ".provisioner"},
	"v1/PersistentVolume":                             under(".spec", "csi fc hostPath iscsi local nfs"),
	"v1/PersistentVolumeClaim": append(
		under(".spec", "accessModes storageClassName volumeName"), selector...),
	"v1/Pod": append(append(
		under(".spec", "affinity automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks hostAliases "+
			"hostIPC hostNetwork hostPID hostname imagePullSecrets nodeName nodeSelector overhead preemptionPolicy "+
			"priority priorityClassName readinessGates restartPolicy runtimeClassName schedulerName securityContext "+
			"serviceAccount serviceAccountName shareProcessNamespace subdomain terminationGracePeriodSeconds volumes"),
		under(".spec.containers[*]", container)...), under(".spec.initContainers[*]", container)...),
	"v1/ResourceQuota": {".spec.scopes"},
	"v1/Secret":        {".type"},
	"v1/Service":       {".spec.clusterIP"},
}

const container = "args command env env.value image imagePullPolicy lifecycle livenessProbe ports readinessProbe " +
	"resources securityContext stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices " +
	"volumeMounts workingDir"

func under(prefix, fields string) []string {
	var paths []string
	for _, name := range strings.Fields(fields) {
		paths = append(paths, prefix+"."+name)
	}
	return paths
}

// forces tells whether a change of the value at this path touches one of the fields.
func forces(path []any, value any, fields []string) (bool, error) {
	for i := len(path) - 1; i >= 0; i-- {
		switch step := path[i].(type) {
		case int:
			value = []any{value}
		case string:
			value = map[string]any{step: value}
		}
	}
	for _, text := range fields {
		query := jsonpath.New("").AllowMissingKeys(false)
		if err := query.Parse("{" + text + "}"); err != nil {
			return false, fmt.Errorf("%s: %w", text, err)
		}
		if err := query.Execute(&bytes.Buffer{}, value); err == nil || !strings.Contains(err.Error(), "not found") {
			return true, nil
		}
	}
	return false, nil
}
