package kubernetes

import (
	"fmt"
	"reflect"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// verdict is what one look at an object tells.
type verdict struct {
	ready bool
	// failed means that waiting longer would not help.
	failed bool
	// message says what is waited for.
	message string
	errors  []string
}

// judge tells whether an object is ready; kinds that nobody waits for always are.
func (p *Provider) judge(object *unstructured.Unstructured) verdict {
	switch object.GetKind() {
	case "Service":
		return p.serviceReadiness(object)
	case "PersistentVolumeClaim":
		return p.claimReadiness(object)
	}
	return readiness(object)
}

// readiness judges by the object alone.
func readiness(object *unstructured.Unstructured) verdict {
	switch object.GroupVersionKind() {
	case schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "DaemonSet"},
		schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"},
		schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "StatefulSet"}:
		result, err := status.Compute(object)
		if err != nil {
			return verdict{message: err.Error()}
		}
		return verdict{ready: result.Status == status.CurrentStatus, message: result.Message}
	case schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}:
		return jobReadiness(object)
	case schema.GroupVersionKind{Version: "v1", Kind: "Pod"}:
		return podReadiness(object)
	case schema.GroupVersionKind{Version: "v1", Kind: "PersistentVolume"}:
		ready := phase(object) == "Available" || phase(object) == "Bound"
		return verdict{ready: ready, message: "Waiting for the volume to be available"}
	case schema.GroupVersionKind{Version: "v1", Kind: "ResourceQuota"}:
		wanted, _, _ := unstructured.NestedMap(object.Object, "spec", "hard")
		counted, _, _ := unstructured.NestedMap(object.Object, "status", "hard")
		return verdict{ready: reflect.DeepEqual(wanted, counted), message: "Waiting for the quota to be counted"}
	case schema.GroupVersionKind{Version: "v1", Kind: "Secret"}:
		data, _, _ := unstructured.NestedMap(object.Object, "data")
		ready := object.Object["type"] != string(corev1.SecretTypeServiceAccountToken) || len(data) > 0
		return verdict{ready: ready, message: "Waiting for the token to be issued"}
	}
	return verdict{ready: true}
}

func phase(object *unstructured.Unstructured) string {
	phase, _, _ := unstructured.NestedString(object.Object, "status", "phase")
	return phase
}

// jobReadiness waits for a Job to succeed, and gives up when it failed for good.
func jobReadiness(object *unstructured.Unstructured) verdict {
	var job batchv1.Job
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &job); err != nil {
		return verdict{message: err.Error()}
	}
	result := verdict{message: fmt.Sprintf("Waiting for Job %q to succeed (Active: %d | Succeeded: %d | Failed: %d)",
		job.Name, job.Status.Active, job.Status.Succeeded, job.Status.Failed)}
	for _, condition := range job.Status.Conditions {
		if condition.Status != corev1.ConditionTrue {
			continue
		}
		switch condition.Type {
		case batchv1.JobComplete:
			result.ready = true
		case batchv1.JobFailed:
			result.failed = true
			result.errors = append(result.errors, fmt.Sprintf("[%s] %s", condition.Reason, condition.Message))
		}
	}
	return result
}

func podReadiness(object *unstructured.Unstructured) verdict {
	var pod corev1.Pod
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &pod); err != nil {
		return verdict{message: err.Error()}
	}
	if pod.Status.Phase == corev1.PodSucceeded {
		return verdict{ready: true}
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			return verdict{ready: true}
		}
	}
	return verdict{message: fmt.Sprintf("Waiting for Pod %q to be ready", id(object)), errors: podErrors(&pod)}
}

// serviceReadiness waits for pods behind a Service that selects some, and for the address of a load balancer.
func (p *Provider) serviceReadiness(object *unstructured.Unstructured) verdict {
	var service corev1.Service
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &service); err != nil {
		return verdict{message: err.Error()}
	}
	if service.Spec.Type == corev1.ServiceTypeLoadBalancer && len(service.Status.LoadBalancer.Ingress) == 0 {
		return verdict{message: "Attempting to allocate IP address to Service",
			errors: []string{"Service was not allocated an IP address; does your cloud provider support this?"}}
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName || service.Spec.ClusterIP == corev1.ClusterIPNone ||
		len(service.Spec.Selector) == 0 {
		return verdict{ready: true}
	}
	endpoints, err := p.cluster.client.Resource(corev1.SchemeGroupVersion.WithResource("endpoints")).
		Namespace(service.Namespace).Get(p.ctx, service.Name, metav1.GetOptions{})
	if err == nil {
		subsets, _, _ := unstructured.NestedSlice(endpoints.Object, "subsets")
		for _, subset := range subsets {
			if subset, ok := subset.(map[string]any); ok && subset["addresses"] != nil {
				return verdict{ready: true}
			}
		}
	}
	return verdict{message: "Finding Pods to direct traffic to", errors: []string{"Service does not target any Pods. " +
		"Selected Pods may not be ready, or field '.spec.selector' may not match labels on any Pods"}}
}

// claimReadiness waits until a claim is bound, or until it waits for its first consumer by its class's wish.
func (p *Provider) claimReadiness(object *unstructured.Unstructured) verdict {
	waiting := verdict{message: "Waiting for the claim to be bound"}
	if phase(object) == "Bound" {
		return verdict{ready: true}
	}
	class, _, _ := unstructured.NestedString(object.Object, "spec", "storageClassName")
	if class == "" || phase(object) != "Pending" {
		return waiting
	}
	found, err := p.cluster.client.
		Resource(schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}).
		Get(p.ctx, class, metav1.GetOptions{})
	if err == nil && found.Object["volumeBindingMode"] == "WaitForFirstConsumer" {
		return verdict{ready: true}
	}
	return waiting
}
