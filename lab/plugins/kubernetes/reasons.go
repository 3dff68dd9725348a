package kubernetes

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// reasons tells why a workload is not ready: what its pods' containers wait for or died of, and its warning events.
func (p *Provider) reasons(object *unstructured.Unstructured) []string {
	switch object.GetKind() {
	case "DaemonSet", "Deployment", "StatefulSet", "Job", "Pod":
	default:
		return nil
	}
	var reasons []string
	add := func(more ...string) {
		for _, reason := range more {
			if !slices.Contains(reasons, reason) {
				reasons = append(reasons, reason)
			}
		}
	}
	owners := map[types.UID]bool{object.GetUID(): true}
	if object.GetKind() == "Deployment" {
		sets := p.list(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}, object)
		for i := range sets {
			if ownedBy(&sets[i], owners) {
				owners[sets[i].GetUID()] = true
			}
		}
	}
	for _, item := range p.list(corev1.SchemeGroupVersion.WithResource("pods"), object) {
		var pod corev1.Pod
		if !ownedBy(&item, owners) && !owners[item.GetUID()] {
			continue
		}
		if runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &pod) == nil {
			add(podErrors(&pod)...)
			owners[pod.UID] = true
		}
	}
	for _, item := range p.list(corev1.SchemeGroupVersion.WithResource("events"), object) {
		var event corev1.Event
		err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &event)
		if err == nil && event.Type == corev1.EventTypeWarning && owners[event.InvolvedObject.UID] {
			add(event.Reason + ": " + event.Message)
		}
	}
	return reasons
}

func (p *Provider) list(
	kind schema.GroupVersionResource, beside *unstructured.Unstructured,
) []unstructured.Unstructured {
	list, err := p.cluster.client.Resource(kind).Namespace(beside.GetNamespace()).List(p.ctx, metav1.ListOptions{})
	if err != nil {
		return nil
	}
	return list.Items
}

func ownedBy(object *unstructured.Unstructured, owners map[types.UID]bool) bool {
	return slices.ContainsFunc(object.GetOwnerReferences(), func(owner metav1.OwnerReference) bool {
		return owners[owner.UID]
	})
}

// podErrors is empty for a pod that is ready or merely starting.
func podErrors(pod *corev1.Pod) []string {
	var found []string
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Message != "" {
			found = append(found, fmt.Sprintf("[Pod %s/%s]: %s", pod.Namespace, pod.Name, condition.Message))
		}
	}
	for _, status := range append(slices.Clone(pod.Status.InitContainerStatuses), pod.Status.ContainerStatuses...) {
		if text := containerError(status); text != "" {
			found = append(found, fmt.Sprintf("[Pod %s/%s]: container %q: %s", pod.Namespace, pod.Name, status.Name, text))
		}
	}
	return found
}

func containerError(status corev1.ContainerStatus) string {
	waiting, ended, last := status.State.Waiting, status.State.Terminated, status.LastTerminationState.Terminated
	switch {
	case status.Ready:
		return ""
	case waiting != nil && waiting.Reason != "ContainerCreating" && waiting.Reason != "PodInitializing":
		text := fmt.Sprintf("[%s] %s", waiting.Reason, waiting.Message)
		if last != nil {
			text += fmt.Sprintf(" (ended before: %s, exit code %d %s)", last.Reason, last.ExitCode, last.Message)
		}
		return text
	case ended != nil && ended.ExitCode != 0:
		return fmt.Sprintf("[%s] exit code %d %s", ended.Reason, ended.ExitCode, ended.Message)
	}
	return ""
}
